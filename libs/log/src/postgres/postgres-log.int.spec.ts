import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { commandsOf, eventsOf, outcomesOf, type Message, type OutcomeData } from '#contracts';
import { BatchHandler, connectDatabase, migrate, poolOf, roleUrl, type Behaviour } from '#event-store';
import { startPostgres, type PostgresProcess } from '#runtime';
import { append, Consumer, idsOf, itIsALog, newMessages, newTenant, numbersOf, Signal } from '../log.contract.js';
import { LogUnavailable, type Batch } from '../log.js';
import { PostgresLog } from './postgres-log.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const COMMANDS = commandsOf('identity');

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
    const consumer = new Consumer(pool);
    const [failing, tried] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let isAway = false;
    let attempts = 0;
    const log = newLog();
    log.subscribe({
      topic: COMMANDS,
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
    await log.publish(COMMANDS, messages);
    await Promise.all([failing.promise, tried.promise]);
    expect(log.unready()).toMatch(/cannot be read: identity\.commands\/\d+$/);
    isAway = false;
    await consumer.has(messages);
    expect(log.unready()).toBeNull();
  });

  it('is one process alone; another one is refused, and let in when the first has gone', async () => {
    const [first, second] = [newLog(), newLog()];
    await first.start();
    await expect(second.start()).rejects.toThrow(/another Muster process/);
    expect(second.unready()).not.toBeNull();
    await first.stop();
    await second.start();
    expect(second.unready()).toBeNull();
  });

  it('reads a backlog that begins after what was dropped with its age', async () => {
    const topic = commandsOf('admin');
    const tenant = newTenant(7);
    // More than a page, and the oldest rows are gone.
    const messages = newMessages(tenant, 2_500);
    const offsets = messages.map((_, index) => index);
    await pool.query('SELECT log.append($1, $2, $3, $4, $5::json[])', [
      offsets.map(() => topic),
      offsets.map(() => 7),
      offsets,
      idsOf(messages),
      messages.map((message) => JSON.stringify(message)),
    ]);
    await pool.query('DELETE FROM log.messages WHERE topic = $1 AND partition = 7 AND "offset" < 700', [topic]);
    const consumer = new Consumer(pool, topic);
    await started(consumer);
    await consumer.has(messages.slice(700));
    expect(numbersOf(consumer.messages(tenant))).toEqual(numbersOf(messages.slice(700)));
  });

  /** The messages that a lane has in memory. */
  const held = (log: PostgresLog, key: string): number => {
    const { lanes } = log as unknown as { lanes: ReadonlyMap<string, { waiting: unknown[] }> };
    return lanes.get(key)!.waiting.length;
  };

  it('keeps a thousand messages of a lane that stands still, and hands over all the others from the table, in order, while more come', async () => {
    const topic = commandsOf('admin');
    const tenant = newTenant(6);
    const consumer = new Consumer(pool, topic);
    const hold = Promise.withResolvers<void>();
    consumer.before = () => hold.promise;
    const log = await started(consumer);
    const messages = newMessages(tenant, 6_000);
    const publish = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at += 50) await log.publish(topic, messages.slice(at, at + 50));
    };
    await publish(0, 2_500);
    expect(held(log, `${topic}/6`)).toBe(1_000);
    hold.resolve();
    let most = 0;
    consumer.before = () => {
      most = Math.max(most, held(log, `${topic}/6`));
    };
    await publish(2_500, 6_000);
    await consumer.has(messages);
    expect(numbersOf(consumer.messages(tenant))).toEqual(numbersOf(messages));
    expect(most).toBeLessThanOrEqual(1_000);
  });

  it('reads a backlog of long messages in pages of some megabytes', async () => {
    const topic = commandsOf('admin');
    const tenant = newTenant(5);
    const messages = newMessages(tenant, 20).map((message) => ({
      ...message,
      data: { ...(message.data as object), text: 'x'.repeat(1_048_576) },
    }));
    // Appended at once, which is more than one statement takes.
    const first = newLog();
    await first.start();
    await first.publish(topic, messages);
    await first.stop();
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
    const [events, commands] = [new Consumer(pool, eventsOf('identity')), new Consumer(pool)];
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
    subscribe(commands, 0, messages.slice(1));
    await log.start();
    await events.has(messages);
    expect(numbersOf(events.messages(messages[0]!.tenant))).toEqual(numbersOf(messages));
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
    const consumer = new Consumer(pool);
    const log = newLog();
    let [under, most] = [0, 0];
    consumer.before = async ({ appended }) => {
      most = Math.max(most, ++under);
      if (consumer.begun.length === 1) {
        await appended;
        await disconnect();
        await vi.waitFor(() => log.publish(COMMANDS, messages.slice(1)), { timeout: 60_000 });
      }
      under--;
    };
    log.subscribe(consumer);
    await log.start();
    await log.publish(COMMANDS, messages.slice(0, 1));
    await consumer.has(messages);
    expect(most).toBe(1);
  });

  it('takes no more than it may keep in memory while the database is slow', async () => {
    const topic = commandsOf('admin');
    const log = newLog();
    await log.start();
    const locker = await pool.connect();
    await locker.query('BEGIN; LOCK log.messages IN ACCESS EXCLUSIVE MODE');
    const messages = newMessages(newTenant(), 1);
    // The first one is under way, the next 10,000 wait.
    const waiting = [log.publish(topic, messages)];
    await new Promise((resolve) => setImmediate(resolve));
    for (let count = 0; count < 10_000; count++) waiting.push(log.publish(topic, messages));
    await expect(log.publish(topic, messages)).rejects.toBeInstanceOf(LogUnavailable);
    await locker.query('ROLLBACK');
    locker.release();
    await Promise.all(waiting);
  });

  describe('hands over what it is still appending', () => {
    /** Nothing can be appended until this is called, though all can be read. */
    const hold = async (): Promise<() => Promise<void>> => {
      const locker = await pool.connect();
      await locker.query('BEGIN; LOCK log.messages IN SHARE MODE');
      return async () => {
        await locker.query('ROLLBACK');
        locker.release();
      };
    };
    const isAppending = async (): Promise<void> => {
      const waiting = await pool.query(
        "SELECT FROM pg_stat_activity WHERE application_name = 'muster-log' AND wait_event_type = 'Lock'",
      );
      expect(waiting.rowCount).toBe(1);
    };

    it('and says in the batch when it has been', async () => {
      const messages = newMessages(newTenant(10), 2);
      const consumer = new Consumer(pool);
      const log = await started(consumer);
      const letGo = await hold();
      const done: string[] = [];
      const published = log.publish(COMMANDS, messages).then(() => done.push('published'));
      await consumer.signal.until(() => consumer.begun.length === 1);
      const appended = consumer.begun[0]!.appended!.then(() => done.push('appended'));
      await vi.waitFor(isAppending, { timeout: 60_000 });
      expect([done, consumer.handled]).toEqual([[], []]);
      await letGo();
      await Promise.all([published, appended, consumer.has(messages)]);
    });

    it('and hands over once what a broken connection left in doubt', async () => {
      const messages = newMessages(newTenant(10), 2);
      const consumer = new Consumer(pool);
      const log = await started(consumer);
      const letGo = await hold();
      const refused = expect(log.publish(COMMANDS, messages)).rejects.toBeInstanceOf(LogUnavailable);
      await consumer.signal.until(() => consumer.begun.length === 1);
      await disconnect();
      await refused;
      await expect(consumer.begun[0]!.appended).rejects.toBeInstanceOf(LogUnavailable);
      await letGo();
      // As its sender does, who does not know what became of it.
      await vi.waitFor(() => log.publish(COMMANDS, messages), { timeout: 60_000 });
      await consumer.has(messages);
      expect(numbersOf(consumer.messages(messages[0]!.tenant))).toEqual(numbersOf(messages));
    });

    it('and reads it after a fault of its handler only when it has been', async () => {
      const messages = newMessages(newTenant(10), 2);
      const consumer = new Consumer(pool);
      consumer.before = () => {
        if (consumer.begun.length === 1) throw new Error('the way is at fault');
      };
      const log = await started(consumer);
      const letGo = await hold();
      const read = vi.spyOn(consumer, 'position');
      const published = log.publish(COMMANDS, messages);
      await vi.waitFor(() => expect(read).toHaveBeenCalled(), { timeout: 60_000 });
      await vi.waitFor(isAppending, { timeout: 60_000 });
      await letGo();
      await published;
      await consumer.has(messages);
      expect(numbersOf(consumer.messages(messages[0]!.tenant))).toEqual(numbersOf(messages));
    });
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

    beforeAll(async () => {
      const database = await connectDatabase(roleUrl(postgres.url, 'identity'), 'identity', {
        poolConnections: 3,
        queryTimeoutMs: 5_000,
      });
      lane = poolOf(database);
      end = () => database.destroy();
    });

    afterAll(() => end());

    it('does not wait for the disk when it appends, but the commit that holds an outcome does', async () => {
      await pool.query(`
        CREATE TABLE seen_commits (session text, setting text);
        CREATE FUNCTION see_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
          INSERT INTO public.seen_commits VALUES (session_user, current_setting('synchronous_commit'));
          RETURN NULL;
        END $$;
        CREATE TRIGGER see_commit AFTER INSERT ON log.messages FOR EACH STATEMENT EXECUTE FUNCTION see_commit()`);
      try {
        const handler = newHandler();
        const log = newLog();
        const done = new Promise<void>((resolve) => log.broadcast(outcomesOf('identity'), () => resolve()));
        log.subscribe({
          topic: COMMANDS,
          position: (partition) => handler.position(partition),
          handleBatch: (batch) => handler.handle(batch, (rows) => log.committed(rows)),
        });
        await log.start();
        await log.publish(COMMANDS, commands(1));
        await done;
        const { rows } = await pool.query('SELECT DISTINCT session, setting FROM seen_commits ORDER BY session');
        expect(rows).toEqual([
          { session: 'muster_identity', setting: 'on' },
          { session: 'muster_log', setting: 'off' },
        ]);
      } finally {
        await pool.query('DROP TRIGGER see_commit ON log.messages; DROP FUNCTION see_commit; DROP TABLE seen_commits');
      }
    });

    it('carries out once what comes twice, and answers it twice', async () => {
      const handler = newHandler();
      const log = newLog();
      const signal = new Signal();
      const heard: Message[] = [];
      log.broadcast(outcomesOf('identity'), (message) => {
        heard.push(message);
        signal.tell();
      });
      log.subscribe({
        topic: COMMANDS,
        position: (partition) => handler.position(partition),
        handleBatch: (batch) => handler.handle(batch, (rows) => log.committed(rows)),
      });
      await log.start();
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

    it('does not carry out what was handed over and then lost in a crash, though its offset is used again', async () => {
      // The crash comes before anybody writes the appended rows to the disk.
      await pool.query("ALTER SYSTEM SET wal_writer_delay = '10s'");
      await pool.query('SELECT pg_reload_conf()');
      const [lost, kept] = [commands(3), commands(3)];
      const handler = newHandler();
      const log = newLog();
      let handed: Batch | undefined;
      const refused = new Promise<unknown>((resolve) => {
        log.subscribe({
          topic: COMMANDS,
          position: (partition) => handler.position(partition),
          handleBatch: async (batch) => {
            if (handed || batch.received[0]!.message!.id !== lost[0]!.id) return handler.handle(batch, () => undefined);
            await batch.appended;
            handed = batch;
            await kill();
            await restart();
            await vi.waitFor(() => log.publish(COMMANDS, kept), { timeout: 60_000 });
            await handler.handle(batch, () => undefined).catch(resolve);
            throw new LogUnavailable('away');
          },
        });
      });
      await log.start();
      await log.publish(COMMANDS, lost).catch(() => undefined);
      expect(String(await refused)).toMatch(/no longer holds/);
      await vi.waitFor(async () => expect(await answered(kept)).toHaveLength(3), { timeout: 60_000 });
      expect(await answered(lost)).toEqual([]);
      const { rows } = await pool.query(
        'SELECT id FROM log.messages WHERE topic = $1 AND partition = 8 AND "offset" = ANY ($2) ORDER BY "offset"',
        [COMMANDS, handed!.received.map(({ offset }) => offset)],
      );
      // Otherwise nothing was lost, and the test has shown nothing.
      expect(rows.map(({ id }) => id)).toEqual(idsOf(kept).slice(0, handed!.received.length));
    });
  });
});
