import { expect, it } from 'vitest';
import { newDatabase } from '../../../test/support/postgres.js';
import { connectDatabase } from './database.js';

it('what the driver cannot read fails its query, and neither the process nor the pool', async () => {
  const pool = await connectDatabase(await newDatabase(), 'gateway', { poolConnections: 1, queryTimeoutMs: 60_000 });
  try {
    // One more than the longest text of V8.
    const tooLong = pool.query("SELECT repeat('x', 536870889)");
    await expect(tooLong).rejects.toMatchObject({ code: 'ERR_STRING_TOO_LONG' });
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    // A query that it cannot send fails as well, and the connection stays.
    const array = Array.from({ length: 600 }, () => 'x'.repeat(1_048_576));
    await expect(pool.query('SELECT cardinality($1::text[])', [array])).rejects.toThrow('Invalid string length');
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  } finally {
    await pool.end();
  }
}, 120_000);
