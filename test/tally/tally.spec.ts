import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { LOGS } from '../bench/installation.js';
import { isClean, renderReport, runFaults } from '../fault/fault-run.js';
import { describeWithOwnKafka } from '../support/kafka.js';
import { query } from '../support/postgres.js';

/**
 * A new owner costs its folder and two lines in THE list; test/tidy.spec.ts holds that no other file lists owners.
 * Shown with a copy of what was compiled, in which the list has one owner more: the programs of the product run it,
 * verify it, rebuild it, and the fault run kills it.
 */
vi.setConfig({ testTimeout: 600_000, hookTimeout: 60_000 });

const FOLDER = 'test/tally';
const LIST = 'dist/apps/muster/src/owners.js';
const MIGRATIONS = 'libs/event-store/src/migrations/SHA256SUMS';
const MIGRATION = `${FOLDER}/migrations/0006-tally.sql`;

/** The copy. */
const root = mkdtempSync(join(tmpdir(), 'muster-tally-'));

/** Returns the lines that are new or different. */
const edit = (file: string, change: (text: string) => string): readonly string[] => {
  const text = readFileSync(join(root, file), 'utf8');
  const changed = change(text);
  if (changed === text) throw new Error(`${file} is as it was.`);
  writeFileSync(join(root, file), changed);
  const before = text.split('\n');
  return changed.split('\n').filter((line) => !before.includes(line));
};

beforeAll(() => {
  cpSync('dist', join(root, 'dist'), { recursive: true });
  for (const path of ['package.json', 'deploy/kafka/pom.xml', MIGRATION, ...globSync('{apps,libs}/**/migrations/*')])
    cpSync(path, join(root, path));
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
  const lines = edit(
    LIST,
    (text) =>
      `import { tally } from '../../../${FOLDER}/tally.owner.js';\n${text.replace(/(?<=\bOWNERS = \[[^\]]*)\]/, ', tally]')}`,
  );
  expect(lines).toHaveLength(2);
  // `npm run docs` does this.
  const checksum = createHash('sha256').update(readFileSync(MIGRATION)).digest('hex');
  edit(MIGRATIONS, (text) => `${text}${checksum}  ${MIGRATION}\n`);
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

const run = (program: string, dataDir: string, ...args: string[]): Promise<{ stdout: string; code?: number }> =>
  promisify(execFile)(process.execPath, [join(root, 'dist', program), ...args], {
    env: { ...process.env, DATA_DIR: dataDir },
  }).catch((error: unknown) => error as { stdout: string; code: number });

for (const log of LOGS) {
  (log === 'kafka' ? describeWithOwnKafka : describe)(`a new owner on ${log}`, () => {
    it('records and counts all that happens over kills of its process, and is verified and rebuilt', async () => {
      const dataDir = join(root, `data-${log}`);
      const report = await runFaults({
        log,
        root,
        dataDir,
        victims: [log === 'kafka' ? 'tally' : 'server'],
        kills: 2,
        acknowledgedAtLeast: 300,
        atEnd: async ({ databaseUrl }) => {
          const missing = `SELECT (SELECT count(*) FROM identity.events) - (SELECT sum(events) FROM tally.counts) AS events,
            (SELECT count(*) FROM "group".events WHERE type = 'muster.group.created.v1') - (SELECT sum(groups) FROM tally.totals) AS groups`;
          await expect
            .poll(() => query(databaseUrl, missing), { timeout: 60_000 })
            .toEqual([{ events: '0', groups: '0' }]);
          expect((await run('apps/muster/src/verify.js', dataDir)).stdout).toMatch(
            /[1-9][\d,]* events tallied, [1-9][\d,]* tallies\b.*\nEverything holds\.\n$/s,
          );
          await query(databaseUrl, 'UPDATE tally.totals SET groups = groups + 1');
          const broken = await run('apps/muster/src/verify.js', dataDir);
          expect([broken.code, broken.stdout]).toEqual([1, expect.stringMatching(/^row  .*total/m)]);
          expect((await run('apps/muster/src/rebuild.js', dataDir, 'tally')).stdout).toMatch(/[1-9]\d* mended/);
          expect((await run('apps/muster/src/verify.js', dataDir)).code).toBeUndefined();
        },
      });
      expect(isClean(report), renderReport(report)).toBe(true);
      expect(report.kills.map((kill) => kill.process)).toEqual(Array(2).fill(log === 'kafka' ? 'tally' : 'server'));
    });
  });
}

it('a new owner is named nowhere but in its folder, and where a document shows it as an example', () => {
  const files = globSync('{apps,libs,deploy,docs,test}/**/*.{ts,sql,json}').concat(
    globSync('*.{json,yml,cjs}'),
    globSync('deploy/*').filter((path) => statSync(path).isFile()),
  );
  expect(files.length).toBeGreaterThan(300);
  expect(files.filter((file) => /\btally\b/i.test(readFileSync(file, 'utf8')) && !file.startsWith(FOLDER))).toEqual([]);
});
