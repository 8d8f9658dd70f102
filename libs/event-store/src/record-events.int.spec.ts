import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { deadEventsOf, type Message } from '#contracts';
import { newDatabase } from '../../../test/support/postgres.js';
import { EventConsumer, type Recording } from './consume-events.js';
import type { ConsumedEvent } from './consumed-event.js';
import { connectDatabase, roleUrl } from './database.js';
import type { AppendedRow } from './turn.js';

/**
 * A consumer that only records: each event becomes a row, in one transaction with the position. The consumer is group,
 * as a role that may write a table of notes; the events are identity's.
 */

const NOW = '2026-01-01T00:00:00.000Z';
const DIRECTORY = randomUUID();
const QUERY_TIMEOUT_MS = 1_000;

let database: pg.Pool;
let owner: pg.Client;
beforeAll(async () => {
  const url = await newDatabase();
  database = await connectDatabase(roleUrl(url, 'group'), 'group', {
    poolConnections: 2,
    queryTimeoutMs: QUERY_TIMEOUT_MS,
  });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  await owner.query(`
    CREATE TABLE "group".notes (number bigserial PRIMARY KEY, event json NOT NULL, word varchar(20) NOT NULL);
    GRANT SELECT, INSERT ON "group".notes TO muster_group; GRANT USAGE ON "group".notes_number_seq TO muster_group`);
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await database?.end();
});

/** Events of a new tenant, as identity's store has them and its topic carries them: `words` are what they say. */
const happened = async (...words: string[]): Promise<Message[]> => {
  const tenant = randomUUID();
  const messages = words.map((word, index): Message => ({
    id: randomUUID(),
    type: 'muster.user.changed.v1',
    source: 'muster/identity',
    subject: randomUUID(),
    time: NOW,
    tenant,
    directory: DIRECTORY,
    correlationId: `c${index + 1}`,
    causationId: randomUUID(),
    data: { sequence: index + 1, version: 7, actor: 'token:x', event: { word, name: 'personal' } },
  }));
  await owner.query(
    `INSERT INTO identity.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, data, personal)
     SELECT $1, e.sequence, e.stream, 7, 'muster.user.changed.v1', $2, e.command, 'c' || e.sequence, 'token:x', $3, json_build_object('word', e.word), 'sealed'
     FROM unnest($4::uuid[], $5::uuid[], $6::text[]) WITH ORDINALITY AS e(stream, command, word, sequence)`,
    [
      tenant,
      NOW,
      DIRECTORY,
      messages.map(({ subject }) => subject),
      messages.map(({ causationId }) => causationId),
      words,
    ],
  );
  return messages;
};

const noted = async (tenant: string): Promise<ConsumedEvent[]> => {
  const { rows } = await owner.query<{ event: ConsumedEvent }>(
    `SELECT event FROM "group".notes WHERE event->>'tenant' = $1 ORDER BY number`,
    [tenant],
  );
  return rows.map(({ event }) => event);
};
const wordsOf = async ({ tenant }: Message): Promise<unknown[]> => (await noted(tenant)).map(({ data }) => data.word);

interface Reader {
  readonly dead: { readonly error: string; readonly word: unknown }[];
  /** Rows of the log, as it is told of them. */
  readonly committed: readonly AppendedRow[];
  hear(offset: number, messages: readonly (Message | null)[]): Promise<void>;
  position(): Promise<number>;
}
const POISON = 'poison';
const takes: Recording = {
  parts: [
    {
      name: 'notes',
      sql: (rows) =>
        `INSERT INTO "group".notes (event, word) SELECT r.event, r.word FROM json_to_recordset(${rows}) AS r(event json, word text) RETURNING 1`,
    },
  ],
  rows: (events) => ({
    notes: events.map((event) => {
      if (event.data.word === POISON) throw new Error('it cannot be read');
      return { event, word: event.data.word };
    }),
  }),
};
const reader = (partition: number, recording: Recording = takes): Reader => {
  const dead: Reader['dead'] = [];
  const committed: AppendedRow[] = [];
  const consumer = new EventConsumer(database, {
    owner: 'group',
    source: 'identity',
    takes: recording,
    onUnreadable: () => undefined,
    onCommitted: (rows) => committed.push(...rows),
    onDead: (error, { data }) => dead.push({ error: String(error), word: data.word }),
  });
  return {
    dead,
    committed,
    hear: (offset, messages) =>
      consumer.handle({
        topic: 'identity.events',
        partition,
        epoch: 'postgres',
        nextOffset: offset + messages.length,
        received: messages.map((message, index) => ({ offset: offset + index, message })),
      }),
    position: async () => (await consumer.position(partition)).nextOffset,
  };
};

