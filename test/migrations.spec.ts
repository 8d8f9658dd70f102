import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checksumOf, MIGRATION_LIST } from '#event-store';

/** `npm run docs` writes the list anew, below the last release; without it the test compares. */
const UNRELEASED = '# Unreleased';
const lineOf = (path: string, sql: string): string => `${checksumOf(sql)}  ${path}`;
const linesOf = (list: string): [checksum: string, path: string][] =>
  [...list.matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)].map(([, checksum, path]) => [checksum!, path!]);
const released = (list: string): string => list.slice(0, list.indexOf(`${UNRELEASED}\n`));

/** The list for these files; what is released stays as it is. */
const newList = (list: string, files: ReadonlyMap<string, string>): string => {
  const frozen = linesOf(released(list)).map(([, path]) => path);
  const others = [...files].filter(([path]) => !frozen.includes(path));
  const byNumber = others.sort(([a], [b]) => (basename(a) < basename(b) ? -1 : 1));
  return `${released(list)}${UNRELEASED}\n${byNumber.map(([path, sql]) => `${lineOf(path, sql)}\n`).join('')}`;
};

/** The faults of released migrations, one line for each. */
const brokenReleases = (list: string, files: ReadonlyMap<string, string>): string[] =>
  linesOf(released(list)).flatMap(([checksum, path]) => {
    const sql = files.get(path);
    if (sql !== undefined && checksumOf(sql) === checksum) return [];
    return [`${path} is released and never changes: take the change back, and write another migration that mends it`];
  });

/** Numbers are dense, and each stands once: there is one order for the whole database. */
const misnumbered = (list: string): string[] =>
  linesOf(list).flatMap(([, path], index) => {
    const number = String(index + 1).padStart(4, '0');
    return new RegExp(`^${number}-[a-z0-9-]+\\.sql$`).test(basename(path)) ? [] : [`${path}: ${number} is due`];
  });

const LIST = readFileSync(MIGRATION_LIST, 'utf8');
const FILES = new Map(
  globSync('{apps,libs}/*/src/**/migrations/*.sql').map((path) => [path, readFileSync(path, 'utf8')]),
);

it('the list holds every migration as it is, in one order: npm run docs makes it', async () => {
  expect(FILES.size).toBeGreaterThan(3);
  await expect(newList(LIST, FILES)).toMatchFileSnapshot(`../${MIGRATION_LIST}`);
  expect(misnumbered(newList(LIST, FILES))).toEqual([]);
});

it('no released migration has changed', () => {
  expect(brokenReleases(LIST, FILES)).toEqual([]);
});

it('the image holds them beside what is compiled, and no other source', () => {
  const dockerfile = readFileSync('deploy/Dockerfile', 'utf8');
  for (const room of ['apps', 'libs']) expect(dockerfile).toContain(`\nCOPY --from=build /app/${room} ${room}\n`);
  const folder = mkdtempSync(join(tmpdir(), 'muster-image-'));
  try {
    for (const room of ['apps', 'libs']) cpSync(room, join(folder, room), { recursive: true });
    execFileSync('sh', ['-c', /^RUN (find apps libs .*)$/m.exec(dockerfile)![1]!], { cwd: folder });
    expect(globSync('**/*.*', { cwd: folder }).sort()).toEqual([...FILES.keys()].sort());
    expect(readFileSync(join(folder, MIGRATION_LIST), 'utf8')).toBe(LIST);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe('of a list with a release', () => {
  const files = new Map([
    ['libs/log/src/migrations/0001-a.sql', 'SELECT 1'],
    ['apps/b/src/migrations/0003-c.sql', 'SELECT 3'],
    ['apps/c/src/migrations/0002-b.sql', 'SELECT 2'],
  ]);
  const [a, c, b] = [...files].map(([path, sql]) => lineOf(path, sql));
  const list = `# A comment\n# 1.0.0\n${a}\n# Unreleased\n${b}\n`;

  it('the released part stays, and the other one has all the rest in the order of their numbers', () => {
    expect(newList(list, files)).toBe(`# A comment\n# 1.0.0\n${a}\n# Unreleased\n${b}\n${c}\n`);
    const changed = new Map([...files, ['libs/log/src/migrations/0001-a.sql', 'SELECT 0']]);
    expect(newList(list, changed)).toBe(newList(list, files));
  });

  it.each([
    ['changed', new Map([...files, ['libs/log/src/migrations/0001-a.sql', 'SELECT 1 ']])],
    ['taken away', new Map([...files].slice(1))],
    ['renamed', new Map([...[...files].slice(1), ['libs/log/src/migrations/0001-z.sql', 'SELECT 1']])],
  ])('a released file that was %s is found', (_what, changed) => {
    expect(brokenReleases(list, files)).toEqual([]);
    expect(brokenReleases(list, changed)).toEqual([
      expect.stringMatching(/^libs\/log\/src\/migrations\/0001-a\.sql is released and never changes/),
    ]);
  });

  it.each([
    ['a number that is there twice', 'apps/d/src/migrations/0002-d.sql'],
    ['a number that is left out', 'apps/d/src/migrations/0005-d.sql'],
    ['a name without a number', 'apps/d/src/migrations/d.sql'],
  ])('%s is found', (_what, path) => {
    expect(misnumbered(newList(list, files))).toEqual([]);
    expect(misnumbered(newList(list, new Map([...files, [path, '']])))).not.toEqual([]);
  });
});
