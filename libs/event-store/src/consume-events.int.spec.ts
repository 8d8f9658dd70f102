import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Message } from '#contracts';
import { newDatabase } from '../../../test/support/postgres.js';
import { EventConsumer } from './consume-events.js';
import { causedId } from './consumed-event.js';
import { connectDatabase, roleUrl } from './database.js';
import { LaneWatch } from './lane-watch.js';

const NOW = '2026-01-01T00:00:00.000Z';
/** This one causes something; the others are only counted. */
const DELETED = 'muster.user.deleted.v1';
const CHANGED = 'muster.user.changed.v1';

let database: pg.Pool;
let owner: pg.Client;
beforeAll(async () => {
  const url = await newDatabase();
  database = await connectDatabase(roleUrl(url, 'group'), 'group', { poolConnections: 2, queryTimeoutMs: 10_000 });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await database?.end();
});

/** The events of a new tenant, as identity's store has them and its topic carries them. */
const happened = async (...types: string[]): Promise<Message[]> => {
  const tenant = randomUUID();
  const messages = types.map((type, index): Message => ({
    id: randomUUID(),
    type,
    source: 'muster/identity',
    subject: randomUUID(),
    time: NOW,
    tenant,
    directory: null,
    correlationId: `c${index + 1}`,
    causationId: null,
    data: { sequence: index + 1, version: 1, actor: 'test', event: {} },
  }));
  await owner.query(
    `INSERT INTO identity.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, data)
     SELECT $1, e.sequence, e.stream, 1, e.type, $2, gen_random_uuid(), 'c' || e.sequence, 'test', '{}'
     FROM unnest($3::uuid[], $4::text[]) WITH ORDINALITY AS e(stream, type, sequence)`,
    [tenant, NOW, messages.map(({ subject }) => subject), types],
  );
  return messages;
};
const deletions = (count: number): Promise<Message[]> => happened(...Array.from({ length: count }, () => DELETED));

/** The commands that the deletions among these cause: who, why, and under which id. */
const caused = (messages: readonly Message[]): string[] =>
  messages
    .filter(({ type }) => type === DELETED)
    .map((message) => {
      const { sequence } = message.data as { sequence: number };
      const { tenant, subject: stream, time: recordedAt, correlationId } = message;
      return `${stream} ${correlationId} ${causedId({ tenant, sequence, recordedAt }, 'identity')}`;
    });

interface Reader {
  readonly published: string[];
  readonly unreadable: (Message | null)[];
  isAway: boolean;
  /** The most messages that were published together. */
  most: number;
  /** The number of messages that can still be published before the log is away. */
  room: number;
  /** As the log hands them over. */
  hear(offset: number, messages: readonly (Message | null)[], epoch?: string): Promise<void>;
  /** The offset at which it would go on after a restart. */
  position(): Promise<number>;
}
/** A process that reads one partition. */
const reader = (partition: number, watch?: LaneWatch): Reader => {
  const consumer = new EventConsumer(database, {
    owner: 'group',
    source: 'identity',
    takes: {
      react: (event) =>
        event.type !== DELETED
          ? []
          : [
              {
                id: causedId(event, 'identity'),
                type: 'muster.test.v1',
                source: 'test',
                subject: event.stream,
                time: event.recordedAt,
                tenant: event.tenant,
                directory: null,
                correlationId: event.correlationId,
                causationId: null,
                data: null,
              },
            ],
      publish: async (messages) => {
        if (made.isAway || made.published.length >= made.room) throw new Error('the log is away');
        made.most = Math.max(made.most, messages.length);
        made.published.push(...messages.map(({ subject, correlationId, id }) => `${subject} ${correlationId} ${id}`));
      },
    },
    onDead: (error) => expect.fail(String(error)),
    onCommitted: () => expect.fail('nothing but dead letters is a row of the log'),
    onUnreadable: (message) => made.unreadable.push(message),
    ...(watch && { watch }),
  });
  const made: Reader = {
    published: [],
    unreadable: [],
    isAway: false,
    most: 0,
    room: Infinity,
    hear: (offset, messages, epoch = 'postgres') =>
      consumer.handle({
        topic: 'identity.events',
        partition,
        epoch,
        nextOffset: offset + messages.length,
        received: messages.map((message, index) => ({ offset: offset + index, message })),
      }),
    position: async () => (await consumer.position(partition)).nextOffset,
  };
  return made;
};

