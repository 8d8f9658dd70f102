import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deadOf, PARTITIONS, type Message, type Outcome } from '#contracts';
import { newDatabase } from '../../../test/support/postgres.js';
import type { Behaviour } from './behaviour.js';
import { connectDatabase } from './database.js';
import { BatchHandler } from './handle-batch.js';
import type { Committed } from './lane-transaction.js';

/** A database that is real, with a short time limit: no test waits for it but where a statement has to run into it. */
const QUERY_TIMEOUT_MS = 1_000;
const MAX_BYTES = 1_048_576;

const SLEEP = '(SELECT count(pg_sleep(60)) FROM generate_series(1, 1))';

interface Asking {
  /** SQL of a number, which is loaded for the command. */
  readonly sql?: string;
  /** Characters that are loaded for it. */
  readonly loads?: number;
  /** Characters that its outcome has. */
  readonly answers?: number;
  /** The value of a row that it writes, as SQL. */
  readonly writes?: string;
  readonly expiresAt?: string;
  /** All that its message holds. */
  readonly data?: unknown;
}

let database: pg.Pool;
/** For what is large and not slow. */
let patient: pg.Pool;
let owner: pg.Client;
beforeAll(async () => {
  const url = await newDatabase();
  database = await connectDatabase(url, 'identity', { poolConnections: 2, queryTimeoutMs: QUERY_TIMEOUT_MS });
  patient = await connectDatabase(url, 'identity', { poolConnections: 2, queryTimeoutMs: 60_000 });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  await owner.query('CREATE TABLE public.counters (id int PRIMARY KEY, value int NOT NULL)');
  await owner.query('INSERT INTO public.counters SELECT id, 0 FROM generate_series(1, 9) AS id');
  await owner.query('GRANT SELECT, UPDATE ON public.counters TO muster_identity');
  for (const name of ['attempts', 'whole_limits'])
    await owner.query(`CREATE SEQUENCE public.${name}; GRANT USAGE ON public.${name} TO muster_identity`);
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await database?.end();
  await patient?.end();
});

interface Lane {
  readonly outcomes: string[];
  /** The numbers of commands that one load was for, one for each load. */
  readonly loads: number[];
  readonly dead: string[];
  /** The answer to each command, by its place. */
  readonly costs: (number | undefined)[];
  /** The numbers of rows of the log that were told at once. */
  readonly commits: number;
  /** Hands the same batch over again, to a lane that remembers nothing. */
  again(): Promise<Lane>;
}

let partition = 0;
/** Handles a batch in a partition of its own. */
const handled = async (
  batch: readonly Asking[],
  onLoad: (count: number) => Promise<void> | void = () => undefined,
  tenants?: readonly string[],
  maxBytes = MAX_BYTES,
): Promise<Lane> => {
  const mine = partition++ % PARTITIONS;
  const pool = batch.some(({ sql }) => sql === SLEEP) || !batch.some(({ loads }) => loads) ? database : patient;
  const messages = batch.map(({ expiresAt = '2100-01-01T00:00:00.000Z', data, ...command }, index): Message => ({
    id: randomUUID(),
    type: 'muster.test.v1',
    source: 'test',
    subject: 's',
    time: '2026-01-01T00:00:00.000Z',
    tenant: tenants?.[index] ?? randomUUID(),
    directory: null,
    correlationId: 'c',
    causationId: null,
    data: data === undefined ? { actor: 'test', expiresAt, command } : data,
  }));
  const first = await newLane().position(mine);
  return run();

  function newLane(loads: number[] = [], dead: string[] = []): BatchHandler<Asking> {
    const behaviour: Behaviour<Asking> = {
      owner: 'identity',
      commandTypes: new Set(['muster.test.v1']),
      loadSql: (touched) => {
        const asked = touched as Asking[];
        return `SELECT json_build_array($json IS NULL${asked.map(({ sql, loads: characters = 0 }) => `, ${sql ?? 0}, repeat('x', ${characters})`).join('')})`;
      },
      touches: (commands) => {
        if (commands.length > 0) loads.push(commands.length);
        return commands.map(({ command }) => command);
      },
      parts: [
        {
          name: 'counters',
          sql: (rows) =>
            `UPDATE public.counters c SET value = c.value + 1 FROM json_to_recordset(${rows}) AS r(id int) WHERE c.id = r.id RETURNING 1`,
        },
      ],
      begin: () => {
        const rows: unknown[] = [];
        return {
          decide: ({ tenant, command: { answers = 0, writes } }) => {
            if (writes !== undefined) rows.push({ tenant, id: writes });
            return { events: [], outcome: { status: 'done', value: 'x'.repeat(answers) } };
          },
          rows: () => ({ counters: rows }),
        };
      },
    };
    return new BatchHandler(
      pool,
      behaviour,
      () => new Date(),
      (error) => dead.push(String(error)),
      { maxBytes, elapsedMs: () => 0 },
    );
  }

  async function run(): Promise<Lane> {
    const [loads, dead, told]: [number[], string[], Committed[]] = [[], [], []];
    const lane = newLane(loads, dead);
    await onLoad(0);
    await lane.handle(
      {
        topic: 'identity.commands',
        partition: mine,
        epoch: first.epoch,
        nextOffset: first.nextOffset + messages.length,
        received: messages.map((message, index) => ({ offset: first.nextOffset + index, message })),
      },
      (done) => told.push(done),
    );
    // Whatever way it took: the position and the ends of the log are exact.
    expect((await lane.position(mine)).nextOffset).toBe(first.nextOffset + messages.length);
    const { rows } = await owner.query<{ command_id: string; outcome: Outcome }>(
      'SELECT command_id, outcome FROM identity.outcomes WHERE command_id = ANY ($1)',
      [messages.map(({ id }) => id)],
    );
    const outcomes = new Map(
      rows.map(({ command_id, outcome }) => [
        command_id,
        outcome.status === 'rejected' ? outcome.code : outcome.status,
      ]),
    );
    for (const topic of [deadOf('identity.commands')]) {
      const offsets = (
        await owner.query<{ offset: string }>(
          'SELECT "offset" FROM log.messages WHERE topic = $1 AND partition = $2 ORDER BY "offset"',
          [topic, mine],
        )
      ).rows;
      expect(offsets.map(({ offset }) => Number(offset))).toEqual(offsets.map((_, index) => index));
    }
    const costs = new Map(
      told.flatMap(({ outcomes: ended }) => ended.map(({ data: { commandId, cost } }) => [commandId, cost] as const)),
    );
    return {
      outcomes: messages.map(({ id }) => outcomes.get(id)!),
      loads,
      dead,
      commits: told.filter((one) => one.outcomes.length > 0).length,
      costs: messages.map(({ id }) => costs.get(id)),
      again: run,
    };
  }
};

