import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { addSignatures, readCosigner, verifierKeyOf, WITNESS_KEY, writeSecretKey } from '#tlog';
import {
  ADA,
  at,
  changed,
  head,
  noteOf,
  secretKey,
  SIZE,
  useWrittenExports,
  verify,
} from '../../../test/support/written-exports.js';

/** Statements of `audit verify` that somebody tries to make it say, and those that it makes. */

useWrittenExports();

describe('a head that states something else than the entries prove is refused', () => {
  it.each<[string, Readonly<Record<string, unknown>>]>([
    // Each of the first three encloses no entry about Ada as a text, and entry 24 as a moment.
    ['absence', { since: '2026-01-02T03:04:36-05:00' }],
    ['absence', { since: '9\u001b[1D2026-01-02T03:04:36Z' }],
    ['absence', { person: ADA.toUpperCase() }],
    ['absence', { since: 5 }],
    ['absence', { since: '2026-02-30T03:04:30Z' }],
    ['absence', { since: '2026-01-02T24:00:00Z' }],
    ['absence', { since: '2026-01-02' }],
    ['absence', { since: undefined }],
    ['absence', { until: '2026-01-02T03:04:40' }],
    ['absence', { until: '2026-01-02T03:04:40.0000000Z' }],
    ['absence', { until: '2026-01-02T03:04:40Z\n' }],
    ['absence', { since: '2026-01-02T03:04:40Z' }],
    ['absence', { since: '2026-01-02T03:04:40.5Z', until: '2026-01-02T03:04:40.49Z' }],
    ['absence', { person: null }],
    ['absence', { person: `${ADA}\u001b[1A` }],
    ['person', { person: null }],
    ['person', { person: 'somebody' }],
    ['log', { person: ADA }],
    ['log', { tenant: 'x' }],
    ['log', { exportedAt: '\u001b[1A' }],
    ['log', { files: [] }],
    ['log', { files: { checkpoint: null } }],
    ['log', { files: { checkpoint: { bytes: '1', sha256: '\u001b' } } }],
    ['log', { purge: 5 }],
    ['log', { before: [5] }],
    ['range', { to: 31.5 }],
  ])('%s with %j', async (name, change) => {
    const { code, out } = await changed(name, 'export.json', head(change));
    expect(out).toBe('export.json contradicts itself: it was changed.');
    expect(code).toBe(1);
  });

  it('moments with and without fractions of a second are compared as moments', async () => {
    const { out } = await changed('absence', 'export.json', head({ since: '2026-01-02T03:04:34.0Z' }));
    expect(out).toMatch(/nothing but entry 24 happened/);
    const later = await changed('absence', 'export.json', head({ since: '2026-01-02T03:04:34.000001Z' }));
    expect(later.out).toMatch(/nothing happened/);
  });
});

describe('witnesses', () => {
  const TIME_S = Date.parse('2026-02-01T00:00:00Z') / 1_000;
  const secretKeys = ['one', 'two'].map((name) => writeSecretKey(`${name}.example.org`, WITNESS_KEY, randomBytes(32)));
  const cosigned = (size: number, by: readonly string[]): string =>
    addSignatures(
      noteOf(size),
      by.map((key) => readCosigner(key, TIME_S)),
    );
  /** Writes the public keys, and gives the options that name them. */
  const witnessKeys = (keys: readonly string[]): string[] =>
    keys.flatMap((key, place) => {
      writeFileSync(at(`witness-${place}`), verifierKeyOf(key));
      return ['--witness-key', at(`witness-${place}`)];
    });
  const NAMES = ['one', 'two'].map((name) => `The witness ${name}\\.example\\.org\\+[0-9a-f]{8} has cosigned`);

  it('have cosigned the checkpoint that is named, and no other', async () => {
    writeFileSync(at('kept-20'), cosigned(20, secretKeys.slice(0, 1)));
    writeFileSync(at('kept-30'), cosigned(30, secretKeys));
    const kept = ['--checkpoint', at('kept-20'), '--checkpoint', at('kept-30'), ...witnessKeys(secretKeys)];
    const { code, out } = await verify('log', ...kept);
    const told = out.split('\n').filter((line) => line.includes('has cosigned'));
    expect(told).toHaveLength(3);
    for (const [place, [name, file, size]] of [
      [NAMES[0]!, 'kept-20', 20] as const,
      [NAMES[0]!, 'kept-30', 30] as const,
      [NAMES[1]!, 'kept-30', 30] as const,
    ].entries())
      expect(told[place]).toMatch(
        new RegExp(`^ok {5}${name} the checkpoint \\S+${file}, of ${size} entries, on 2026-02-01T00:00:00.000Z\\.$`),
      );
    expect(code).toBe(0);
  });

  it('have cosigned the checkpoint of the export', async () => {
    const { code, out } = await changed(
      'log',
      'checkpoint',
      () => cosigned(SIZE, secretKeys),
      ...witnessKeys(secretKeys),
    );
    // export.json has the digest of the checkpoint without cosignatures.
    expect(out).toMatch(new RegExp(`^ok {5}${NAMES[0]} the checkpoint of the export, of 40 entries, on`, 'm'));
    expect(out).toMatch(/checkpoint is not the file that was exported/);
    expect(code).toBe(1);
  });

  it.each(['two', '0', '-1', '1.5', '1e0', '', ' 1', '01', '3', '99999999999999999999'])(
    'are no %j of two, and nothing is verified',
    async (quorum) => {
      writeFileSync(at('kept-40'), cosigned(SIZE, secretKeys));
      const kept = ['--checkpoint', at('kept-40'), ...witnessKeys(secretKeys)];
      const { code, out } = await verify('log', ...kept, '--quorum', quorum);
      expect(out).toMatch(/from 1 to/);
      expect(out).not.toMatch(/proved|checkpoint is of/);
      expect(code).toBe(2);
    },
  );

  it('are as many as there are keys, each once', async () => {
    writeFileSync(at('kept-40'), cosigned(SIZE, secretKeys));
    const kept = ['--checkpoint', at('kept-40')];
    expect(await verify('log', ...kept, ...witnessKeys(secretKeys), '--quorum', '2')).toMatchObject({ code: 0 });
    const twice = witnessKeys([secretKeys[0]!, secretKeys[0]!]);
    expect(await verify('log', ...kept, ...twice, '--quorum', '2')).toMatchObject({ code: 2 });
    expect(await verify('log', ...kept, '--quorum', '1')).toMatchObject({ code: 2 });
    writeFileSync(at('kept-40'), cosigned(SIZE, secretKeys.slice(1)));
    const less = await verify('log', ...kept, ...witnessKeys(secretKeys), '--quorum', '2');
    expect(less.out).toMatch(/number of cosignatures differs: expected 2 or more, computed 1/);
    expect(less.code).toBe(1);
  });

  it('are others than the log: its own signature is no cosignature', async () => {
    const { code, out } = await verify('log', ...witnessKeys([secretKey]));
    expect(out).toMatch(/number of cosignatures differs: expected 1 or more, computed 0/);
    expect(code).toBe(1);
  });
});
