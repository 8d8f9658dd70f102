import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { commandsOf, eventsOf, outcomesOf, type Message, type OutcomeData } from '#contracts';
import { BatchHandler, connectDatabase, migrate, roleUrl, type Behaviour } from '#event-store';
import { startPostgres, type PostgresProcess } from '#host';
import { append, Consumer, idsOf, itIsALog, newMessages, newTenant, numbersOf, Signal } from '../log.contract.js';
import { LogUnavailable } from '../log.js';
import { PostgresLog } from './postgres-log.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const COMMANDS = commandsOf('identity');
const EVENTS = eventsOf('identity');

describe('the Postgres log', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'muster-postgres-log-'));
  let postgres: PostgresProcess;
  let pool: pg.Pool;
  const logs: PostgresLog[] = [];

  const kill = async (): Promise<void> => {
    process.kill(postgres.pid, 'SIGKILL');
    await postgres.exited;
  };
  const restart = async (): Promise<void> => {
    postgres = await startPostgres(dataDir, Number(new URL(postgres.url).port));
  };
  /** Breaks the connection of the log, and no other. */
  const disconnect = (): Promise<unknown> =>
    pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'muster-log'");
  const newLog = (options: { maxBatchMessages?: number } = {}): PostgresLog => {
    const log = new PostgresLog({
      url: roleUrl(postgres.url, 'log'),
      maxBatchMessages: 100,
      keepDays: 7,
      onError: () => undefined,
      ...options,
    });
    logs.push(log);
    return log;
  };

  const started = async (consumer: Consumer): Promise<PostgresLog> => {
    const log = newLog();
    log.subscribe(consumer);
    await log.start();
    return log;
  };

  beforeAll(async () => {
    postgres = await startPostgres(dataDir);
    await migrate(postgres.url);
    pool = new pg.Pool({ connectionString: postgres.url });
    pool.on('error', () => undefined);
  });

  afterEach(async () => {
    for (const log of logs.splice(0)) await log.stop();
  });

  afterAll(async () => {
    await pool.end();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  itIsALog({ databaseUrl: () => postgres.url, newLog, kill, restart });

  it('is not ready, and names the lane, while the position of one cannot be read, which its handler does not hear of', async () => {
    const tenant = newTenant(2);
    const messages = newMessages(tenant, 1);
    const consumer = new Consumer(pool, EVENTS);
    const [failing, tried] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let isAway = false;
    let attempts = 0;
    const log = newLog();
    log.subscribe({
      topic: EVENTS,
      position: async (partition) => {
        if (!isAway) return consumer.position(partition);
        if (++attempts === 2) tried.resolve();
        throw new Error('remaining connection slots are reserved');
      },
      handleBatch: async (batch) => {
        if (attempts > 0) return consumer.handleBatch(batch);
        isAway = true;
        failing.resolve();
        throw new Error('remaining connection slots are reserved');
      },
    });
    await log.start();
    expect(log.unready()).toBeNull();
    log.committed(await append(pool, EVENTS, messages));
    await Promise.all([failing.promise, tried.promise]);
    expect(log.unready()).toMatch(/cannot be read: identity\.events\/\d+$/);
    isAway = false;
    await consumer.has(messages);
    expect(log.unready()).toBeNull();
  });

  it('is one process alone; another one is refused, and let in when the first has gone', async () => {
    const [first, second] = [newLog(), newLog()];
    await first.start();
    await expect(second.start()).rejects.toThrow(/^Another Muster process/);
    expect(second.unready()).not.toBeNull();
    await first.stop();
    await second.start();
    expect(second.unready()).toBeNull();
  });

  it('reads a backlog that begins after what was dropped with its age', async () => {
    const topic = eventsOf('directory');
    const tenant = newTenant(7);
    // More than a page, and the oldest rows are gone.
    const messages = newMessages(tenant, 2_500);
    await append(pool, topic, messages);
    await pool.query('DELETE FROM log.messages WHERE topic = $1 AND partition = 7 AND "offset" < 700', [topic]);
    const consumer = new Consumer(pool, topic);
    await started(consumer);
    await consumer.has(messages.slice(700));
    expect(numbersOf(consumer.messages(tenant))).toEqual(numbersOf(messages.slice(700)));
  });

  /** The messages that a lane has in memory. */
  const held = (log: PostgresLog, key: string): number => {
    const { lanes } = log as unknown as { lanes: ReadonlyMap<string, readonly { waiting: unknown[] }[]> };
    return lanes.get(key)![0]!.waiting.length;
  };

  it('keeps a thousand messages of a lane that stands still, and hands over all the others from the table, in order, while more come', async () => {
    const topic = eventsOf('directory');
    const tenant = newTenant(6);
    const consumer = new Consumer(pool, topic);
    const hold = Promise.withResolvers<void>();
    consumer.before = () => hold.promise;
    const log = await started(consumer);
    const messages = newMessages(tenant, 6_000);
    const commit = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at += 50) log.committed(await append(pool, topic, messages.slice(at, at + 50)));
    };
    await commit(0, 2_500);
    await vi.waitFor(() => expect(held(log, `${topic}/6`)).toBe(1_000), { timeout: 60_000 });
    hold.resolve();
    let most = 0;
    consumer.before = () => {
      most = Math.max(most, held(log, `${topic}/6`));
    };
    await commit(2_500, 6_000);
    await consumer.has(messages);
    expect(numbersOf(consumer.messages(tenant))).toEqual(numbersOf(messages));
    expect(most).toBeLessThanOrEqual(1_000);
  });

  it('reads a backlog of long messages in pages of some megabytes', async () => {
    const topic = eventsOf('directory');
    const tenant = newTenant(5);
    const messages = newMessages(tenant, 20).map((message) => ({
      ...message,
      data: { ...(message.data as object), text: 'x'.repeat(1_048_576) },
    }));
    await append(pool, topic, messages);
    const consumer = new Consumer(pool, topic);
    const log = newLog();
    log.subscribe(consumer);
    let most = 0;
    consumer.before = ({ received }) => {
      most = Math.max(most, received.length + held(log, `${topic}/5`));
    };
    await log.start();
    await consumer.has(messages);
    expect(numbersOf(consumer.messages(tenant))).toEqual(numbersOf(messages));
    expect(most).toBeLessThanOrEqual(4);
  });

  it('uses no offset twice, also when all that a partition held was dropped with its age: whoever has read it goes on behind that', async () => {
    const topic = eventsOf('identity');
    const tenant = newTenant(11);
    /** A process that lives until its lane has handled these, and rolls the log when it starts. */
    const offsetsOf = async (messages: Message[]): Promise<number[]> => {
      const consumer = new Consumer(pool, topic);
      const log = await started(consumer);
      const { nextOffset } = await consumer.position(11);
      const rows = await append(pool, topic, messages);
      // Or nobody would ever be handed them.
      expect(rows[0]!.offset).toBe(nextOffset);
      log.committed(rows);
      await consumer.has(messages);
      await log.stop();
      return rows.map(({ offset }) => offset);
    };
    const before = await offsetsOf(newMessages(tenant, 3));
    await pool.query('UPDATE log.messages SET day = day - 30 WHERE topic = $1 AND partition = 11', [topic]);
    expect(await offsetsOf(newMessages(tenant, 2))).toEqual([1, 2].map((further) => before.at(-1)! + further));
    const { rows } = await pool.query(
      'SELECT count(*)::int AS count FROM log.messages WHERE topic = $1 AND partition = 11',
      [topic],
    );
    expect(rows, 'the old ones are gone').toEqual([{ count: 2 }]);
  });

  it('hands over once what a lane committed while the table was being read', async () => {
    const [events, others] = [new Consumer(pool, EVENTS), new Consumer(pool, eventsOf('group'))];
    const messages = newMessages(newTenant(9), 3);
    const log = newLog();
    const subscribe = (consumer: Consumer, partition: number, committed: Message[]): void =>
      log.subscribe({
        topic: consumer.topic,
        handleBatch: (batch) => consumer.handleBatch(batch),
        position: async (asked) => {
          if (asked === partition) log.committed(await append(pool, events.topic, committed));
          return consumer.position(asked);
        },
      });
    // Before the lane of the messages is read, and after.
    subscribe(events, 9, messages.slice(0, 1));
    subscribe(others, 0, messages.slice(1));
    await log.start();
    await events.has(messages);
    expect(numbersOf(events.messages(messages[0]!.tenant))).toEqual(numbersOf(messages));
  });

  it('hands a topic to each who reads it, at its own position: one that stands still, or fails, holds up no other', async () => {
    const topic = eventsOf('group');
    const tenant = newTenant(11);
    const messages = newMessages(tenant, 30);
    const readers = ['one', 'other'].map((name) => new Consumer(pool, topic, undefined, name)) as [Consumer, Consumer];
    const [one, other] = readers;
    const hold = Promise.withResolvers<void>();
    let failed = false;
    other.before = async () => {
      await hold.promise;
      if (failed) return;
      failed = true;
      throw new Error('a bad day');
    };
    const log = newLog();
    for (const reader of readers) log.subscribe(reader);
    await log.start();
    log.committed(await append(pool, topic, messages.slice(0, 10)));
    await one.has(messages.slice(0, 10));
    expect(other.messages(tenant)).toEqual([]);
    hold.resolve();
    log.committed(await append(pool, topic, messages.slice(10)));
    await Promise.all(readers.map((reader) => reader.has(messages)));
    for (const reader of readers) expect(numbersOf(reader.messages(tenant))).toEqual(numbersOf(messages));
    expect(failed).toBe(true);
  });

  it('finds what nobody told of when the next row comes', async () => {
    const events = new Consumer(pool, eventsOf('identity'));
    const messages = newMessages(newTenant(9), 3);
    const log = await started(events);
    await append(pool, events.topic, messages.slice(0, 2));
    log.committed(await append(pool, events.topic, messages.slice(2)));
    await events.has(messages);
    expect(numbersOf(events.messages(messages[0]!.tenant))).toEqual(numbersOf(messages));
  });

  it('handles one batch of a partition at a time, also when its connection breaks meanwhile', async () => {
    const messages = newMessages(newTenant(10), 2);
    const consumer = new Consumer(pool, EVENTS);
    const log = newLog();
    let [under, most] = [0, 0];
    consumer.before = async () => {
      most = Math.max(most, ++under);
      if (consumer.begun.length === 1) {
        await disconnect();
        await vi.waitFor(() => expect(log.unready()).not.toBeNull(), { timeout: 60_000 });
        await vi.waitFor(() => expect(log.unready()).toBeNull(), { timeout: 60_000 });
        log.committed(await append(pool, EVENTS, messages.slice(1)));
      }
      under--;
    };
    log.subscribe(consumer);
    await log.start();
    log.committed(await append(pool, EVENTS, messages.slice(0, 1)));
    await consumer.has(messages);
    expect(most).toBe(1);
  });

  it('takes commands for lanes of its own process alone, and stores none', async () => {
    const log = await started(new Consumer(pool));
    const messages = newMessages(newTenant(), 3);
    await log.publish(COMMANDS, messages);
    await expect(log.publish(commandsOf('directory'), messages)).rejects.toBeInstanceOf(LogUnavailable);
    expect((await pool.query("SELECT FROM log.messages WHERE topic LIKE '%.commands'")).rowCount).toBe(0);
  });

  describe('with the transaction of a lane', () => {
    let lane: pg.Pool;
    let end: () => Promise<void>;
    /** Every command is done, and nothing else happens. */
    const behaviour: Behaviour<object> = {
      owner: 'identity',
      commandTypes: new Set(['muster.test.v1']),
      loadSql: () => 'SELECT $json',
      touches: () => ({}),
      parts: [],
      begin: () => ({ decide: () => ({ events: [], outcome: { status: 'done', value: null } }), rows: () => ({}) }),
    };
    const commands = (count: number): Message[] =>
      newMessages(newTenant(8), count).map((message) => ({
        ...message,
        data: { actor: 'test', expiresAt: new Date(Date.now() + 600_000).toISOString(), command: {} },
      }));
    const answered = async (messages: readonly Message[]): Promise<string[]> => {
      const { rows } = await pool.query<{ command_id: string }>(
        'SELECT command_id FROM identity.outcomes WHERE command_id = ANY ($1)',
        [idsOf(messages)],
      );
      return rows.map(({ command_id }) => command_id);
    };
    const newHandler = (): BatchHandler<object> =>
      new BatchHandler(
        lane,
        behaviour,
        () => new Date(),
        () => undefined,
      );

    /** A log whose commands a lane handles; `then` gets what became of each batch. */
    const withHandler = async (
      then: (handled: Promise<void>) => Promise<void> = (handled) => handled,
    ): Promise<{ log: PostgresLog; heard: Message[]; signal: Signal }> => {
      const handler = newHandler();
      const log = newLog();
      const signal = new Signal();
      const heard: Message[] = [];
      log.listen(outcomesOf('identity'), (message) => {
        heard.push(message);
        signal.tell();
      });
      log.subscribe({
        topic: COMMANDS,
        position: (partition) => handler.position(partition),
        handleBatch: async (batch) => {
          const handled = handler.handle(batch, ({ rows, outcomes }) => {
            log.committed(rows);
            log.broadcast(outcomesOf('identity'), outcomes);
          });
          await handled;
          await then(handled);
        },
      });
      await log.start();
      return { log, heard, signal };
    };

    beforeAll(async () => {
      lane = await connectDatabase(roleUrl(postgres.url, 'identity'), 'identity', {
        poolConnections: 3,
        queryTimeoutMs: 5_000,
      });
      end = () => lane.end();
    });

    afterAll(() => end());

    it('waits for the disk before it answers: the commit that holds an outcome is synchronous', async () => {
      await pool.query(`
        CREATE TABLE seen_commits (session text, setting text);
        CREATE FUNCTION see_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
          INSERT INTO public.seen_commits VALUES (session_user, current_setting('synchronous_commit'));
          RETURN NULL;
        END $$;
        CREATE TRIGGER see_commit AFTER INSERT ON identity.outcomes FOR EACH STATEMENT EXECUTE FUNCTION see_commit()`);
      try {
        const { log } = await withHandler();
        await log.publish(COMMANDS, commands(1));
        const { rows } = await pool.query('SELECT DISTINCT session, setting FROM seen_commits');
        expect(rows).toEqual([{ session: 'muster_identity', setting: 'on' }]);
      } finally {
        await pool.query(
          'DROP TRIGGER see_commit ON identity.outcomes; DROP FUNCTION see_commit; DROP TABLE seen_commits',
        );
      }
    });

    it('has taken a command when its outcome is stored, and not before', async () => {
      const { log } = await withHandler();
      const messages = commands(3);
      await log.publish(COMMANDS, messages);
      expect((await answered(messages)).sort()).toEqual(idsOf(messages).sort());
    });

    it('carries out once what comes twice, and answers it twice', async () => {
      const { log, heard, signal } = await withHandler();
      const messages = commands(1);
      // In one batch, and in another one.
      await log.publish(COMMANDS, [...messages, ...messages]);
      await log.publish(COMMANDS, messages);
      const answers = (): unknown[] =>
        heard.flatMap(({ causationId, data }) =>
          causationId === messages[0]!.id ? [(data as OutcomeData).outcome] : [],
        );
      await signal.until(() => answers().length === 3);
      expect(new Set(answers().map((answer) => JSON.stringify(answer))).size).toBe(1);
      expect(await answered(messages)).toEqual(idsOf(messages));
    });

    it('carries out once what was committed just before a fault, though its batch is handed over again', async () => {
      let faults = 1;
      const { log } = await withHandler((handled) => {
        if (faults-- > 0) throw new Error('the connection broke after the commit');
        return handled;
      });
      const messages = commands(3);
      await log.publish(COMMANDS, messages);
      expect(faults).toBeLessThan(0);
      expect((await answered(messages)).sort()).toEqual(idsOf(messages).sort());
    });

    it('carries out after a crash of the database what its senders still wait for', async () => {
      let crashed = false;
      const { log } = await withHandler(async (handled) => {
        await handled;
        if (crashed) return;
        crashed = true;
        await kill();
        void restart();
        throw new LogUnavailable('away');
      });
      const messages = commands(3);
      await log.publish(COMMANDS, messages);
      expect((await answered(messages)).sort()).toEqual(idsOf(messages).sort());
    });

    it('moves the position of a lane on from whatever another process, or Kafka, had left there', async () => {
      await pool.query("UPDATE identity.positions SET epoch = 'a cluster/', next_offset = 1000000 WHERE partition = 8");
      const { log } = await withHandler();
      const messages = commands(2);
      await log.publish(COMMANDS, messages);
      expect((await answered(messages)).sort()).toEqual(idsOf(messages).sort());
    });
  });
});
