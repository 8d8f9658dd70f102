import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Owner } from '#contracts';
import { OWNERS } from '../../apps/muster/src/owners.js';
import { connectDatabase, OutcomeRetention, roleUrl, verifyStore } from '#event-store';
import { readConfig, uuidv7 } from '#runtime';
import { startServer } from '../../apps/muster/src/server.module.js';
import { newDatabase } from '../support/postgres.js';

const TENANT = uuidv7();
/** SQL: a UUIDv7 of a time, with `n` as its end. */
const idAt = (time: string, n: string): string =>
  `(lpad(to_hex((extract(epoch FROM ${time}) * 1000)::bigint), 12, '0') || '7000' || '8000' || lpad(to_hex(${n}), 12, '0'))::uuid`;
const daysAgo = (days: number): string => `now() - interval '${days} days'`;
const OLD = 9;
const YOUNG = 7;

interface Told {
  readonly owner: Owner;
  readonly text: string;
  readonly deleted?: number;
  readonly error?: string;
}

/** A logger whose lines can be waited for, one after the other. */
const listener = () => {
  const lines: Told[] = [];
  let wake = (): void => undefined;
  const tell = (facts: object, text: string): void => {
    lines.push({ ...(facts as Told), text });
    wake();
  };
  const next = async (): Promise<Told> => {
    while (lines.length === 0) await new Promise<void>((done) => (wake = done));
    return lines.shift()!;
  };
  return { info: tell, warn: tell, next };
};

describe('outcomes', () => {
  let url: string;
  let owner: pg.Client;

  const plant = async (schema: Owner, count: number, idDays: number, recordedDays: number): Promise<void> => {
    await owner.query(
      `INSERT INTO "${schema}".outcomes SELECT ${idAt(daysAgo(idDays), 'n + (random() * 1e9)::bigint * 100000')}, $1, '{"status": "done"}', ${daysAgo(recordedDays)}
       FROM generate_series(1, $2::bigint) AS n`,
      [TENANT, count],
    );
  };
  const count = async (schema: Owner): Promise<number> =>
    Number((await owner.query(`SELECT count(*) FROM "${schema}".outcomes WHERE tenant = $1`, [TENANT])).rows[0].count);

  beforeAll(async () => {
    url = await newDatabase();
    owner = new pg.Client({ connectionString: url });
    await owner.connect();
  }, 60_000);

  afterAll(() => owner?.end());

  it('go when they are old by their id and by their time, over as many chunks as it takes, and by the hand of their owner', async () => {
    await plant('identity', 2_500, OLD, OLD);
    await plant('identity', 3, OLD, YOUNG);
    await plant('identity', 5, YOUNG, OLD);
    await plant('identity', 7, YOUNG, YOUNG);
    await plant('directory', 11, OLD, OLD);
    const database = await connectDatabase(roleUrl(url, 'identity'), 'identity', {
      poolConnections: 2,
      queryTimeoutMs: 5_000,
    });
    const logger = listener();
    const retention = new OutcomeRetention(database, 'identity', { keepDays: 8, logger });
    retention.start();
    expect(await logger.next()).toEqual({ owner: 'identity', deleted: 2_500, text: 'old outcomes deleted' });
    await retention.stop();
    await database.end();
    expect(await count('identity')).toBe(15);
    expect(await count('directory')).toBe(11);
  });

  it('go in smaller chunks where the database cannot delete a thousand in time', async () => {
    await owner.query(`CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.005); RETURN OLD; END $$;
      CREATE TRIGGER slow BEFORE DELETE ON identity.outcomes FOR EACH ROW EXECUTE FUNCTION public.slow();
      GRANT EXECUTE ON FUNCTION public.slow() TO muster_identity`);
    await plant('identity', 300, OLD, OLD);
    const database = await connectDatabase(roleUrl(url, 'identity'), 'identity', {
      poolConnections: 2,
      queryTimeoutMs: 1_000,
    });
    const logger = listener();
    const retention = new OutcomeRetention(database, 'identity', { keepDays: 8, logger });
    retention.start();
    expect(await logger.next()).toEqual({ owner: 'identity', deleted: 300, text: 'old outcomes deleted' });
    await retention.stop();
    await database.end();
    await owner.query('DROP TRIGGER slow ON identity.outcomes');
  }, 60_000);

  it('go again and again, also after a run that failed', async () => {
    await owner.query('REVOKE DELETE ON identity.outcomes FROM muster_identity');
    await plant('identity', 2, OLD, OLD);
    const database = await connectDatabase(roleUrl(url, 'identity'), 'identity', {
      poolConnections: 2,
      queryTimeoutMs: 5_000,
    });
    const logger = listener();
    const retention = new OutcomeRetention(database, 'identity', { keepDays: 8, everyMs: 1, logger });
    retention.start();
    expect(await logger.next()).toMatchObject({
      text: 'old outcomes could not be deleted',
      error: expect.stringMatching(/permission denied/),
    });
    await owner.query('GRANT DELETE ON identity.outcomes TO muster_identity');
    let told = await logger.next();
    while (told.error !== undefined) told = await logger.next();
    expect(told).toMatchObject({ deleted: 2 });
    await plant('identity', 3, OLD, OLD);
    expect(await logger.next()).toMatchObject({ deleted: 3 });
    await retention.stop();
    await database.end();
  });

  it('are deleted by each owner when the server starts', async () => {
    for (const { name } of OWNERS) await plant(name, 4, OLD, OLD);
    const dataDir = mkdtempSync(join(tmpdir(), 'muster-retention-'));
    const logger = listener();
    const lines = pino(
      { base: null, messageKey: 'text', timestamp: false },
      { write: (line) => logger.info(JSON.parse(line) as object, (JSON.parse(line) as Told).text) },
    );
    const server = await startServer(Object.assign(readConfig({ DATA_DIR: dataDir }), { PORT: 0 }), url, lines);
    const told: Told[] = [];
    while (told.length < OWNERS.length) told.push(await logger.next());
    expect(told.map((line) => [line.owner, line.deleted]).sort()).toEqual(
      OWNERS.map(({ name }) => [name, name === 'directory' ? 15 : 4]).sort(),
    );
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
    expect(await count('directory')).toBe(0);
  });
});

