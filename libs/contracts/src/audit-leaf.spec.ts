import { expect, it } from 'vitest';
import { auditEntryOf, leafOf, type AuditEntry } from './audit-leaf.js';

const ENTRY: AuditEntry = {
  tenant: '0199b6a0-0000-7000-8000-000000000001',
  owner: 'identity',
  sequence: 7,
  stream: '0199b6a0-0000-7000-8000-000000000002',
  version: 3,
  type: 'muster.user.changed.v1',
  recordedAt: '2026-01-02T03:04:05.678900Z',
  commandId: '0199b6a0-0000-7000-8000-000000000003',
  correlationId: 'für "Ada"',
  actor: 'token:0199b6a0-0000-7000-8000-000000000004',
  directory: null,
  payload: 'IO3ZaH4lD4VnYAjBrE5GZwUWuLFz2xPfJ8uuGqv3GfQ=',
};

it('a leaf is compact JSON in UTF-8, with the members of an entry in one order', () => {
  expect(Buffer.from(leafOf(ENTRY)).toString('utf8')).toBe(
    '{"tenant":"0199b6a0-0000-7000-8000-000000000001","owner":"identity","sequence":7,' +
      '"stream":"0199b6a0-0000-7000-8000-000000000002","version":3,"type":"muster.user.changed.v1",' +
      '"recordedAt":"2026-01-02T03:04:05.678900Z","commandId":"0199b6a0-0000-7000-8000-000000000003",' +
      '"correlationId":"für \\"Ada\\"","actor":"token:0199b6a0-0000-7000-8000-000000000004","directory":null,' +
      '"payload":"IO3ZaH4lD4VnYAjBrE5GZwUWuLFz2xPfJ8uuGqv3GfQ="}',
  );
  const others = { number: 5, ...Object.fromEntries(Object.entries(ENTRY).toReversed()) } as unknown as AuditEntry;
  expect(leafOf(others)).toEqual(leafOf(ENTRY));
  const { directory, ...shown } = ENTRY;
  const there = Buffer.from(leafOf({ ...shown, directory: ENTRY.tenant })).toString();
  expect([directory, there.includes(`"directory":"${ENTRY.tenant}"`)]).toEqual([null, true]);
});

it('each member of an entry changes its leaf', () => {
  const leaf = Buffer.from(leafOf(ENTRY));
  for (const [name, value] of Object.entries(ENTRY)) {
    const other = { ...ENTRY, [name]: typeof value === 'number' ? value + 1 : `${value ?? ''}x` };
    expect(Buffer.from(leafOf(other)).equals(leaf), name).toBe(false);
  }
});

it('an entry is read from a row by its places', () => {
  const { tenant, owner, stream, version, type, recordedAt, commandId, correlationId } = ENTRY;
  const { actor, directory, payload } = ENTRY;
  expect(
    auditEntryOf([
      tenant,
      owner,
      '7',
      stream,
      version,
      type,
      recordedAt,
      commandId,
      correlationId,
      actor,
      directory,
      payload,
    ]),
  ).toEqual(ENTRY);
});