it('gets each event whole: who, what, when, why, and what came of it', async () => {
  const [first] = await happened('first');
  await reader(0).hear(0, [first!]);
  expect(await noted(first!.tenant)).toEqual([
    {
      tenant: first!.tenant,
      sequence: 1,
      stream: first!.subject,
      version: 7,
      type: 'muster.user.changed.v1',
      recordedAt: NOW,
      actor: 'token:x',
      directory: DIRECTORY,
      correlationId: 'c1',
      causationId: first!.causationId,
      data: { word: 'first', name: 'personal' },
      from: 'log',
    },
  ]);
});

it('reads in the store what the log has lost: the same event, but for what is personal', async () => {
  const events = await happened('a', 'b', 'c');
  const one = reader(1);
  await one.hear(0, [events[0]!, events[2]!]);
  const [before, lost] = await noted(events[0]!.tenant);
  expect(lost).toEqual({
    ...before,
    sequence: 2,
    stream: events[1]!.subject,
    correlationId: 'c2',
    causationId: events[1]!.causationId,
    data: { word: 'b' },
    from: 'store',
  });
  expect(await wordsOf(events[0]!)).toEqual(['a', 'b', 'c']);
});

it('records each event once, with the position: also where the log repeats it, and after a restart', async () => {
  const events = await happened('a', 'b', 'c', 'd');
  const one = reader(2);
  await one.hear(0, events.slice(0, 2));
  await one.hear(1, [events[1]!, events[2]!, events[0]!]);
  expect(await one.position()).toBe(4);
  await reader(2).hear(4, events);
  expect(await wordsOf(events[0]!)).toEqual(['a', 'b', 'c', 'd']);
});

it('gives way to whoever has taken over the partition, and then has written nothing', async () => {
  const events = await happened('a', 'b');
  const [old, next] = [reader(3), reader(3)];
  await old.hear(0, events.slice(0, 1));
  await next.hear(1, events.slice(1));
  await expect(old.hear(1, events.slice(1))).rejects.toThrow(/somebody else has moved the position/);
  expect(await wordsOf(events[0]!)).toEqual(['a', 'b']);
});

it('sets poison aside as a dead letter, and records all others: what it throws for, and what the database refuses', async () => {
  const long = 'longer than the column takes';
  const events = await happened('a', POISON, 'b', long, 'c', 'd', POISON);
  const one = reader(4);
  await one.hear(0, events);
  expect(await wordsOf(events[0]!)).toEqual(['a', 'b', 'c', 'd']);
  expect(await one.position()).toBe(7);
  expect(one.dead.map(({ word }) => word)).toEqual([POISON, long, POISON]);
  const { rows } = await owner.query<{ offset: string; message: Message<{ reason: string; message: string }> }>(
    'SELECT "offset", message FROM log.messages WHERE topic = $1 AND partition = 4 ORDER BY "offset"',
    [deadEventsOf('group', 'identity')],
  );
  expect(rows.map(({ offset }) => Number(offset))).toEqual([0, 1, 2]);
  expect(one.committed.map(({ offset, message }) => ({ offset: String(offset), message }))).toEqual(rows);
  expect(rows.map(({ message }) => message.data.reason)).toEqual([
    expect.stringContaining('it cannot be read'),
    expect.stringContaining('value too long'),
    expect.stringContaining('it cannot be read'),
  ]);
  expect(JSON.parse(Buffer.from(rows[1]!.message.data.message, 'base64').toString())).toMatchObject({
    sequence: 4,
    data: { word: long },
  });
});

it('blames no event for a table that is locked: nothing is written, and all of it when the lock is gone', async () => {
  const events = await happened('a', 'b');
  const one = reader(5);
  await owner.query('BEGIN; LOCK TABLE "group".notes');
  await expect(one.hear(0, events)).rejects.toThrow(/statement timeout/);
  await owner.query('COMMIT');
  expect([await wordsOf(events[0]!), await one.position(), one.dead]).toEqual([[], 0, []]);
  await one.hear(0, events);
  expect(await wordsOf(events[0]!)).toEqual(['a', 'b']);
});

it('makes its rows of what it has read before: nobody else writes that', async () => {
  const events = await happened('a', 'b', 'c');
  const counting: Recording = {
    ...takes,
    load: async (pool, heard) =>
      heard.length === 0
        ? 0
        : (
            await pool.query<{ count: number }>(
              `SELECT count(*)::int AS count FROM "group".notes WHERE event->>'tenant' = $1`,
              [heard[0]!.tenant],
            )
          ).rows[0]!.count,
    rows: (heard, count) => ({
      notes: heard.map((event, index) => ({ event, word: `number ${(count as number) + index + 1}` })),
    }),
  };
  const one = reader(6, counting);
  await one.hear(0, events.slice(0, 2));
  await one.hear(2, events.slice(2));
  const { rows } = await owner.query<{ word: string }>(
    `SELECT word FROM "group".notes WHERE event->>'tenant' = $1 ORDER BY number`,
    [events[0]!.tenant],
  );
  expect(rows.map(({ word }) => word)).toEqual(['number 1', 'number 2', 'number 3']);
});