const others = (count: number): Asking[] => Array.from({ length: count }, () => ({}));

describe.each<[string, Asking, RegExp]>([
  ['whose load takes longer than a statement may', { sql: SLEEP }, /statement timeout/],
  ['whose load is more than a text can hold', { sql: "repeat('x', 1100000000)" }, /requested length too large/],
  ['whose load is more than a lane may have in hand', { loads: 130 * 1_048_576 }, /bytes are to be loaded/],
  ['that the database cannot compute', { sql: '1 / (SELECT 0)' }, /division by zero/],
  ['that no statement of ours should make', { sql: '(SELECT id FROM public.counters)' }, /more than one row/],
  ['whose message holds null', { data: null }, /unknown message type or shape/],
  ['whose message holds a text', { data: 'text' }, /unknown message type or shape/],
  ['whose rows are not there', { writes: '77' }, /counters wrote 0 rows instead of 1/],
])('a command %s', (_which, culprit, reason) => {
  it('is set aside with a 500, and its neighbours are carried out, once', async () => {
    const lane = await handled([...others(5), culprit, ...others(4)]);
    expect(lane.outcomes).toEqual([...others(5).map(() => 'done'), 'internal', ...others(4).map(() => 'done')]);
    expect(lane.dead).toEqual([expect.stringMatching(reason)]);
    // After a restart, with a log that hands all of it over again: nothing is loaded.
    const again = await lane.again();
    expect([again.loads, again.outcomes, again.dead]).toEqual([[], lane.outcomes, []]);
  }, 60_000);
});

it('a dead letter is told of once, when it is committed, however often its batch is decided', async () => {
  const { outcomes, dead } = await handled([{ data: null }, { writes: '77' }, {}]);
  expect(outcomes).toEqual(['internal', 'internal', 'done']);
  expect(dead).toEqual([
    expect.stringMatching(/unknown message type or shape/),
    expect.stringMatching(/counters wrote 0 rows/),
  ]);
}, 60_000);

it('a command whose row somebody else has locked is set aside, and its neighbours write', async () => {
  await owner.query('BEGIN; SELECT FROM public.counters WHERE id = 3 FOR UPDATE');
  try {
    const { outcomes, dead } = await handled([{ writes: '1' }, { writes: '2' }, { writes: '3' }, { writes: '4' }]);
    expect(outcomes).toEqual(['done', 'done', 'internal', 'done']);
    expect(dead).toEqual([expect.stringMatching(/statement timeout/)]);
  } finally {
    await owner.query('COMMIT');
  }
  const { rows } = await owner.query('SELECT id, value FROM public.counters WHERE id < 5 ORDER BY id');
  expect(rows.map(({ value }) => value as number)).toEqual([1, 1, 0, 1]);
}, 60_000);

it('nobody is set aside while a table is locked for all: the same batch is handed over again', async () => {
  await owner.query('BEGIN; LOCK public.counters IN ACCESS EXCLUSIVE MODE');
  const batch = [{ writes: '5' }, { writes: '6' }];
  try {
    await expect(handled(batch)).rejects.toThrow(/statement timeout/);
  } finally {
    await owner.query('COMMIT');
  }
  const { rows } = await owner.query(
    'SELECT count(*)::int AS dead FROM log.messages WHERE topic = $1 AND partition = $2',
    [deadOf('identity.commands'), partition - 1],
  );
  expect(rows).toEqual([{ dead: 0 }]);
  expect((await handled(batch)).outcomes).toEqual(['done', 'done']);
}, 60_000);