it('hears each event once and in its order, though the log repeats it, at the same offset or another', async () => {
  const events = await deletions(4);
  const { hear, published } = reader(0);
  await hear(0, events.slice(0, 2));
  await hear(1, events.slice(1, 3));
  await hear(3, [events[0]!, events[2]!, events[3]!]);
  expect(published).toEqual(caused(events));
  for (const one of published) expect(one).toMatch(/ 019b76da-a800-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

it('reads in the store what the log has lost, however much that is, and does so from the first event of a tenant on', async () => {
  const [first, second] = [await deletions(2_105), await deletions(3)];
  const one = reader(1);
  await one.hear(0, [first[0]!]);
  await one.hear(1, [first[2_103]!, second[2]!]);
  await one.hear(3, [first[2_104]!]);
  expect(one.published).toEqual(caused([...first.slice(0, 2_104), ...second, first[2_104]!]));
  // And holds a page of it at a time.
  expect(one.most).toBeLessThanOrEqual(1_000);
});

it('makes progress with each page of what the log has lost, and does not begin again after a fault in between', async () => {
  const events = await deletions(2_500);
  let now = 0;
  let standstills = 0;
  const watch = new LaneWatch({
    standstillAfterMs: 1_000,
    now: () => now,
    onStandstill: () => standstills++,
    onProgress: () => undefined,
  });
  const one = reader(7, {
    name: 'lanes',
    start: () => watch.start(),
    stop: () => watch.stop(),
    unready: () => watch.unready(),
    during: (lane: string, work: (progress: () => void) => Promise<unknown>) =>
      watch.during(lane, (progress) =>
        work(() => {
          progress();
          now += 900;
          watch.unready();
        }),
      ),
  } as unknown as LaneWatch);
  one.room = 2_000;
  await expect(one.hear(0, [events.at(-1)!])).rejects.toThrow('away');
  expect([now, standstills]).toEqual([1_800, 0]);
  one.room = Infinity;
  await one.hear(0, [events.at(-1)!]);
  expect(one.published).toEqual(caused(events));
});

it('goes on after a restart, also where the position is behind what was heard: that causes nothing new', async () => {
  const events = await happened(CHANGED, DELETED, CHANGED, CHANGED, DELETED);
  const before = reader(2);
  await before.hear(0, events.slice(0, 2));
  // Only what causes something is worth a write at once: the position stays behind, unless a second has passed.
  await before.hear(2, events.slice(2, 4));
  const after = reader(2);
  const from = await after.position();
  expect([2, 4]).toContain(from);
  await after.hear(from, events.slice(from));
  expect([before.published, after.published]).toEqual([caused(events.slice(0, 2)), caused(events.slice(4))]);
  // Whatever the log has lost meanwhile.
  const more = reader(2);
  expect(await more.position()).toBe(5);
  await more.hear(5, [events[4]!]);
  expect(more.published).toEqual([]);
});

it('forgets what could not be published: it comes again', async () => {
  const events = await deletions(3);
  const one = reader(3);
  await one.hear(0, events.slice(0, 1));
  one.isAway = true;
  await expect(one.hear(1, events.slice(1))).rejects.toThrow('the log is away');
  expect(await one.position()).toBe(1);
  one.isAway = false;
  await one.hear(1, events.slice(1));
  expect(one.published).toEqual(caused(events));
});

it('gives way to whoever has taken over the partition, and may take it over again', async () => {
  const events = await deletions(3);
  const [old, next] = [reader(4), reader(4)];
  await old.hear(0, events.slice(0, 1));
  expect(await next.position()).toBe(1);
  await next.hear(1, events.slice(1, 2));
  await expect(old.hear(1, events.slice(1, 2))).rejects.toThrow(/somebody else has moved the position/);
  expect(await next.position()).toBe(2);
  await old.hear(0, events);
  // One command came twice, under one id: it is carried out once.
  expect([old.published, next.published]).toEqual([caused(events), caused(events.slice(1, 2))]);
});

it('skips what is no event, and finds by the next one what was hidden by it', async () => {
  const events = await deletions(2);
  const { hear, published, unreadable } = reader(5);
  await hear(0, [null, { ...events[0]!, data: {} }, { ...events[0]!, tenant: 'system' }]);
  expect([published, unreadable.length]).toEqual([[], 3]);
  await hear(3, events.slice(1));
  expect(published).toEqual(caused(events));
});

it('of a log that was made anew it hears only what is new', async () => {
  const events = await deletions(3);
  const { hear, published } = reader(6);
  await hear(7, events.slice(0, 2), 'old');
  await hear(0, events, 'new');
  expect(published).toEqual(caused(events));
});
