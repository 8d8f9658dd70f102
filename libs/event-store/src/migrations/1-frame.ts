import type { MigrationInterface, QueryRunner } from 'typeorm';
import { PARTITIONS, schemaOf, type Owner } from '#contracts';

/** The tables that every owner has: events, outcomes, positions. */
export const ownerTables = (owner: Owner): string => `
  CREATE TABLE ${schemaOf(owner)}.events (
    tenant uuid NOT NULL, sequence bigint NOT NULL, stream uuid NOT NULL, version int NOT NULL, type text NOT NULL,
    recorded_at timestamptz NOT NULL, command_id uuid NOT NULL, correlation_id text NOT NULL, actor text NOT NULL,
    directory uuid, data json NOT NULL, personal text,
    PRIMARY KEY (tenant, sequence),
    UNIQUE (stream, version)
  );
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${schemaOf(owner)}.events
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

  CREATE TABLE ${schemaOf(owner)}.outcomes (
    command_id uuid PRIMARY KEY, tenant uuid NOT NULL, outcome json NOT NULL, recorded_at timestamptz NOT NULL
  );
  CREATE VIEW ${schemaOf(owner)}.outcomes_v1 AS SELECT command_id, tenant, outcome FROM ${schemaOf(owner)}.outcomes;

  CREATE TABLE ${schemaOf(owner)}.positions (
    consumer_group text NOT NULL, topic text NOT NULL, partition int NOT NULL,
    epoch text NOT NULL, next_offset bigint NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
  ) WITH (fillfactor = 50);
  INSERT INTO ${schemaOf(owner)}.positions
    SELECT 'muster.${owner}', '${owner}.commands', partition, '', 0 FROM generate_series(0, ${PARTITIONS - 1}) AS partition;

  CREATE TABLE ${schemaOf(owner)}.relays (
    topic text NOT NULL, partition int NOT NULL, epoch text NOT NULL, next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
  ) WITH (fillfactor = 50);

  GRANT USAGE ON SCHEMA ${schemaOf(owner)} TO muster_${owner}, muster_gateway, muster_admin_api;
  GRANT SELECT, INSERT ON ${schemaOf(owner)}.events, ${schemaOf(owner)}.outcomes TO muster_${owner};
  GRANT SELECT, UPDATE ON ${schemaOf(owner)}.positions TO muster_${owner};
  GRANT SELECT, INSERT, UPDATE ON ${schemaOf(owner)}.relays TO muster_${owner};
  GRANT SELECT ON ${schemaOf(owner)}.outcomes_v1 TO ${owner === 'directory' ? '' : 'muster_gateway, '}muster_admin_api;`;

/**
 * The whole frame: roles are made by migrate.ts before it; here the schemas, the log, the stores and the projections.
 */
