import { inflateRawSync } from 'node:zlib';
import { pino } from 'pino';
import { afterEach, beforeAll, expect, it } from 'vitest';
import {
  DROPPED,
  MAX_KEPT_BODY_BYTES,
  MAX_TOLD_BODIES_BYTES,
  type AuditCommand,
  type CommandData,
  type Message,
  type RequestRecord,
} from '#contracts';
import { roleUrl } from '#event-store';
import { PostgresLog, type Batch } from '#log';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../test/support/postgres.js';
import { RequestsToTell } from './told-requests.js';

type Told = Extract<AuditCommand, { readonly type: 'RecordRequests' }>;

let url: string;
const logs: PostgresLog[] = [];
beforeAll(async () => {
  url = await newDatabase();
}, 60_000);
afterEach(async () => {
  for (const log of logs.splice(0)) await log.stop();
});

/** A lane that remembers what it was handed; `until` holds it up. */
class Lane {
  readonly messages: Message[] = [];
  until: Promise<void> = Promise.resolve();
  begun = 0;
  readonly log: PostgresLog;

  constructor() {
    this.log = new PostgresLog({
      url: roleUrl(url, 'log'),
      maxBatchMessages: 256,
      keepDays: 7,
      onError: () => undefined,
    });
    logs.push(this.log);
    this.log.subscribe({
      topic: 'audit.commands',
      position: async () => ({ epoch: '', nextOffset: 0 }),
      handleBatch: async ({ received }: Batch) => {
        this.begun++;
        await this.until;
        this.messages.push(...received.map(({ message }) => message!));
      },
    });
  }

  /** The commands of a tenant. */
  told(tenant: string): Told[] {
    return this.messages
      .filter((message) => message.tenant === tenant)
      .map(({ data }) => (data as CommandData<Told>).command);
  }

  records(tenant: string): string[] {
    return this.told(tenant).flatMap(({ requests }) => requests.map(({ id }) => id));
  }

  dropped(tenant: string): number {
    return this.told(tenant)
      .flatMap(({ reads }) => reads)
      .filter(({ kind }) => kind === DROPPED)
      .reduce((sum, { count }) => sum + count, 0);
  }
}

const record = (body: string | null = null): RequestRecord => ({
  id: uuidv7(),
  at: new Date().toISOString(),
  durationMs: 1.5,
  face: 'scim',
  directory: null,
  actor: null,
  method: 'POST',
  path: '/api/scim/v2/Users',
  resourceType: 'User',
  object: null,
  name: null,
  status: 201,
  effect: 'create',
  scimType: null,
  detail: null,
  address: '127.0.0.1',
  userAgent: null,
  correlationId: 'c',
  body,
  bodyBytes: body?.length ?? 0,
  ifMatch: null,
  ifNoneMatch: null,
  replayOf: null,
});

const telling = (lane: Lane, lines: string[] = []): RequestsToTell =>
  new RequestsToTell({
    log: lane.log,
    owner: 'audit',
    face: 'gateway',
    logger: pino({}, { write: (line: string) => void lines.push(line) }),
  });

it('while the log is away it keeps so much of a tenant and counts the rest; nothing is lost or told twice after it', async () => {
  const lane = new Lane();
  const lines: string[] = [];
  const requests = telling(lane, lines);
  const [many, long, other] = [uuidv7(), uuidv7(), uuidv7()];
  for (let index = 0; index < 6_000; index++) requests.record(many, record());
  const body = 'x'.repeat(MAX_KEPT_BODY_BYTES);
  for (let index = 0; index < 200; index++) requests.record(long, record(body));
  // The log has not been started, and takes nothing.
  await requests.flush(true);
  await requests.flush(true);
  requests.record(other, record());
  for (let index = 0; index < 1_000; index++) requests.record(many, record());
  expect(requests.hasRoom(many, 0)).toBe(false);
  expect(requests.hasRoom(long, MAX_KEPT_BODY_BYTES)).toBe(false);
  expect(requests.hasRoom(other, MAX_KEPT_BODY_BYTES)).toBe(true);

  await lane.log.start();
  for (let round = 0; round < 4; round++) await requests.flush(true);
  expect(lane.records(many)).toHaveLength(5_000);
  expect(lane.dropped(many)).toBe(2_000);
  const ofLong = lane.records(long).length;
  expect(ofLong).toBeGreaterThan(50);
  expect(lane.dropped(long)).toBe(200 - ofLong);
  expect(lane.records(other)).toHaveLength(1);
  for (const tenant of [many, long, other])
    expect(new Set(lane.records(tenant)).size).toBe(lane.records(tenant).length);
  // Kafka takes a megabyte.
  expect(Math.max(...lane.messages.map((message) => JSON.stringify(message).length))).toBeLessThan(600_000);
  expect(lines.filter((line) => line.includes('were not recorded'))).toHaveLength(1);
  expect(requests.hasRoom(many, 0)).toBe(true);
}, 60_000);