describe('verify', () => {
  let url: string;
  let owner: pg.Client;
  let sequence = 0;

  /** An event without an outcome. */
  const event = async (commandId: string, recordedDays: number): Promise<void> => {
    sequence++;
    await owner.query(
      `INSERT INTO identity.events SELECT $1, $2, $3, 1, 'muster.user.created.v1', ${daysAgo(recordedDays)}, ${commandId}, 'c', 'test', NULL, '{}', NULL`,
      [TENANT, sequence, uuidv7()],
    );
  };
  const findings = async (): Promise<string[]> =>
    (await verifyStore(owner, 'identity')).findings.map(({ rule }) => rule);
  const retain = async (keepDays: number): Promise<void> => {
    const pool = new pg.Pool({ connectionString: url });
    const retention = new OutcomeRetention(pool, 'identity', { keepDays, logger: listener() });
    retention.start();
    await retention.stop();
    await pool.end();
  };

  beforeAll(async () => {
    url = await newDatabase();
    owner = new pg.Client({ connectionString: url });
    await owner.connect();
  }, 60_000);

  afterAll(() => owner?.end());

  it('finds an event without an outcome, however old, as long as none has been deleted', async () => {
    await event(idAt(daysAgo(OLD), '1'), OLD);
    expect(await findings()).toEqual(['outcome']);
  });

  it('finds none where the outcome was deleted for its age, also when outcomes are kept longer afterwards', async () => {
    await retain(8);
    expect(await findings()).toEqual([]);
    await retain(30);
    expect(await findings()).toEqual([]);
  });

  it('finds an event without an outcome that nobody was to delete: it is young, or its command is', async () => {
    await event(idAt(daysAgo(YOUNG), '2'), YOUNG);
    expect(await findings()).toEqual(['outcome']);
    await event(idAt(daysAgo(YOUNG), '3'), OLD);
    expect(await findings()).toEqual(['outcome', 'outcome']);
    await event(idAt(daysAgo(OLD), '4'), YOUNG);
    expect(await findings()).toEqual(['outcome', 'outcome', 'outcome']);
  });

  it('finds an event behind a rejection, however old', async () => {
    const before = await findings();
    await event(idAt(daysAgo(OLD), '5'), OLD);
    await owner.query(
      `INSERT INTO identity.outcomes SELECT command_id, tenant, '{"status": "rejected"}', now() FROM identity.events WHERE sequence = $1`,
      [sequence],
    );
    expect(await findings()).toHaveLength(before.length + 1);
  });
});
