import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { OUTCOME_TYPE, commandsOf, outcomesOf, outcomesViewOf, type Message, type Outcome } from '#contracts';
import { findOutcomes, roleUrl } from '#event-store';
import { newDatabase } from '../../../test/support/postgres.js';
import { Consumer, newMessages, newTenant, Signal } from './log.contract.js';
import { LogUnavailable } from './log.js';
import { PostgresLog } from './postgres/postgres-log.js';
import { RequestReply, type RequestReplyOptions, type Told } from './request-reply.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const DONE: Outcome = { status: 'done', value: 'the outcome' };

let pool: pg.Pool;
let log: PostgresLog;
let consumer: Consumer;
let requests: RequestReply[];

beforeAll(async () => {
  pool = new pg.Pool({ connectionString: await newDatabase() });
});
beforeEach(() => {
  const { connectionString } = pool.options;
  log = new PostgresLog({
    url: roleUrl(connectionString!, 'log'),
    maxBatchMessages: 100,
    keepDays: 7,
    onError: () => undefined,
  });
  consumer = new Consumer(pool);
  log.subscribe(consumer);
  requests = [];
});
afterEach(async () => {
  for (const each of requests) each.stop();
  await log.stop();
});
afterAll(() => pool.end());

const newRequests = async (options: Partial<RequestReplyOptions> = {}): Promise<RequestReply> => {
  const made = new RequestReply(log, {
    owner: 'identity',
    lookupAfterMs: 60_000,
    timeoutMs: 60_000,
    lookup: (ids) => findOutcomes(pool, outcomesViewOf('identity'), ids),
    ...options,
  });
  requests.push(made);
  await log.start();
  return made;
};
const newCommand = (): Message => newMessages(newTenant(), 1)[0]!;
const outcomeOf = (command: Message, data: unknown = { commandId: command.id, outcome: DONE }): Message => ({
  ...newCommand(),
  tenant: command.tenant,
  type: OUTCOME_TYPE,
  data,
});
const tell = (...messages: Message[]): void => log.broadcast(outcomesOf('identity'), messages);
const store = (command: Message): Promise<unknown> =>
  pool.query('INSERT INTO identity.outcomes VALUES ($1, $2, $3, now())', [
    command.id,
    command.tenant,
    JSON.stringify(DONE),
  ]);

it('answers with the outcome of the command, whatever else is among the outcomes', async () => {
  const [command, other] = [newCommand(), newCommand()];
  const made = await newRequests();
  consumer.before = () =>
    tell(outcomeOf(command, null), outcomeOf(command, { commandId: command.id }), outcomeOf(other), outcomeOf(command));
  expect(await made.request(command)).toEqual(DONE);
});

it('looks up an outcome that it did not hear', async () => {
  const command = newCommand();
  const made = await newRequests({ lookupAfterMs: 1 });
  consumer.before = () => store(command).then(() => undefined);
  expect(await made.request(command)).toEqual(DONE);
});

it('that does not hear looks up every outcome, and nothing while nobody waits', async () => {
  const asked: (readonly string[])[] = [];
  const made = await newRequests({
    lookupAfterMs: null,
    lookup: (ids) => (asked.push(ids), findOutcomes(pool, outcomesViewOf('identity'), ids)),
  });
  for (const command of [newCommand(), newCommand()]) {
    consumer.before = async () => {
      // Told as well, and not heard.
      await tell(outcomeOf(command, { commandId: command.id, outcome: { status: 'done', value: 'told' } }));
      await store(command);
    };
    expect(await made.request(command)).toEqual(DONE);
    expect(new Set(asked.splice(0).flat())).toEqual(new Set([command.id]));
  }
});

it('rejects when no outcome comes in time, also while it looks one up, and looks up once at a time', async () => {
  const signal = new Signal();
  const asked: (readonly string[])[] = [];
  let answer = (): void => undefined;
  const made = await newRequests({
    lookupAfterMs: 1,
    timeoutMs: 1_000,
    lookup: (ids) => {
      asked.push(ids);
      signal.tell();
      return new Promise((resolve) => (answer = () => resolve(new Map())));
    },
  });
  const [first, second] = [newCommand(), newCommand()];
  const firstRejected = expect(made.request(first)).rejects.toBeInstanceOf(LogUnavailable);
  await signal.until(() => asked.length === 1);
  // It comes while the question about the first is not answered; when it times out, many sweeps have passed.
  await expect(made.request(second)).rejects.toBeInstanceOf(LogUnavailable);
  await firstRejected;
  expect(asked).toEqual([[first.id]]);
  const third = newCommand();
  const thirdRejected = expect(made.request(third)).rejects.toBeInstanceOf(LogUnavailable);
  answer();
  await signal.until(() => asked.length === 2);
  expect(asked[1]).toEqual([third.id]);
  await thirdRejected;
});

