import pg from 'pg';
import { expect, it } from 'vitest';
import { newDatabase } from '../../../test/support/postgres.js';
import { connectDatabase, roleUrl } from './database.js';

it('a connection that breaks while it is lent out, and nothing is asked, fails the next query and not the process', async () => {
  const url = await newDatabase();
  const pool = await connectDatabase(roleUrl(url, 'audit'), 'audit', { poolConnections: 2, queryTimeoutMs: 5_000 });
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  try {
    const lent = await pool.connect();
    await lent.query('BEGIN');
    const { rows } = await lent.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    // Without a listener the event `error`, which comes first, is thrown.
    const ended = new Promise<void>((resolve) => lent.once('end', resolve));
    await owner.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
    await ended;
    await expect(lent.query('COMMIT')).rejects.toThrow();
    lent.release(true);
    expect((await pool.query<{ one: number }>('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  } finally {
    await owner.end();
    await pool.end();
  }
}, 60_000);
