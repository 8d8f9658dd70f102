import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Message, Outcome } from '#contracts';
import { handOver } from '../../../test/support/batches.js';
import { newDatabase } from '../../../test/support/postgres.js';
import type { Behaviour } from './behaviour.js';
import { connectDatabase, roleUrl } from './database.js';
import { BatchHandler } from './handle-batch.js';

/** Asks for the next one of these whenever it was given those before; `all`: for one more each time. */
interface Asking {
  readonly keys: readonly string[] | 'all';
}

let database: pg.Pool;
let reader: pg.Client;
beforeAll(async () => {
  const url = await newDatabase();
  database = await connectDatabase(roleUrl(url, 'identity'), 'identity', {
    poolConnections: 2,
    queryTimeoutMs: 10_000,
  });
  reader = new pg.Client({ connectionString: url });
  await reader.connect();
}, 60_000);
afterAll(async () => {
  await reader?.end();
  await database?.end();
});

const commandOf = (tenant: string, command: Asking): Message => ({
  id: randomUUID(),
  type: 'muster.test.v1',
  source: 'test',
  subject: tenant,
  time: '2026-01-01T00:00:00.000Z',
  tenant,
  directory: null,
  correlationId: 'c',
  causationId: null,
  data: { actor: 'test', expiresAt: '2100-01-01T00:00:00.000Z', command },
});

/** Commands that are refused, and for which a decision throws. */
const [REFUSED, FAILING]: [readonly string[], readonly string[]] = [[], []];

/** The outcomes of one batch, in its order; how often it was loaded; how many were set aside. */
const outcomesOf = async (batch: readonly Asking[]): Promise<{ outcomes: string[]; loads: number; dead: number }> => {
  let [loads, dead] = [0, 0];
  const behaviour: Behaviour<Asking> = {
    owner: 'identity',
    commandTypes: new Set(['muster.test.v1']),
    loadSql: () => 'SELECT $json',
    parts: [],
    touches: (_commands, wanted) => (loads++, [...wanted]),
    begin: (loaded, _now, touched) => {
      expect(touched).toEqual(loaded);
      const known = loaded as string[];
      const wanted: string[] = [];
      return {
        wanted,
        decide: ({ command: { keys } }) => {
          const next = keys === 'all' ? String(known.length) : keys.find((key) => !known.includes(key));
          if (next !== undefined) wanted.push(next);
          if (keys === REFUSED) return { status: 'rejected', code: 'conflict', detail: 'no' };
          if (keys === FAILING)
            throw Object.assign(new Error('no'), { name: 'Rejected', code: 'conflict', detail: 'no' });
          return { events: [], outcome: { status: 'done', value: null } };
        },
        rows: () => ({}),
      };
    },
  };
  const handler = new BatchHandler(
    database,
    behaviour,
    () => new Date(),
    () => dead++,
  );
  const tenant = randomUUID();
  const messages = batch.map((command) => commandOf(tenant, command));
  const { epoch, nextOffset } = await handler.position(3);
  await handler.handle(
    {
      topic: 'identity.commands',
      partition: 3,
      epoch,
      nextOffset: nextOffset + messages.length,
      received: messages.map((message, index) => ({ offset: nextOffset + index, message })),
    },
    () => undefined,
  );
  const { rows } = await reader.query<{ command_id: string; outcome: Outcome }>(
    'SELECT command_id, outcome FROM identity.outcomes WHERE tenant = $1',
    [tenant],
  );
  const outcomes = new Map(
    rows.map(({ command_id, outcome }) => [command_id, outcome.status === 'rejected' ? outcome.code : outcome.status]),
  );
  return { outcomes: messages.map(({ id }) => outcomes.get(id)!), loads, dead };
};

