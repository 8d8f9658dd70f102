import type { Readable } from 'node:stream';
import type { StreamableFile } from '@nestjs/common';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { roleUrl } from '#event-store';
import { Slots, uuidv7 } from '#runtime';
import { Rejected, STANDARD } from '#scim';
import { newDatabase } from '../../../../test/support/postgres.js';
import { MemberQueries, type HeldStream, type Reader } from './members.queries.js';

const MEMBERS = 9_000;
const tenant = uuidv7();
const group = {
  id: uuidv7(),
  version: 1,
  created: '',
  lastModified: '',
  resource: { displayName: 'Large' },
  memberCount: MEMBERS,
};
let owner: pg.Client;
let pool: pg.Pool;

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  pool = new pg.Pool({ connectionString: roleUrl(url, 'gateway') });
  await owner.query(
    `INSERT INTO "group".members (tenant, group_id, member, kind) SELECT $1, $2, gen_random_uuid(), 'U' FROM generate_series(1, ${MEMBERS})`,
    [tenant, group.id],
  );
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await pool?.end();
});

const slots = (): Slots => new Slots({ maxRunning: 2, maxWaiting: 10, maxWaitingPerKey: 10, waitTimeoutMs: 60_000 });
const reader = (requireToken: () => Promise<void>): Reader => ({
  tenant,
  directory: tenant,
  seesUnmanaged: false,
  seesLocalGroups: false,
  definitions: STANDARD,
  requireToken,
});
const shown = (members: MemberQueries, of: Reader): AsyncIterable<Buffer> & HeldStream =>
  (members.show(of, group, undefined) as StreamableFile).getStream() as AsyncIterable<Buffer> & Readable & HeldStream;

it('a group is read in pieces, of which few are held, however slowly it is read', async () => {
  let reads = 0;
  const stream = shown(
    new MemberQueries(pool, 'https://scim.example.org', slots()),
    reader(async () => void reads++),
  );
  const pieces: Buffer[] = [];
  let most = 0;
  for await (const piece of stream) {
    pieces.push(piece);
    await new Promise((done) => setImmediate(done));
    most = Math.max(most, reads);
    if (pieces.length === 2) expect(reads).toBeLessThan(4);
  }
  expect((JSON.parse(Buffer.concat(pieces).toString()) as { members: unknown[] }).members).toHaveLength(MEMBERS);
  expect([most, stream.heldBytes < 1_000_000]).toEqual([10, true]);
});

it('it ends when the token of whoever reads it is no longer good', async () => {
  let reads = 0;
  const requireToken = (): Promise<void> =>
    ++reads > 2 ? Promise.reject(new Rejected('unauthorized', 'The token has been revoked.')) : Promise.resolve();
  let bytes = 0;
  const readAll = async (): Promise<void> => {
    for await (const piece of shown(new MemberQueries(pool, 'https://scim.example.org', slots()), reader(requireToken)))
      bytes += piece.length;
  };
  await expect(readAll()).rejects.toMatchObject({ code: 'unauthorized' });
  expect(bytes).toBeGreaterThan(100_000);
});
