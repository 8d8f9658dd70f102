import type { Pool } from 'pg';
import type { Outcome } from '#contracts';

/** Outcomes by command id, from a published view of outcomes. */
export const findOutcomes = async (
  pool: Pool,
  view: string,
  commandIds: readonly string[],
): Promise<ReadonlyMap<string, Outcome>> => {
  const { rows } = await pool.query<{ command_id: string; outcome: Outcome }>(
    `SELECT command_id, outcome FROM ${view} WHERE command_id = ANY ($1::uuid[])`,
    [commandIds],
  );
  return new Map(rows.map(({ command_id, outcome }) => [command_id, outcome]));
};

/** Tells whether the database answers. */
const databaseAnswers = (pool: Pool): Promise<boolean> =>
  pool.query('SELECT 1').then(
    () => true,
    () => false,
  );

/** The database among what a service needs to run; `stop` ends its connections. */
export const databasePart = (
  pool: Pool,
  stop: () => Promise<void> = async () => undefined,
): { readonly name: string; start(): Promise<void>; stop(): Promise<void>; unready(): Promise<string | null> } => ({
  name: 'database',
  stop,
  start: async () => undefined,
  unready: async () => ((await databaseAnswers(pool)) ? null : 'it does not answer'),
});
