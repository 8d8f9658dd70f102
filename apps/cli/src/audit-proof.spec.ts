import { describe, expect, it } from 'vitest';
import { ADA, changed, head, useWrittenExports } from '../../../test/support/written-exports.js';

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