it('a batch whose decisions ask for nothing more is loaded once, else once more for all that they asked for', async () => {
  expect(await outcomesOf([{ keys: [] }, { keys: [] }])).toEqual({ outcomes: ['done', 'done'], loads: 1, dead: 0 });
  expect(await outcomesOf([{ keys: ['a'] }, { keys: ['b'] }, { keys: [] }])).toEqual({
    outcomes: ['done', 'done', 'done'],
    loads: 2,
    dead: 0,
  });
  expect((await outcomesOf([{ keys: ['a', 'b', 'c', 'd'] }])).outcomes).toEqual(['done']);
});

it('a command that never has enough is set aside, and its neighbours are carried out', async () => {
  const { outcomes, dead } = await outcomesOf([{ keys: ['a'] }, { keys: 'all' }, { keys: ['b', 'c'] }]);
  expect(outcomes).toEqual(['done', 'internal', 'done']);
  expect(dead).toBe(1);
});

it('a rejection is an answer; a command for which a decision throws is set aside, whatever the error is called', async () => {
  expect(await outcomesOf([{ keys: REFUSED }, { keys: [] }])).toEqual({
    outcomes: ['conflict', 'done'],
    loads: 1,
    dead: 0,
  });
  expect(await outcomesOf([{ keys: FAILING }, { keys: [] }])).toMatchObject({
    outcomes: ['internal', 'done'],
    dead: 1,
  });
});

it('a sender is told all that a decision answers; what is stored of it is told when the command is delivered again', async () => {
  const [told, stored] = [
    { status: 'done', value: { id: 'x', resource: 'long' } },
    { status: 'done', value: { id: 'x' } },
  ] as const;
  const behaviour: Behaviour<Asking> = {
    owner: 'identity',
    commandTypes: new Set(['muster.test.v1']),
    loadSql: () => 'SELECT $json',
    parts: [],
    touches: () => [],
    begin: () => ({ decide: () => ({ events: [], outcome: told, stored }), rows: () => ({}) }),
  };
  const handler = new BatchHandler(
    database,
    behaviour,
    () => new Date(),
    () => undefined,
  );
  const tenant = randomUUID();
  const message = commandOf(tenant, { keys: [] });
  const heard: unknown[] = [];
  for (const again of [1, 2]) {
    const outcomes = await handOver(handler, 'identity.commands', tenant, again === 1 ? [message] : [message, message]);
    heard.push(outcomes.get(message.id));
  }
  expect(heard).toEqual([told, stored]);
  const { rows } = await reader.query('SELECT outcome FROM identity.outcomes WHERE command_id = $1', [message.id]);
  expect(rows).toEqual([{ outcome: stored }]);
});

it('a command that expires between its decision and the write is not carried out', async () => {
  const now = new Date();
  const behaviour: Behaviour<Asking> = {
    owner: 'identity',
    commandTypes: new Set(['muster.test.v1']),
    loadSql: () => 'SELECT $json',
    parts: [],
    touches: () => [],
    begin: () => ({
      decide: () => {
        now.setFullYear(now.getFullYear() + 200);
        return { events: [], outcome: { status: 'done', value: null } };
      },
      rows: () => ({}),
    }),
  };
  const handler = new BatchHandler(
    database,
    behaviour,
    () => new Date(now),
    () => undefined,
  );
  const tenant = randomUUID();
  const message = commandOf(tenant, { keys: [] });
  const outcomes = await handOver(handler, 'identity.commands', tenant, [message]);
  expect(outcomes.get(message.id)).toMatchObject({ status: 'rejected', code: 'unavailable' });
});