it('goes on looking up after the database was away', async () => {
  const command = newCommand();
  let times = 0;
  const made = await newRequests({
    lookupAfterMs: 1,
    lookup: (ids) =>
      times++ === 0
        ? pool.query('SELECT no_such_column').then(() => new Map())
        : findOutcomes(pool, outcomesViewOf('identity'), ids),
  });
  await store(command);
  expect(await made.request(command)).toEqual(DONE);
  expect(times).toBe(2);
});

it('rejects at once what the log does not take', async () => {
  const made = await newRequests();
  await log.stop();
  await expect(made.request(newCommand())).rejects.toBeInstanceOf(LogUnavailable);
});

it('lets nobody wait after its stop', async () => {
  const made = await newRequests();
  const waiting = expect(made.request(newCommand())).rejects.toBeInstanceOf(LogUnavailable);
  await consumer.signal.until(() => consumer.handled.length > 0);
  made.stop();
  await waiting;
  const command = newCommand();
  await expect(made.request(command)).rejects.toBeInstanceOf(LogUnavailable);
  expect(
    (await pool.query('SELECT 1 FROM log.messages WHERE topic = $1 AND id = $2', [commandsOf('identity'), command.id]))
      .rows,
  ).toEqual([]);
});

it('keeps no more commands waiting than its limit', async () => {
  const made = await newRequests();
  const waiting = Array.from({ length: 10_000 }, () => made.request(newCommand()).catch((error: unknown) => error));
  // And not what the log says when it is behind.
  await expect(made.request(newCommand())).rejects.toThrow(/wait for their outcome/);
  made.stop();
  await Promise.all(waiting);
});

it('sends no more than its lane has room for, and then one of each tenant in turn: who has many stands before nobody', async () => {
  const [many, few] = [newTenant(3), newTenant(3)];
  const hold = Promise.withResolvers<void>();
  const made = await newRequests();
  consumer.before = async ({ received }) => {
    await hold.promise;
    await tell(...received.map(({ message }) => outcomeOf(message!)));
  };
  const commands = newMessages(many, 300);
  const later = newMessages(few, 3);
  const waiting = commands.map((command) => made.request(command));
  // A lane beside it has room.
  const elsewhere = newMessages(newTenant(4), 1);
  waiting.push(...later.map((command) => made.request(command)), made.request(elsewhere[0]!));
  const seen = (): Message[] => consumer.begun.flatMap(({ received }) => received.map(({ message }) => message!));
  await consumer.signal.until(() => seen().some(({ id }) => id === elsewhere[0]!.id));
  const { rows } = await pool.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM log.messages WHERE topic = $1 AND partition = 3 AND id = ANY ($2)',
    [commandsOf('identity'), [...commands, ...later].map(({ id }) => id)],
  );
  expect(rows[0]!.count).toBeLessThanOrEqual(128);
  hold.resolve();
  await Promise.all(waiting);
  const order = seen().filter(({ tenant }) => tenant === many || tenant === few);
  // 128 were sent before it came. Then they take turns.
  const places = later.map(({ id }) => order.findIndex((message) => message.id === id));
  expect(places).toEqual([129, 131, 133]);
  expect(order.filter(({ tenant }) => tenant === many).map(({ id }) => id)).toEqual(commands.map(({ id }) => id));
});

it('sends nothing for those who do not wait any more', async () => {
  const tenant = newTenant(5);
  const hold = Promise.withResolvers<void>();
  const made = await newRequests({ timeoutMs: 1 });
  consumer.before = () => hold.promise;
  const commands = newMessages(tenant, 200);
  await Promise.all(commands.map((command) => expect(made.request(command)).rejects.toBeInstanceOf(LogUnavailable)));
  const last = newMessages(tenant, 1);
  await expect(made.request(last[0]!)).rejects.toBeInstanceOf(LogUnavailable);
  hold.resolve();
  await consumer.has([...commands.slice(0, 128), ...last]);
  expect(consumer.messages(tenant).map(({ id }) => id)).toEqual(
    [...commands.slice(0, 128), ...last].map(({ id }) => id),
  );
});

it('says what a command has cost and done, where its outcome does', async () => {
  const command = newCommand();
  const heard: Told[] = [];
  const made = await newRequests();
  consumer.before = () =>
    tell(outcomeOf(command, { commandId: command.id, outcome: DONE, cost: 12_345, effect: 'create' }));
  expect(await made.request(command, (told) => heard.push(told))).toEqual(DONE);
  expect(heard).toEqual([{ cost: 12_345, effect: 'create' }]);
});
