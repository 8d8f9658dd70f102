import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A lane decides while the log is still appending its commands; whether it holds them is said by the statement that
 * writes.
 */
export class ExpectHeld1764650000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP FUNCTION log.holds(text, int, bigint, uuid);
      -- Whether the log still holds this message at this place: appended rows may be lost with a crash and their offsets used again, because the
      -- append does not wait for the disk. Of the days, each a table of its own, today is looked at first: all of them take three times as long.
      CREATE FUNCTION log.expect_held(wanted_topic text, wanted_partition int, wanted_offset bigint, wanted_id uuid) RETURNS boolean
      LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = log, pg_temp AS $$
      BEGIN
        IF NOT EXISTS (SELECT FROM log.messages m WHERE m.topic = wanted_topic AND m.partition = wanted_partition
             AND m."offset" = wanted_offset AND m.id = wanted_id AND m.day = (now() AT TIME ZONE 'utc')::date)
           AND NOT EXISTS (SELECT FROM log.messages m WHERE m.topic = wanted_topic AND m.partition = wanted_partition
             AND m."offset" = wanted_offset AND m.id = wanted_id) THEN
          RAISE EXCEPTION '%/% no longer holds offset %', wanted_topic, wanted_partition, wanted_offset USING ERRCODE = 'MU002';
        END IF;
        RETURN true;
      END $$;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