it('all tenants together have a limit, too', () => {
  const lane = new Lane();
  const requests = telling(lane);
  const body = 'x'.repeat(MAX_KEPT_BODY_BYTES);
  for (let tenant = 0; tenant < 100; tenant++) {
    const id = uuidv7();
    for (let index = 0; index < 5; index++) requests.record(id, record(body));
  }
  expect(requests.hasRoom(uuidv7(), MAX_KEPT_BODY_BYTES)).toBe(false);
});

it('bodies that are told together are found by their places, and are no longer than a reader unpacks', async () => {
  const lane = new Lane();
  const requests = telling(lane);
  const tenant = uuidv7();
  // Each character is an escape in JSON.
  const records = Array.from({ length: 300 }, (_, n) =>
    record(n % 3 === 0 ? null : `${n}${'\u0001'.repeat(n === 1 ? MAX_KEPT_BODY_BYTES - 1 : 5_000)}`),
  );
  for (const one of records) requests.record(tenant, one);
  await lane.log.start();
  await requests.flush();
  const found = lane.told(tenant).flatMap(({ requests: told, bodies }) => {
    const text = bodies === null ? '[]' : inflateRawSync(Buffer.from(bodies, 'base64')).toString();
    expect(text.length).toBeLessThanOrEqual(MAX_TOLD_BODIES_BYTES);
    const all = JSON.parse(text) as string[];
    return told.map(({ id, body }) => [id, body === null ? null : all[body]] as const);
  });
  // A command whose bodies take longer to pack comes later.
  expect(new Map(found)).toEqual(new Map(records.map(({ id, body }) => [id, body])));
  expect(found).toHaveLength(records.length);
});

it('a lane that is slow holds nobody up: one batch is under way, and what comes meanwhile waits for the next', async () => {
  const lane = new Lane();
  let goOn = (): void => undefined;
  lane.until = new Promise((resolve) => (goOn = resolve));
  await lane.log.start();
  const requests = telling(lane);
  const tenant = uuidv7();
  requests.record(tenant, record());
  const first = requests.flush();
  requests.record(tenant, record());
  // Each returns at once.
  for (let round = 0; round < 100; round++) await requests.flush();
  expect(lane.begun).toBeLessThanOrEqual(1);
  goOn();
  await first;
  expect(lane.records(tenant)).toHaveLength(1);
  await requests.flush();
  expect(lane.records(tenant)).toHaveLength(2);
});

it('who stops has told all of it, with counters and objects that were seen', async () => {
  const lane = new Lane();
  await lane.log.start();
  const requests = telling(lane);
  const [tenant, user] = [uuidv7(), uuidv7()];
  await requests.start();
  requests.record(tenant, record());
  for (let index = 0; index < 3; index++) requests.count(tenant, 'scim', null, 'Users');
  requests.count(tenant, 'scim', null, 'User');
  requests.see(tenant, user);
  requests.see(tenant, user);
  await requests.stop();
  expect(lane.records(tenant)).toHaveLength(1);
  const reads = lane.told(tenant).flatMap((told) => told.reads);
  expect(reads.map(({ kind, count }) => [kind, count])).toEqual([
    ['Users', 3],
    ['User', 1],
  ]);
  expect(lane.told(tenant).flatMap(({ seen }) => seen.map(({ id }) => id))).toEqual([user]);
});

it('a log that stays away does not hold up the end', async () => {
  const lane = new Lane();
  const requests = telling(lane);
  const tenant = uuidv7();
  requests.record(tenant, record());
  await requests.stop();
  expect(lane.records(tenant)).toEqual([]);
}, 60_000);

it('of an address that nobody knows so many are recorded in a minute, and of others all the same', () => {
  const requests = telling(new Lane());
  const admitted = Array.from({ length: 100 }, () => requests.admitsUnknown('192.0.2.1')).filter(Boolean);
  expect(admitted).toHaveLength(60);
  expect(requests.admitsUnknown('192.0.2.2')).toBe(true);
  // A flood may come from many addresses.
  const flood = Array.from({ length: 10_000 }, (_, index) =>
    requests.admitsUnknown(`198.51.${index >> 8}.${index & 255}`),
  );
  expect(flood.filter(Boolean).length).toBeLessThan(3_000);
});
