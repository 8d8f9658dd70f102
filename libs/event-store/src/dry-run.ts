import type { Pool, PoolClient } from 'pg';
import type { CommandData, DryDecision, Message } from '#contracts';
import type { Behaviour, Command } from './behaviour.js';
import { sizedLoad } from './sized-load.js';

/** As often a lane loads for one command. */
const MAX_LOADS = 5;
/** A command that loads more is not tried. */
const MAX_LOADED_BYTES = 16 * 1_048_576;

/**
 * Says what an owner would decide about a command, as its lane would: it loads, decides and throws all of it away. The
 * transaction is read-only, so that the database itself refuses any write. Throws for a command of an unknown type or
 * shape, and for one that would be set aside.
 */
export const dryRun = async <C>(
  pool: Pool,
  behaviour: Behaviour<C>,
  message: Message,
  now: Date,
): Promise<DryDecision> => {
  const { command } = message.data as CommandData<C>;
  if (!behaviour.commandTypes.has(message.type) || typeof command !== 'object' || command === null)
    throw new Error(`unknown command ${message.type}`);
  const { id, tenant, directory, correlationId } = message;
  const client = await pool.connect();
  try {
    await client.query('BEGIN READ ONLY');
    return await decided(client, behaviour, { id, tenant, directory, correlationId, command }, now);
  } finally {
    await client.query('ROLLBACK').then(
      () => client.release(),
      (error: Error) => client.release(error),
    );
  }
};

const decided = async <C>(
  client: PoolClient,
  behaviour: Behaviour<C>,
  command: Command<C>,
  now: Date,
): Promise<DryDecision> => {
  const wanted: unknown[] = [];
  for (let loads = 1; loads <= MAX_LOADS; loads++) {
    const touched = behaviour.touches([command], wanted, undefined);
    const work = behaviour.begin(await load(client, behaviour.loadSql(touched), touched), now, touched, undefined);
    const explanation = work.explain?.(command) ?? null;
    const decision = work.decide(command);
    if ((work.wanted ?? []).length > 0) {
      wanted.push(...work.wanted!);
      continue;
    }
    if (!('events' in decision)) return { outcome: decision, events: [], explanation };
    const events = decision.events.map(({ stream, version, event }) => ({ stream, version, event }));
    return { outcome: decision.outcome, events, explanation };
  }
  throw new Error(`not all that the decision depends on was found in ${MAX_LOADS} loads`);
};

const load = async (client: PoolClient, sql: string, touched: unknown): Promise<unknown> => {
  const { rows } = await client.query<{ bytes: number; loaded: unknown }>(
    sizedLoad({ loaded: sql.replaceAll('$json', '$1::json') }, '$2'),
    [JSON.stringify(touched), MAX_LOADED_BYTES],
  );
  const { bytes, loaded } = rows[0]!;
  if (bytes > MAX_LOADED_BYTES) throw new Error(`${bytes} bytes are to be loaded, which is too much for a dry run`);
  return loaded;
};
