import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Postgres lets everybody call every function, and those of the log run with the rights of the owner: the role of the
 * gateway could empty it. From here on nobody may what is not granted; test/who-may-what.int.spec.ts lists who may
 * what.
 */
export class WhoMayWhat1764690000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
      REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA log, identity, "group", directory, keys FROM PUBLIC;
      REVOKE ALL ON SCHEMA public FROM PUBLIC;
      GRANT USAGE ON SCHEMA public TO muster_gateway, muster_admin_api, muster_identity, muster_directory, muster_group, muster_log;

      -- Within a function that runs as the owner, current_user is the owner: it may use all topics, and so may the log's own role, which carries
      -- what others send. A service may use its own topics, and any other user none. No subquery, so that Postgres can inline it.
      CREATE OR REPLACE FUNCTION log.may_use(topic text) RETURNS boolean LANGUAGE sql STABLE AS $$
        SELECT session_user = current_user OR CASE session_user
          WHEN 'muster_log' THEN true
          WHEN 'muster_identity' THEN starts_with(topic, 'identity.')
          WHEN 'muster_directory' THEN starts_with(topic, 'directory.')
          WHEN 'muster_group' THEN starts_with(topic, 'group.')
          ELSE false END
      $$;

      -- Each owner may roll the log, which holds what others have not read yet: nobody may forget more than the retention says.
      CREATE OR REPLACE FUNCTION log.roll(keep_days int) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = log, pg_temp AS $$
        INSERT INTO log.ended AS d SELECT e.topic, e.partition, e.next_offset FROM log.ends(ARRAY(
          WITH RECURSIVE topics AS (
            (SELECT m.topic FROM log.messages m ORDER BY m.topic LIMIT 1)
            UNION ALL
            SELECT (SELECT m.topic FROM log.messages m WHERE m.topic > t.topic ORDER BY m.topic LIMIT 1) FROM topics t WHERE t.topic IS NOT NULL
          )
          SELECT t.topic FROM topics t WHERE t.topic IS NOT NULL
        )) AS e
        ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset WHERE d.next_offset < excluded.next_offset;
        SELECT log.drop_old(greatest(keep_days, 7));
      $$;

      REVOKE USAGE ON SCHEMA log FROM muster_gateway;
      GRANT EXECUTE ON FUNCTION log.expect(text, bigint, bigint) TO muster_identity, muster_directory, muster_group;
      GRANT EXECUTE ON FUNCTION log.append(text[], int[], bigint[], uuid[], json), log.ends(text[]) TO muster_identity, muster_directory, muster_group;
      GRANT EXECUTE ON FUNCTION log.read(text, int, bigint, int), log.roll(int) TO muster_identity, muster_directory, muster_group, muster_log;
      -- A function that a view calls is called by whoever reads the view.
      GRANT EXECUTE ON FUNCTION identity.not_folded(uuid) TO muster_gateway, muster_group;
      GRANT EXECUTE ON FUNCTION "group".groups_of(uuid, uuid[]) TO muster_gateway;
      GRANT EXECUTE ON FUNCTION "group".effective_members(uuid, uuid, uuid, int) TO muster_admin_api;

      -- One row: something that the master key has sealed, so that a start with another key is refused before it seals anything.
      CREATE TABLE keys.master_check (one boolean PRIMARY KEY DEFAULT true CHECK (one), context text NOT NULL, sealed text NOT NULL);
      INSERT INTO keys.master_check (context, sealed)
        SELECT tenant || '|' || id || '|token', sealed FROM directory.tokens ORDER BY id DESC LIMIT 1;
      GRANT USAGE ON SCHEMA keys TO muster_admin_api;
      GRANT SELECT, INSERT ON keys.master_check TO muster_identity, muster_admin_api;

      -- Events are published without them from now on.
      UPDATE log.messages SET message = (message::jsonb #- '{data,event,hash}' #- '{data,event,sealed}')::json
        WHERE topic = 'directory.events' AND message->>'type' = 'muster.token.created.v1';
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
