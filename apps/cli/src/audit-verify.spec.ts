import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { verifierKeyOf } from '#tlog';
import {
  ADA,
  at,
  changed,
  head,
  noteOf,
  otherKey,
  rootAt,
  secretKey,
  SIZE,
  TENANT,
  useWrittenExports,
  verify,
} from '../../../test/support/written-exports.js';

/** Exports that were written here, changed in every way that somebody may try, and verified as administrators do. */

useWrittenExports();

describe('an export as it was written', () => {
  it.each([
    ['log', /ok {5}40 entries, 0 to 39: none was changed, left out, put in or moved/],
    ['range', /ok {5}25 entries, 6 to 30: none was changed/],
    ['person', new RegExp(`ok {5}5 entries of the person ${ADA}: each has a proof`)],
    ['absence', /nothing but entry 24 happened to the person/],
  ])('%s', async (name, said) => {
    const { code, out } = await verify(name);
    expect(out).toMatch(said);
    expect(out).toMatch(/All of this is proved|is not part of this/);
    expect(code).toBe(0);
  });

  it('is compared with checkpoints that were kept, within it and at its end', async () => {
    writeFileSync(at('kept-20'), noteOf(20));
    writeFileSync(at('kept-40'), noteOf(SIZE));
    const { code, out } = await verify('log', '--checkpoint', at('kept-20'), '--checkpoint', at('kept-40'));
    expect(out).toMatch(/The first 20 entries are those of the checkpoint \S+kept-20/);
    expect(out).toMatch(/The first 40 entries are those of the checkpoint \S+kept-40/);
    expect(code).toBe(0);
    expect(await verify('range', '--checkpoint', at('kept-20'))).toMatchObject({ code: 0 });
  });
});

