import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { DIRECTORY_SETTINGS, type SettingShape } from '#contracts';

const DECLARATION = 'libs/contracts/src/directory-settings.ts';
const READERS = [...new Set(Object.values(DIRECTORY_SETTINGS).flatMap(({ readBy }) => readBy))];

/** A setting of each type. */
const MADE_UP: { readonly [type in SettingShape['type']]: string } = {
  boolean: 'default: false',
  text: "minCharacters: 0, maxCharacters: 20, default: ''",
  choice: "choices: ['one', 'other'], default: 'one'",
  number: 'min: 0, max: 10, default: 1',
  list: "maxItems: 3, maxCharacters: 20, default: ['one']",
  map: "choices: ['one', 'other'], maxItems: 3, maxCharacters: 20, default: {}",
  mapping: 'maxItems: 3, default: []',
};

/**
 * A setting is declared in one place. Shown with a copy of the source that declares one more of each type, read by everybody
 * who reads any, and is otherwise as it is: the code and its tests compile, so nothing else has to name a setting before it
 * is used. test/e2e/directory-settings.spec.ts shows that it is checked, stored, offered and documented.
 */
it('a setting more, of any type, is one declaration: all that is there compiles as it is', { timeout: 120_000 }, () => {
  expect(READERS.length).toBeGreaterThan(1);
  const root = mkdtempSync(join(tmpdir(), 'muster-setting-'));
  try {
    for (const path of ['apps', 'libs', 'deploy', 'test', 'package.json', 'tsconfig.json'])
      cpSync(path, join(root, path), { recursive: true });
    symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
    const text = readFileSync(DECLARATION, 'utf8');
    const entry = Object.entries(MADE_UP)
      .map(
        ([type, rest]) =>
          `${type}MadeUp: { type: '${type}', ${rest}, description: 'Made up.', readBy: ${JSON.stringify(READERS)} },`,
      )
      .join('\n');
    const declared = text.replace(/(?<=\bDIRECTORY_SETTINGS = \{\n)/, `${entry}\n`);
    expect(declared).not.toBe(text);
    writeFileSync(join(root, DECLARATION), declared);
    const compiled = spawnSync(join(root, 'node_modules/.bin/tsc'), ['--noEmit', '--incremental', 'false'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(compiled.stdout).toBe('');
    expect(compiled.status).toBe(0);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
