import type { MigrationInterface, QueryRunner } from 'typeorm';
import { PARTITIONS, schemaOf } from '#contracts';

/**
 * An offset is used once. Where a partition of the log ends was known by its last row only: when nothing had happened
 * in it for so long that all of it was dropped, a lane that was started again numbered from 0, and whoever had read
 * further waited for what never came.
 */
export class EndsOfTheLog1764640000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    const owners = (['identity', 'directory', 'group'] as const).map(schemaOf);
    await queryRunner.query(`
      CREATE TABLE log.ended (topic text NOT NULL, partition int NOT NULL, next_offset bigint NOT NULL, PRIMARY KEY (topic, partition));
      -- What has been forgotten, others still know: consumers of the Postgres log, and relays, which count its offsets whatever their epoch.
      INSERT INTO log.ended SELECT topic, partition, max(next_offset) FROM (
        ${owners
          .map(
            (owner) => `SELECT topic, partition, next_offset FROM ${owner}.positions WHERE epoch = 'postgres'
        UNION ALL SELECT topic, partition, next_offset FROM ${owner}.relays`,
          )
          .join('\n        UNION ALL ')}
      ) AS known GROUP BY topic, partition;

      CREATE OR REPLACE FUNCTION log.ends(wanted_topics text[]) RETURNS TABLE (topic text, partition int, next_offset bigint)
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = log, pg_temp AS $$
        SELECT t.topic, p.partition, greatest(e.next_offset, d.next_offset) FROM unnest(wanted_topics) AS t(topic)
        CROSS JOIN generate_series(0, ${PARTITIONS - 1}) AS p(partition)
        LEFT JOIN LATERAL (
          SELECT m."offset" + 1 AS next_offset FROM log.messages m
          WHERE m.topic = t.topic AND m.partition = p.partition ORDER BY m."offset" DESC LIMIT 1
        ) AS e ON true
        LEFT JOIN LATERAL (SELECT d.next_offset FROM log.ended d WHERE d.topic = t.topic AND d.partition = p.partition OFFSET 0) AS d ON true
        WHERE e.next_offset IS NOT NULL OR d.next_offset IS NOT NULL
      $$;

      ALTER FUNCTION log.roll(int) RENAME TO drop_old;
      CREATE FUNCTION log.roll(keep_days int) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = log, pg_temp AS $$
        INSERT INTO log.ended AS d SELECT e.topic, e.partition, e.next_offset FROM log.ends(ARRAY(
          WITH RECURSIVE topics AS (
            (SELECT m.topic FROM log.messages m ORDER BY m.topic LIMIT 1)
            UNION ALL
            SELECT (SELECT m.topic FROM log.messages m WHERE m.topic > t.topic ORDER BY m.topic LIMIT 1) FROM topics t WHERE t.topic IS NOT NULL
          )
          SELECT t.topic FROM topics t WHERE t.topic IS NOT NULL
        )) AS e
        ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset WHERE d.next_offset < excluded.next_offset;
        SELECT log.drop_old(keep_days);
      $$;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
