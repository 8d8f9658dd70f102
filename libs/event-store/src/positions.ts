import type { Pool, PoolClient } from 'pg';
import { schemaOf, type Owner } from '#contracts';

/** How far a consumer has read a partition, and since which rebuild of its rows. */
export interface StoredPosition {
  readonly epoch: string;
  readonly nextOffset: number;
  readonly generation: number;
}

/** The consumer group of an owner. */
export const consumerGroupOf = (owner: Owner): string => `muster.${owner}`;

/** The position of an owner in a partition. Throws where there is none, and the error of the driver. */
export const readPosition = async (
  database: Pool | PoolClient,
  owner: Owner,
  topic: string,
  partition: number,
): Promise<StoredPosition> => {
  const { rows } = await database.query<{ epoch: string; next_offset: string; generation: number }>(
    `SELECT epoch, next_offset, generation FROM ${schemaOf(owner)}.positions WHERE consumer_group = $1 AND topic = $2 AND partition = $3`,
    [consumerGroupOf(owner), topic, partition],
  );
  const [row] = rows;
  if (!row) throw new Error(`No position row of ${owner} for ${topic}/${partition}: the database is not migrated.`);
  return { epoch: row.epoch, nextOffset: Number(row.next_offset), generation: row.generation };
};
