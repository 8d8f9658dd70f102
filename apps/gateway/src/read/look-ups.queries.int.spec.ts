import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { newDatabase } from '../../../../test/support/postgres.js';
import { LookUps, type LookUp } from './look-ups.queries.js';

const TENANTS = ['01980000-0000-7000-8000-00000000000a', '01980000-0000-7000-8000-00000000000b'];
const numberOf = (value: string): string =>
  `SELECT $1::uuid AS tenant, $2::uuid AS directory, ${value}::int AS number WHERE ${value} <> '-1'`;

let pool: pg.Pool;
const asked: unknown[][] = [];

beforeAll(async () => {
  pool = new pg.Pool({ connectionString: await newDatabase() });
}, 60_000);
beforeEach(() => void asked.splice(0));
afterAll(() => pool?.end());

const newLookUps = (): LookUps<object> =>
  new LookUps({
    query: (config: pg.QueryConfig) => (
      asked.push(
        config.name!.endsWith('-each')
          ? (JSON.parse(config.values![2] as string) as unknown[])
          : config.values!.slice(2),
      ),
      pool.query(config)
    ),
  } as unknown as pg.Pool);
const lookUp = (value: string, tenant = TENANTS[0]!, directory = tenant, name = 'number'): LookUp => ({
  name,
  text: numberOf,
  tenant,
  directory,
  value,
});
const found = (number: number, tenant = TENANTS[0], directory = tenant): object => ({ tenant, directory, number });

it('asks for the first at once and for the others of its turn together, and gives each who asked the answer to it', async () => {
  const lookUps = newLookUps();
  const turn = await Promise.all([
    lookUps.load(lookUp('3')),
    lookUps.load(lookUp('-1')),
    lookUps.load(lookUp('1')),
    lookUps.load(lookUp('3')),
  ]);
  expect(turn).toEqual([found(3), null, found(1), found(3)]);
  expect(await lookUps.load(lookUp('2'))).toEqual(found(2));
  expect(asked).toEqual([['3'], ['-1', '1', '3'], ['2']]);
});

it('asks for each tenant, directory and statement by itself', async () => {
  const lookUps = newLookUps();
  const [a, b] = TENANTS as [string, string];
  const turn = await Promise.all([
    lookUps.load(lookUp('1', a)),
    lookUps.load(lookUp('2', b)),
    lookUps.load(lookUp('3', a, b)),
    lookUps.load(lookUp('4', a, a, 'other')),
    lookUps.load(lookUp('5', b)),
  ]);
  expect(turn).toEqual([found(1, a), found(2, b), found(3, a, b), found(4, a), found(5, b)]);
  expect(asked).toEqual([['1'], ['2'], ['3'], ['4'], ['5']]);
});

it('lets nobody wait for those of another directory', async () => {
  const lookUps = newLookUps();
  const [a, b] = TENANTS as [string, string];
  const owner = await pool.connect();
  try {
    await owner.query('SELECT pg_advisory_lock(4712)');
    const slow = lookUps.load({
      ...lookUp('1', a),
      name: 'slow',
      text: (value) => `${numberOf(value)} AND pg_advisory_xact_lock(4712) IS NOT NULL`,
    });
    expect(await lookUps.load(lookUp('2', b))).toEqual(found(2, b));
    await owner.query('SELECT pg_advisory_unlock(4712)');
    expect(await slow).toEqual(found(1, a));
  } finally {
    owner.release();
  }
});

it('fails for those whose statement failed', async () => {
  const lookUps = newLookUps();
  const [a, b] = TENANTS as [string, string];
  const turn = await Promise.allSettled([
    lookUps.load(lookUp('3', a)),
    lookUps.load(lookUp('no number', a)),
    lookUps.load(lookUp('1', a)),
    lookUps.load(lookUp('2', b)),
  ]);
  expect(turn).toMatchObject([
    { status: 'fulfilled', value: found(3, a) },
    { status: 'rejected', reason: { code: '22P02' } },
    { status: 'rejected', reason: { code: '22P02' } },
    { status: 'fulfilled', value: found(2, b) },
  ]);
  expect(await lookUps.load(lookUp('4', a))).toEqual(found(4, a));
  await expect(lookUps.load(lookUp('no number', a))).rejects.toMatchObject({ code: '22P02' });
  expect(await lookUps.load(lookUp('5', a))).toEqual(found(5, a));
});

it('asks for many in pieces', async () => {
  const lookUps = newLookUps();
  const numbers = Array.from({ length: 70 }, (_, number) => number);
  expect(await Promise.all(numbers.map((number) => lookUps.load(lookUp(String(number)))))).toEqual(
    numbers.map((number) => found(number)),
  );
  expect(asked.map((values) => values.length)).toEqual([1, 32, 32, 5]);
});

it('has two statements under way for one directory and no more, in which those that waited go together', async () => {
  const lookUps = newLookUps();
  const numbers = Array.from({ length: 100 }, (_, number) => number);
  const owner = await pool.connect();
  try {
    await owner.query('SELECT pg_advisory_lock(4713)');
    const text = (value: string): string => `${numberOf(value)} AND pg_advisory_xact_lock_shared(4713) IS NOT NULL`;
    const slow = numbers.map((number) => lookUps.load({ ...lookUp(String(number)), name: 'waits', text }));
    await vi.waitFor(
      async () => {
        const { rows } = await owner.query(
          `SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        );
        expect(rows).toHaveLength(2);
      },
      { timeout: 10_000 },
    );
    expect(await lookUps.load(lookUp('1', TENANTS[1]))).toEqual(found(1, TENANTS[1]));
    expect(asked.map((values) => values.length)).toEqual([1, 32, 1]);
    await owner.query('SELECT pg_advisory_unlock(4713)');
    expect(await Promise.all(slow)).toEqual(numbers.map((number) => found(number)));
    expect(asked.map((values) => values.length)).toEqual([1, 32, 1, 32, 32, 3]);
  } finally {
    owner.release();
  }
});

it('takes a thousand that wait for one directory, and tells the next one to come later', async () => {
  const lookUps = newLookUps();
  const all = Array.from({ length: 1_001 }, (_, number) =>
    lookUps.load(lookUp(String(number))).then(
      () => 200,
      ({ code }: { code: string }) => code,
    ),
  );
  expect(await Promise.all([...all, lookUps.load(lookUp('1', TENANTS[1])).then(() => 200)])).toEqual([
    ...Array<number>(1_000).fill(200),
    'tooManyRequests',
    200,
  ]);
});
