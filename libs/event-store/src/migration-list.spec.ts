import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checksumOf, pendingMigrations, readMigrations, type Migration } from './migration-list.js';

const migration = (name: string, checksum = name): Migration => ({ name, checksum, sql: () => '' });
const KNOWN = ['0001-a', '0002-b', '0003-c'].map((name) => migration(name));
const applied = (...names: string[]): { name: string; checksum: string }[] =>
  names.map((name) => ({ name, checksum: name }));

describe('what a database still needs', () => {
  it.each([
    [[], ['0001-a', '0002-b', '0003-c']],
    [['0001-a', '0002-b'], ['0003-c']],
    [['0001-a', '0002-b', '0003-c'], []],
  ])('of one that has %j is %j', (has, needs) => {
    expect(pendingMigrations(KNOWN, applied(...has)).map(({ name }) => name)).toEqual(needs);
  });

  it.each([
    [
      'was migrated by a newer Muster',
      applied('0001-a', '0002-b', '0003-c', '0004-d'),
      /^The database was migrated by a newer Muster \(0004-d\)/,
    ],
    [
      'has a migration that this Muster does not know between others',
      applied('0001-a', '0001-b', '0002-b'),
      /^The database was migrated by a newer Muster \(0001-b\)/,
    ],
    [
      'lacks one that comes before others',
      applied('0001-a', '0003-c'),
      /^The database lacks the migration 0002-b, and has 0003-c/,
    ],
    [
      'was made with another text of one',
      [...applied('0001-a'), { name: '0002-b', checksum: 'other' }],
      /^The database was made with another text of the migration 0002-b/,
    ],
  ])('is not asked of one that %s', (_title, has, line) => {
    expect(() => pendingMigrations(KNOWN, has)).toThrow(expect.objectContaining({ exitCode: 64 }));
    expect(() => pendingMigrations(KNOWN, has)).toThrow(line);
  });
});

describe('a list', () => {
  const root = mkdtempSync(join(tmpdir(), 'muster-migrations-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const write = (name: string, text: string): string => {
    writeFileSync(join(root, name), text);
    return checksumOf(text);
  };

  it('names files in their order, and a file is read only as it was when it was listed', () => {
    const [second, first] = [write('0002-b.sql', 'SELECT 2'), write('0001-a.sql', 'SELECT 1')];
    write('SHA256SUMS', `# A comment\n${first}  0001-a.sql\n# Unreleased\n${second}  0002-b.sql\n`);
    const migrations = readMigrations('SHA256SUMS', root);
    expect(migrations.map(({ name, checksum }) => [name, checksum])).toEqual([
      ['0001-a', first],
      ['0002-b', second],
    ]);
    expect(migrations.map(({ sql }) => sql())).toEqual(['SELECT 1', 'SELECT 2']);
    write('0002-b.sql', 'SELECT 3');
    expect(migrations[1]!.sql).toThrow(/^0002-b\.sql is not the file that SHA256SUMS tells of/);
    // One line, and no restart mends it.
    expect(migrations[1]!.sql).toThrow(expect.objectContaining({ exitCode: 64 }));
  });

  it('that is missing, or a file of it, ends the start with one line', () => {
    write('LIST', `${'0'.repeat(64)}  0009-gone.sql\n`);
    const read = [readMigrations('LIST', root)[0]!.sql, () => readMigrations('NONE', root)];
    for (const one of read) {
      expect(one).toThrow(/^This copy of Muster is not complete \(ENOENT: .*\): install it again\.$/);
      expect(one).toThrow(expect.objectContaining({ exitCode: 64 }));
    }
  });

  it('that names no file ends the start with one line, too', () => {
    write('EMPTY', '');
    const read = (): unknown => readMigrations('EMPTY', root);
    expect(read).toThrow(/^This copy of Muster is not complete \(EMPTY names no migration\): install it again\.$/);
    expect(read).toThrow(expect.objectContaining({ exitCode: 64 }));
  });
});