describe('a batch that runs into the time limit', () => {
  const HAS_WHOLE_LIMIT = `current_setting('statement_timeout') = '${QUERY_TIMEOUT_MS / 1_000}s'`;

  it('has the whole of it once together, and the culprit once alone', async () => {
    // A number that was taken stays taken, also by a statement that was cancelled.
    const counted = `CASE WHEN ${HAS_WHOLE_LIMIT} THEN nextval('public.whole_limits') ELSE 1 END > 0`;
    const culprit = { sql: `(SELECT count(pg_sleep(60)) FROM generate_series(1, 1) WHERE ${counted})` };
    const { outcomes, loads } = await handled([...others(12), culprit, ...others(19)]);
    expect(outcomes).toEqual([...others(12).map(() => 'done'), 'internal', ...others(19).map(() => 'done')]);
    const { rows } = await owner.query('SELECT last_value::int AS count FROM public.whole_limits');
    expect(rows).toEqual([{ count: 2 }]);
    // An eighth of the batch, and then each of that alone.
    expect(loads).toEqual([32, 4, 4, 4, 4, 1, 1, 1, 1, 1, 4, 4, 4, 4]);
  }, 60_000);

  it('sets nobody aside who needs more than the search for the culprit gives', async () => {
    const slow = { sql: `(SELECT count(pg_sleep(60)) FROM generate_series(1, 1) WHERE NOT ${HAS_WHOLE_LIMIT})` };
    const { outcomes, dead } = await handled([slow, { sql: SLEEP }, slow]);
    expect(outcomes).toEqual(['done', 'internal', 'done']);
    expect(dead).toEqual([expect.stringMatching(/statement timeout/)]);
  }, 60_000);
});

it('a command that was cancelled once is carried out', async () => {
  const cancel = async (): Promise<void> => {
    const { rowCount } = await owner.query(
      "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'muster-identity' AND wait_event = 'PgSleep' AND datname = current_database()",
    );
    if (rowCount === 0) await cancel();
  };
  let cancelled: Promise<void> = Promise.resolve();
  const { outcomes, dead } = await handled(
    // It sleeps until it is cancelled, and what is patient lets it.
    [{ sql: "(SELECT count(pg_sleep(60)) FROM generate_series(1, 1) WHERE nextval('public.attempts') = 1)", loads: 1 }],
    () => {
      cancelled = cancel();
    },
  );
  await cancelled;
  expect([outcomes, dead]).toEqual([['done'], []]);
  const { rows } = await owner.query('SELECT last_value::int AS count FROM public.attempts');
  expect(rows).toEqual([{ count: 2 }]);
}, 60_000);

it('what comes too late is answered, and nothing is loaded for it', async () => {
  const late = { expiresAt: '2026-01-01T00:00:00.000Z' };
  const { outcomes, loads } = await handled([{ sql: SLEEP, ...late }, {}, { loads: 200 * 1_048_576, ...late }]);
  expect(outcomes).toEqual(['unavailable', 'done', 'unavailable']);
  expect(loads).toEqual([1]);
}, 60_000);

describe('a batch that loads or writes too much', () => {
  it('is carried out in as many transactions as it needs, each told at once', async () => {
    const { outcomes, loads, commits } = await handled(Array.from({ length: 8 }, () => ({ loads: MAX_BYTES / 4 })));
    expect(new Set(outcomes)).toEqual(new Set(['done']));
    // Twice as much as may be: the first load says so, and three fit into each of the next ones.
    expect(loads[0]).toBe(8);
    expect(Math.max(...loads.slice(1))).toBeLessThanOrEqual(3);
    expect(commits).toBeGreaterThanOrEqual(3);
  });

  it('and never loads more than the driver reads in a few milliseconds, whatever else a transaction may', async () => {
    const batch = Array.from({ length: 4 }, () => ({ loads: 1_000_000 }));
    const { outcomes, loads, commits } = await handled(batch, undefined, undefined, 16 * MAX_BYTES);
    expect([new Set(outcomes), loads, commits]).toEqual([new Set(['done']), [4, 2, 2], 2]);
  });

  it('also where only its answers are long', async () => {
    const { outcomes, commits } = await handled(Array.from({ length: 4 }, () => ({ answers: MAX_BYTES / 2 })));
    expect([new Set(outcomes), commits]).toEqual([new Set(['done']), 4]);
  });

  it('and says of each command what it has cost, by tenant', async () => {
    const [heavy, light] = [randomUUID(), randomUUID()];
    const { costs } = await handled([{ answers: 100_000 }, {}, { answers: 200_000 }, {}], undefined, [
      heavy,
      light,
      heavy,
      light,
    ]);
    // The mean of their outcomes.
    expect(costs[0]).toBe(costs[2]);
    expect(costs[0]).toBeGreaterThan(150_000);
    expect(costs[0]).toBeLessThan(155_000);
    expect([costs[1]! < 3_000, costs[3]! < 3_000]).toEqual([true, true]);
  });
});