describe('what somebody changed in an export is named', () => {
  const lines =
    (change: (all: string[]) => string[]) =>
    (content: Buffer): string =>
      `${change(content.toString().trimEnd().split('\n')).join('\n')}\n`;
  const renumbered = (all: string[], from = 0): string[] =>
    all.map((line, n) => line.replace(/^\{"number":\d+/, `{"number":${from + n}`));
  /** The line at a place, changed. It has to be another one then. */
  const line =
    (place: number, pattern: RegExp | string, to: string) =>
    (content: Buffer): string =>
      lines((all) => {
        const other = all[place]!.replace(pattern, to);
        expect(other).not.toBe(all[place]);
        return all.with(place, other);
      })(content);
  const NOT_THE_FILE =
    /entries\.jsonl is not the file that was exported: expected \d+ bytes with SHA-256 [0-9a-f]{64}, found \d+ with [0-9a-f]{64}/;

  const CHANGED_LINES: Readonly<
    Record<string, readonly [from: string, change: (content: Buffer) => string | Buffer, found: RegExp]>
  > = {
    'a byte of a leaf': [
      'log',
      line(9, '"actor":"t', '"actor":"u'),
      /entry 9: its leaf does not fit: expected \S{44}, computed \S{44}\. It was changed, or put in/,
    ],
    'the time of a leaf in a range': ['range', line(9, ':04:', ':05:'), /entry 15: its leaf does not fit/],
    'the sequence of a leaf': ['log', line(9, '"sequence":3', '"sequence":4'), /entry 9: its sequence of group is 4/],
    'the tenant of a leaf': ['log', line(9, TENANT, ADA), /entry 9: it is of another tenant[^]*entry 9: its leaf/],
    'members of a leaf in another order': [
      'log',
      line(9, /("owner":"group"),("sequence":\d+)/, '$2,$1'),
      /line 10 is no line of an export: it does not begin with a number and a leaf/,
    ],
    'a member of a leaf that stands twice': [
      'log',
      line(9, '"owner":', '"owner":"x","owner":'),
      /line 10 is no line of an export/,
    ],
    'a byte of data': [
      'log',
      line(9, 'Something', 'Somethink'),
      /entry 9: what it says is not what was hashed: expected \S{44}, computed \S{44}/,
    ],
    'white space in data': ['log', line(9, '"data":"{', '"data":"{ '), /entry 9: what it says is not what was hashed/],
    'a byte of what is sealed': [
      'log',
      line(8, /("personal":".{5})./, '$1x'),
      /entry 8: what it says is not what was hashed/,
    ],
    'sealed text that is gone': [
      'log',
      line(8, /"personal":"[^"]*"/, '"personal":null'),
      /line 9 is no line of an export: it has members/,
    ],
    'the hash of what is hidden': [
      'log',
      line(7, /("hiddenHash":".{5})./, '$1x'),
      /entry 7: what it says is not what was hashed/,
    ],
    'contents of two entries that have changed places': [
      'log',
      lines((all) => {
        const [one, two] = [all[9]!.split(',"payload":{'), all[13]!.split(',"payload":{')];
        return all.with(9, `${one[0]},"payload":{${two[1]}`).with(13, `${two[0]},"payload":{${one[1]}`);
      }),
      /entry 9: what it says is not what was hashed[^]*entry 13: what it says is not what was hashed/,
    ],
    'values that are no JSON': ['log', line(8, '{"title"', '{title'), /line 9 is no line of an export: its values/],
    'a member after the values': ['log', line(8, /\}$/, ',"more":1}'), /line 9 is no line of an export/],
    'a line that is gone': ['log', lines((all) => all.toSpliced(9, 1)), /entry 9 is missing: the next one is 10/],
    'a line that is gone, with new numbers': [
      'log',
      lines((all) => renumbered(all.toSpliced(9, 1))),
      /entry 9: it is entry 10 of the log, with another number[^]*entry 39 is missing at the end/,
    ],
    'the first line of a range that is gone': [
      'range',
      lines((all) => all.slice(1)),
      /entry 6 is missing: the next one is 7/,
    ],
    'the last lines that are gone': [
      'log',
      lines((all) => all.slice(0, -3)),
      /entries 37 to 39 are missing at the end/,
    ],
    'a line that was put in': [
      'log',
      lines((all) => renumbered(all.toSpliced(9, 0, all[9]!.replace('"actor":"t', '"actor":"u')))),
      /entry 9: its leaf does not fit[^]*entry 10: it is entry 9 of the log[^]*entry 40: it does not belong here/,
    ],
    'lines that have changed places': [
      'log',
      lines((all) => all.with(9, all[10]!).with(10, all[9]!)),
      /entry 9 is missing[^]*entry 9: it stands here once more, or too late: 11 was due/,
    ],
    'lines that have changed places and numbers': [
      'log',
      lines((all) => renumbered(all.with(9, all[10]!).with(10, all[9]!))),
      /entry 9: it is entry 10 of the log[^]*entry 10: it is entry 9 of the log/,
    ],
    'a line that stands twice': [
      'log',
      lines((all) => all.toSpliced(9, 0, all[9]!)),
      /entry 9: it stands here once more, or too late: 10 was due[^]*there are 41 lines, and export\.json says 40/,
    ],
    'an empty line': ['log', lines((all) => all.toSpliced(9, 0, '')), /line 10 is no line of an export/],
    'a file that ends within a line': [
      'log',
      (content) => content.subarray(0, -100),
      /line 40 is no line of an export[^]*entries\.jsonl ends within a line: it was cut off/,
    ],
    'a file that ends within a member of many bytes': [
      'log',
      (content) => Buffer.concat([content.subarray(0, content.lastIndexOf('ä') + 1)]),
      /line 40 is no line of an export: it is no UTF-8/,
    ],
    'a byte that is no UTF-8': [
      'log',
      (content) => {
        const other = Buffer.from(content);
        other[content.indexOf('ä') + 1] = 0xff;
        return other;
      },
      /line 1 is no line of an export: it is no UTF-8[^]*entries\.jsonl is not the file/,
    ],
    'an empty file': ['log', () => '', /entries 0 to 39 are missing at the end/],
    'an entry of a person that is gone': [
      'person',
      lines((all) => all.toSpliced(1, 1)),
      /entry 16: version 2 of the person was due, and it is 3/,
    ],
    'a proof': [
      'person',
      line(1, /"proof":\["./, '"proof":["_'),
      /entry 8: its proof does not lead to the root that was signed\..*expected \S{44}, computed \S{44}/,
    ],
    'a proof that is gone': ['person', line(1, /,"proof":\[[^\]]*\]/, ''), /entry 8: it has no proof/],
    'an entry of somebody else among those of a person': [
      'person',
      line(1, ADA, TENANT),
      /entry 8: it is not about this person[^]*entry 8: its proof does not lead/,
    ],
    'a leaf of a time that is gone': [
      'absence',
      lines((all) => all.toSpliced(4, 1)),
      /entry 22 is missing: the next one is 23/,
    ],
    'the words of an entry about the person that are left out': [
      'absence',
      line(6, /,"payload":\{.*\}$/, '}'),
      /entry 24: what it says is left out/,
    ],
  };
  it.each(Object.entries(CHANGED_LINES))('%s', async (_, [from, change, found]) => {
    const { code, out } = await changed(from, 'entries.jsonl', change);
    expect(out).toMatch(found);
    expect(out).toMatch(NOT_THE_FILE);
    expect(out).toMatch(/This export is not what was signed\.$/);
    expect(out).not.toMatch(/^ok/m);
    expect(code).toBe(1);
  });

  const CHANGED_FILES: Readonly<
    Record<string, readonly [file: string, change: (content: Buffer) => string | Buffer | null, found: RegExp]>
  > = {
    'a checkpoint of before': [
      'checkpoint',
      () => noteOf(30),
      /checkpoint is of 30 entries, and export\.json says 40: it is not the one that was exported/,
    ],
    'a checkpoint of another tree of this size': [
      'checkpoint',
      () => noteOf(SIZE, secretKey, rootAt(SIZE - 1)),
      /leaf-hashes is missing, or does not give the root that was signed[^]*the entries do not give the tree that was signed: .*expected \S{44}, computed \S{44}/,
    ],
    'a checkpoint that was signed with another key': [
      'checkpoint',
      () => noteOf(SIZE, otherKey),
      /the checkpoint of the export is not to be trusted/,
    ],
    'a byte of a checkpoint': [
      'checkpoint',
      (content) => content.toString().replace('\n40\n', '\n39\n'),
      /the checkpoint of the export is not to be trusted/,
    ],
    'no checkpoint': ['checkpoint', () => null, /There is no file \S+checkpoint\./],
    'the key of somebody else': [
      'verifier-key',
      () => verifierKeyOf(otherKey),
      /it is the export of another log, or it was made by somebody else/,
    ],
    'a hash of a leaf': [
      'leaf-hashes',
      (content) => Buffer.from(content).fill(1, 40, 41),
      /leaf-hashes is missing, or does not give the root that was signed[^]*leaf-hashes is not the file that was exported/,
    ],
    'hashes of leaves that were cut off': [
      'leaf-hashes',
      (content) => content.subarray(0, -32),
      /leaf-hashes is missing, or does not give the root that was signed/,
    ],
    'no hashes of leaves': ['leaf-hashes', () => null, /leaf-hashes is missing[^]*leaf-hashes is missing/],
    'a table for people': ['entries.csv', () => 'other', /entries\.csv is not the file that was exported/],
    'no entries': ['entries.jsonl', () => null, /has no entries\.jsonl: the export is not whole\. Export again/],
    'no head': [
      'export.json',
      () => null,
      /has no export\.json, which is written last: .* or one that was cut off\. Export again/,
    ],
    'half a head': ['export.json', (content) => content.subarray(0, 100), /export\.json is no JSON: it was cut off/],
    'a head of another format': ['export.json', head({ format: 'x/2' }), /export\.json is of another format/],
    'a count of entries': ['export.json', head({ entries: 39 }), /there are 40 lines, and export\.json says 39/],
    'an end that is nearer': ['export.json', head({ kind: 'range', to: 30 }), /entry 30: it does not belong here/],
    'a whole log that is none': ['export.json', head({ to: 30 }), /export\.json contradicts itself: it was changed/],
    'a size': ['export.json', head({ size: 41, to: 41 }), /checkpoint is of 40 entries, and export\.json says 41/],
    'a beginning': ['export.json', head({ from: 1, kind: 'range' }), /export\.json contradicts itself|subtrees/],
    'a file that no export has': [
      'export.json',
      head({ files: { '../../../../dev/zero': { bytes: 1, sha256: '' } } }),
      /export\.json contradicts itself: it was changed/,
    ],
  };
  it.each(Object.entries(CHANGED_FILES))('%s', async (_, [file, change, found]) => {
    const { code, out } = await changed('log', file, change);
    expect(out).toMatch(found);
    expect(out).not.toMatch(/proved\.$/);
    expect(code).toBe(1);
  });

  it('without hashes of leaves a change is still found, and not named', async () => {
    const name = 'no-hashes';
    cpSync(at('log'), at(name), { recursive: true });
    rmSync(at(name, 'leaf-hashes'));
    writeFileSync(
      at(name, 'entries.jsonl'),
      line(9, '"actor":"t', '"actor":"u')(readFileSync(at('log', 'entries.jsonl'))),
    );
    const { code, out } = await verify(name);
    expect(out).toMatch(/the entries do not give the tree that was signed: .*expected \S{44}, computed \S{44}/);
    expect(code).toBe(1);
  });

  it('a log that was rolled back or forked differs from the checkpoint that was kept', async () => {
    writeFileSync(at('younger'), noteOf(SIZE + 5, secretKey, Buffer.alloc(32, 1)));
    const rolledBack = await verify('log', '--checkpoint', at('younger'));
    expect(rolledBack.out).toMatch(/is of 45 entries, and this export has .* Either the log was rolled back/);
    expect(rolledBack.code).toBe(1);
    for (const size of [20, SIZE]) {
      writeFileSync(at('forked'), noteOf(size, secretKey, Buffer.alloc(32, 1)));
      const forked = await verify('log', '--checkpoint', at('forked'));
      expect(forked.out).toMatch(
        new RegExp(`the root of its first ${size} entries is \\S{44} there, and \\S{44} here\\. The log was forked`),
      );
      expect(forked.code).toBe(1);
    }
    writeFileSync(at('theirs'), noteOf(20, otherKey));
    const theirs = await verify('log', '--checkpoint', at('theirs'));
    expect(theirs.out).toMatch(/the checkpoint \S+theirs is not to be trusted/);
    expect(theirs.code).toBe(1);
  });

  it('more is wrong than is told, and what is told says so', async () => {
    const { code, out } = await changed('log', 'entries.jsonl', (content) =>
      content.toString().replaceAll('"actor":"t', '"actor":"u'),
    );
    expect(out.match(/^wrong/gm)).toHaveLength(20);
    expect(out).toMatch(/and 21 more\nThis export is not what was signed/);
    expect(code).toBe(1);
  });
});

it('a key that cannot be read is wrong use', async () => {
  const { code, out } = await verify('log', '--key', at('nowhere'));
  expect(out).toMatch(/nowhere cannot be read/);
  expect(code).toBe(2);
});