export class Frame1764000000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE SCHEMA log;
      CREATE SCHEMA identity;
      CREATE SCHEMA directory;
      CREATE SCHEMA keys;
      GRANT USAGE ON SCHEMA log TO muster_gateway, muster_identity, muster_directory, muster_log;

      CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'Events are append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME;
      END $$;

      -- Raises unless a part of the write statement wrote the number of rows that it should have: the whole statement is
      -- then undone. MU001 = somebody else has moved on (the fence); everything in memory is dropped and loaded again.
      CREATE FUNCTION log.expect(part text, actual bigint, expected bigint) RETURNS boolean LANGUAGE plpgsql AS $$
      BEGIN
        IF actual IS DISTINCT FROM expected THEN
          RAISE EXCEPTION 'write statement: % wrote % rows instead of %', part, actual, expected USING ERRCODE = 'MU001';
        END IF;
        RETURN true;
      END $$;

      -- Daily partitions, so that dropping what is older than the retention costs nothing.
      CREATE TABLE log.messages (
        topic text NOT NULL, partition int NOT NULL, "offset" bigint NOT NULL, id uuid NOT NULL, message json NOT NULL,
        day date NOT NULL DEFAULT (now() AT TIME ZONE 'utc')::date,
        PRIMARY KEY (topic, partition, "offset", day)
      ) PARTITION BY RANGE (day);
      CREATE TABLE log.messages_default PARTITION OF log.messages DEFAULT;

      CREATE FUNCTION log.roll(keep_days int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = log, pg_temp AS $$
      DECLARE
        today date := (now() AT TIME ZONE 'utc')::date;
        name text;
      BEGIN
        FOR ahead IN 0..7 LOOP
          name := 'messages_' || to_char(today + ahead, 'YYYYMMDD');
          IF to_regclass('log.' || name) IS NULL
             AND NOT EXISTS (SELECT FROM log.messages_default WHERE day = today + ahead) THEN
            EXECUTE format('CREATE TABLE log.%I PARTITION OF log.messages FOR VALUES FROM (%L) TO (%L)',
              name, today + ahead, today + ahead + 1);
          END IF;
        END LOOP;
        FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'log'::regnamespace AND relkind = 'r'
            AND relname ~ '^messages_[0-9]{8}$' AND relname < 'messages_' || to_char(today - keep_days, 'YYYYMMDD') LOOP
          EXECUTE format('DROP TABLE log.%I', name);
        END LOOP;
        DELETE FROM log.messages_default WHERE day < today - keep_days;
      END $$;

      -- Which service may append to which topic: an owner to its own, the log's own role to all (it carries the gateway's).
      CREATE FUNCTION log.may_use(topic text) RETURNS boolean LANGUAGE sql STABLE AS $$
        SELECT session_user = 'muster_log' OR NOT session_user LIKE 'muster\\_%'
          OR starts_with(topic, substr(session_user, 8) || '.')
      $$;

      -- The messages as one JSON array, of which json_array_elements takes the elements as they are written: it does not unescape them, so that a
      -- message which Postgres would refuse as text still reaches its consumer, which sets it aside.
      CREATE FUNCTION log.append(topics text[], partitions int[], offsets bigint[], ids uuid[], messages json) RETURNS bigint
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = log, pg_temp AS $$
      DECLARE
        refused text;
        appended bigint;
      BEGIN
        SELECT min(t.topic) INTO refused FROM unnest(topics) AS t(topic) WHERE NOT log.may_use(t.topic);
        IF refused IS NOT NULL THEN
          RAISE insufficient_privilege USING MESSAGE = format('%s may not write topic %s', session_user, refused);
        END IF;
        INSERT INTO log.messages (topic, partition, "offset", id, message)
          SELECT * FROM ROWS FROM (unnest(topics), unnest(partitions), unnest(offsets), unnest(ids), json_array_elements(messages));
        GET DIAGNOSTICS appended = ROW_COUNT;
        RETURN appended;
      END $$;

      CREATE FUNCTION log.read(wanted_topic text, wanted_partition int, from_offset bigint, max_rows int)
      RETURNS TABLE ("offset" bigint, message json) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = log, pg_temp AS $$
        SELECT m."offset", m.message FROM log.messages m
        WHERE m.topic = wanted_topic AND m.partition = wanted_partition AND m."offset" >= from_offset
          AND log.may_use(wanted_topic)
        ORDER BY m."offset" LIMIT max_rows
      $$;

      -- The next offset of each partition that has any row.
      CREATE FUNCTION log.ends(wanted_topics text[]) RETURNS TABLE (topic text, partition int, next_offset bigint)
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = log, pg_temp AS $$
        SELECT t.topic, p.partition, e.next_offset FROM unnest(wanted_topics) AS t(topic)
        CROSS JOIN generate_series(0, ${PARTITIONS - 1}) AS p(partition)
        CROSS JOIN LATERAL (
          SELECT m."offset" + 1 AS next_offset FROM log.messages m
          WHERE m.topic = t.topic AND m.partition = p.partition ORDER BY m."offset" DESC LIMIT 1
        ) AS e
      $$;

      SELECT log.roll(7);

      ${ownerTables('identity')}
      ${ownerTables('directory')}

      CREATE TABLE keys.tenants (tenant uuid PRIMARY KEY, wrapped text NOT NULL);
      CREATE TABLE keys.persons (tenant uuid NOT NULL, person uuid NOT NULL, wrapped text NOT NULL, PRIMARY KEY (tenant, person));
      GRANT USAGE ON SCHEMA keys TO muster_identity;
      GRANT SELECT, INSERT, DELETE ON keys.tenants, keys.persons TO muster_identity;

      CREATE TABLE identity.users (
        tenant uuid NOT NULL, id uuid NOT NULL, directory uuid, version int NOT NULL,
        created timestamptz NOT NULL, last_modified timestamptz NOT NULL, resource jsonb NOT NULL,
        user_name_folded text COLLATE "C" NOT NULL,
        external_id text COLLATE "C",
        work_email_folded text COLLATE "C",
        -- Further work e-mails, which next to nobody has: a GIN index over all would cost every write.
        other_work_emails_folded text[] COLLATE "C",
        PRIMARY KEY (tenant, id)
      ) WITH (fillfactor = 85);
      -- No index of a directory alone: without statistics the planner takes it for as good as these, and reads the whole directory.
      CREATE INDEX users_by_user_name ON identity.users (tenant, directory, user_name_folded);
      CREATE INDEX users_by_external_id ON identity.users (tenant, directory, external_id) WHERE external_id IS NOT NULL;
      CREATE INDEX users_by_work_email ON identity.users (tenant, directory, work_email_folded) WHERE work_email_folded IS NOT NULL;
      CREATE INDEX users_by_other_work_email ON identity.users USING gin (other_work_emails_folded)
        WHERE other_work_emails_folded IS NOT NULL;
      CREATE VIEW identity.users_v1 AS
        SELECT tenant, id, directory, version, created, last_modified, resource, user_name_folded, external_id,
               work_email_folded, other_work_emails_folded FROM identity.users;

      -- Unique names and who holds them; a freed name keeps its row with holder NULL, because one statement may not delete
      -- and insert the same key.
      CREATE TABLE identity.claims (
        tenant uuid NOT NULL, kind text NOT NULL, value text COLLATE "C" NOT NULL, holder uuid,
        PRIMARY KEY (tenant, kind, value)
      ) WITH (fillfactor = 85);
      GRANT SELECT, INSERT, UPDATE, DELETE ON identity.users TO muster_identity;
      GRANT SELECT, INSERT, UPDATE ON identity.claims TO muster_identity;
      GRANT SELECT ON identity.users_v1 TO muster_gateway;

      CREATE TABLE directory.tenants (id uuid PRIMARY KEY, version int NOT NULL, created timestamptz NOT NULL, name text NOT NULL);
      CREATE TABLE directory.directories (
        id uuid PRIMARY KEY, tenant uuid NOT NULL, version int NOT NULL, created timestamptz NOT NULL,
        name text NOT NULL, kind text NOT NULL
      );
      CREATE INDEX directories_by_tenant ON directory.directories (tenant, id);
      CREATE TABLE directory.tokens (
        id uuid PRIMARY KEY, tenant uuid NOT NULL, directory uuid NOT NULL, version int NOT NULL, created timestamptz NOT NULL,
        description text NOT NULL, hash text NOT NULL UNIQUE, sealed text NOT NULL, status text NOT NULL, expires_at timestamptz
      );
      CREATE INDEX tokens_by_directory ON directory.tokens (tenant, directory, id);
      CREATE VIEW directory.directories_v1 AS SELECT id, tenant, version, name, kind FROM directory.directories;
      CREATE VIEW directory.tokens_v1 AS SELECT id, tenant, directory, hash, status, expires_at FROM directory.tokens;
      GRANT SELECT, INSERT, UPDATE ON directory.tenants, directory.directories, directory.tokens TO muster_directory;
      GRANT SELECT ON directory.tokens_v1, directory.directories_v1 TO muster_gateway;
      GRANT USAGE ON SCHEMA directory TO muster_identity;
      GRANT SELECT ON directory.directories_v1 TO muster_identity;
    `);
  }

  async down(): Promise<void> {
    throw new Error('The first migration is not taken back: that would drop every event.');
  }
}
