import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A page of the log is bounded by its bytes: a thousand messages may be gigabytes, and whoever reads them has them in
 * memory.
 */
export class ReadSome1764660000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      -- One row at least, if there is one. It ends with the row that reaches max_bytes: only an empty page says that there is no more. log.read stays
      -- for programs of before.
      CREATE FUNCTION log.read_some(wanted_topic text, wanted_partition int, from_offset bigint, max_rows int, max_bytes bigint)
      RETURNS TABLE ("offset" bigint, message json, bytes int) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = log, pg_temp AS $$
      DECLARE
        total bigint := 0;
      BEGIN
        IF NOT log.may_use(wanted_topic) THEN
          RETURN;
        END IF;
        FOR "offset", message IN
          SELECT m."offset", m.message FROM log.messages m
          WHERE m.topic = wanted_topic AND m.partition = wanted_partition AND m."offset" >= from_offset ORDER BY m."offset" LIMIT max_rows
        LOOP
          bytes := octet_length(message::text);
          total := total + bytes;
          RETURN NEXT;
          EXIT WHEN total >= max_bytes;
        END LOOP;
      END $$;
      REVOKE EXECUTE ON FUNCTION log.read_some(text, int, bigint, int, bigint) FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION log.read_some(text, int, bigint, int, bigint) TO muster_identity, muster_directory, muster_group, muster_log;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