describe('a batch whose decisions take long', () => {
  const [slow, quick] = [randomUUID(), randomUUID()];
  /**
   * Handles commands that take so many milliseconds each, and returns their places in the batch, by the transaction
   * that committed them. A quick tenant sends what takes no time.
   */
  const handled = async (
    takesMs: readonly number[],
    isAskingFirst = false,
  ): Promise<{ transactions: number[][]; decisions: number; costs: number[]; order: string[] }> => {
    let [clockMs, decisions] = [0, 0];
    const order: string[] = [];
    const behaviour: Behaviour<{ readonly takesMs: number }> = {
      owner: 'identity',
      commandTypes: new Set(['muster.test.v1']),
      loadSql: () => 'SELECT $json',
      parts: [],
      touches: (_commands, wanted) => [...wanted],
      begin: (loaded) => {
        const wanted: string[] = [];
        return {
          wanted,
          decide: ({ command }) => {
            decisions++;
            clockMs += command.takesMs;
            if (isAskingFirst && (loaded as string[]).length === 0) wanted.push('more');
            return {
              events: [],
              outcome: { status: 'done', value: null },
              stored: { status: 'done', value: { toJSON: () => (order.push('written'), null) } as never },
            };
          },
          rows: () => {
            setImmediate(() => order.push('others'));
            return {};
          },
        };
      },
    };
    const handler = new BatchHandler(
      database,
      behaviour,
      () => new Date(),
      () => undefined,
      { maxBytes: 8 * 1_048_576, elapsedMs: () => clockMs },
    );
    const messages = takesMs.map((ms): Message => ({
      ...commandOf(ms === 0 ? quick : slow, { keys: [] }),
      data: { actor: 'test', expiresAt: '2100-01-01T00:00:00.000Z', command: { takesMs: ms } },
    }));
    const { epoch, nextOffset } = await handler.position(5);
    const [transactions, costs]: [number[][], number[]] = [[], []];
    // A gap, as a log has it where nothing is kept.
    const end = nextOffset + messages.length + 3;
    await handler.handle(
      {
        topic: 'identity.commands',
        partition: 5,
        epoch,
        nextOffset: end,
        received: messages.map((message, index) => ({ offset: nextOffset + index, message })),
      },
      ({ outcomes }) => {
        const told = outcomes.map(({ data }) => data);
        transactions.push(told.map(({ commandId }) => messages.findIndex(({ id }) => id === commandId)));
        costs.push(...told.map(({ cost }) => cost!));
      },
    );
    handler.forget(5);
    expect((await handler.position(5)).nextOffset).toBe(end);
    const { rows } = await reader.query<{ outcome: Outcome }>(
      'SELECT outcome FROM identity.outcomes WHERE command_id = ANY ($1)',
      [messages.map(({ id }) => id)],
    );
    expect(rows.map(({ outcome }) => outcome.status)).toEqual(messages.map(() => 'done'));
    return { transactions, decisions, costs, order };
  };

  it('is one transaction while they take 25 ms at the most', async () => {
    expect((await handled([12, 0, 12, 0])).transactions).toEqual([[0, 1, 2, 3]]);
  });

  it('is divided after 25 ms: all are answered, in their order, each decided once', async () => {
    expect(await handled([0, 0, 15, 15, 0, 0, 0])).toMatchObject({
      transactions: [
        [0, 1, 2, 3],
        [4, 5, 6],
      ],
      decisions: 7,
    });
    expect(await handled([150, 0, 150, 0, 150])).toMatchObject({ transactions: [[0], [1, 2], [3], [4]], decisions: 5 });
  });

  it('also where they ask for more than was loaded: only the part that was decided is loaded again', async () => {
    expect(await handled([0, 26, 0, 0], true)).toMatchObject({
      transactions: [
        [0, 1],
        [2, 3],
      ],
      decisions: 8,
    });
  });

  it('is written after others in the process have had their turn', async () => {
    expect((await handled([3, 0])).order[0]).toBe('written');
    expect((await handled([3, 3])).order[0]).toBe('others');
  });

  it('is cut beforehand once it is known whose they are', async () => {
    // A decision of 22 ms counts 0.9 MB.
    expect((await handled([22, 22, 22, 22, 22, 22])).transactions).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
  });

  it('tells what they took as a cost of their tenant; what takes 2 ms counts for nothing', async () => {
    const { costs } = await handled([10, 0, 2, 2]);
    // 10 ms, as the mean of three commands, and some bytes.
    expect(costs[0]).toBeGreaterThan(400_000 / 3);
    expect(costs[0]).toBeLessThan(400_000 / 3 + 3_000);
    expect(costs[1]).toBeLessThan(3_000);
  });
});
