import type { MigrationInterface, QueryRunner } from 'typeorm';
import { PARTITIONS } from '#contracts';
import { ownerTables } from './1-frame.js';
import { retentionTable } from './2-outcome-retention.js';

/** What group owns: groups and memberships. `group` is a reserved word, hence the quotes. */
export class Groups1764600000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE SCHEMA "group";
      GRANT USAGE ON SCHEMA log TO muster_group;
      ${ownerTables('group')}
      ${retentionTable('group')}
      INSERT INTO "group".positions
        SELECT 'muster.group', 'identity.events', partition, '', 0 FROM generate_series(0, ${PARTITIONS - 1}) AS partition;
      -- The last event of each tenant that was seen, by the service that it is of: they are dense, so that a gap shows.
      CREATE TABLE "group".consumed (
        tenant uuid NOT NULL, owner text NOT NULL, sequence bigint NOT NULL, PRIMARY KEY (tenant, owner)
      ) WITH (fillfactor = 50);

      -- directory NULL = a local group.
      CREATE TABLE "group".groups (
        tenant uuid NOT NULL, id uuid NOT NULL, directory uuid, version int NOT NULL,
        created timestamptz NOT NULL, last_modified timestamptz NOT NULL, resource jsonb NOT NULL,
        display_name_folded text COLLATE "C" NOT NULL, external_id text COLLATE "C", folded jsonb NOT NULL, member_count int NOT NULL,
        PRIMARY KEY (tenant, id)
      ) WITH (fillfactor = 70);
      CREATE INDEX groups_by_display_name ON "group".groups (display_name_folded, tenant);
      CREATE INDEX groups_by_external_id ON "group".groups (external_id, tenant) WHERE external_id IS NOT NULL;

      -- A row for each membership, so that one more costs the same however many there are. kind: U = a user, G = a group.
      CREATE TABLE "group".members (tenant uuid NOT NULL, group_id uuid NOT NULL, member uuid NOT NULL, kind "char" NOT NULL);
      -- Without statistics the planner takes the newest of indexes that look alike to it: none begins with the tenant, and the primary key,
      -- which could be mistaken for nothing, comes last (decision 3).
      CREATE INDEX members_by_member ON "group".members (member) INCLUDE (tenant, group_id, kind);
      ALTER TABLE "group".members ADD PRIMARY KEY (group_id, member, tenant);

      -- The memberships of a deleted group go with it, without being named one by one.
      CREATE FUNCTION "group".delete_members() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        DELETE FROM "group".members WHERE tenant = OLD.tenant AND group_id = OLD.id;
        RETURN NULL;
      END $$;
      CREATE TRIGGER members_go_too AFTER DELETE ON "group".groups FOR EACH ROW EXECUTE FUNCTION "group".delete_members();

      -- Unique names and who holds them, as in identity.claims.
      CREATE TABLE "group".claims (
        tenant uuid NOT NULL, kind text NOT NULL, value text COLLATE "C" NOT NULL, holder uuid,
        PRIMARY KEY (tenant, kind, value)
      ) WITH (fillfactor = 85);

      CREATE VIEW "group".groups_v1 AS
        SELECT tenant, id, directory, version, created, last_modified, resource, display_name_folded, external_id, folded, member_count
        FROM "group".groups;
      CREATE VIEW "group".members_v1 AS SELECT tenant, group_id, member, kind FROM "group".members;
      CREATE VIEW "group".events_v1 AS
        SELECT tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, data FROM "group".events;

      -- The groups that each of the members is in, directly or through other groups.
      CREATE FUNCTION "group".groups_of(of_tenant uuid, of_members uuid[])
      RETURNS TABLE (member uuid, id uuid, directory uuid, display text, display_folded text, direct boolean)
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = "group", pg_temp AS $$
        WITH RECURSIVE up AS (
          SELECT m.member, m.group_id, true AS direct FROM unnest(of_members) AS t(member)
          CROSS JOIN LATERAL (SELECT * FROM members WHERE tenant = of_tenant AND members.member = t.member OFFSET 0) m
          UNION
          SELECT up.member, m.group_id, false FROM up
          CROSS JOIN LATERAL (SELECT * FROM members WHERE tenant = of_tenant AND members.member = up.group_id OFFSET 0) m
        )
        SELECT f.member, g.id, g.directory, g.resource->>'displayName', g.display_name_folded, f.direct
        FROM (SELECT up.member, up.group_id, bool_or(up.direct) AS direct FROM up GROUP BY 1, 2) f
        CROSS JOIN LATERAL (SELECT * FROM groups WHERE tenant = of_tenant AND groups.id = f.group_id OFFSET 0) g
        ORDER BY f.member, g.id
      $$;

      -- The users who are in a group, directly or through other groups, and may act: archived ones are without effect.
      CREATE FUNCTION "group".effective_members(of_tenant uuid, of_group uuid, after_member uuid, max_rows int) RETURNS TABLE (member uuid)
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = "group", pg_temp AS $$
        WITH RECURSIVE down AS (
          SELECT of_group AS group_id
          UNION
          SELECT m.member FROM down
          CROSS JOIN LATERAL (SELECT * FROM members WHERE tenant = of_tenant AND group_id = down.group_id AND kind = 'G' OFFSET 0) m
        )
        SELECT DISTINCT m.member FROM down
        CROSS JOIN LATERAL (SELECT * FROM members WHERE tenant = of_tenant AND group_id = down.group_id AND kind = 'U' AND members.member > after_member OFFSET 0) m
        CROSS JOIN LATERAL (SELECT u.resource FROM identity.users u WHERE u.tenant = of_tenant AND u.id = m.member OFFSET 0) u
        WHERE u.resource->'active' IS DISTINCT FROM 'false'
        ORDER BY m.member LIMIT max_rows
      $$;

      GRANT SELECT, INSERT, UPDATE ON "group".consumed, "group".claims TO muster_group;
      GRANT SELECT, INSERT, UPDATE, DELETE ON "group".groups TO muster_group;
      GRANT SELECT, INSERT, DELETE ON "group".members TO muster_group;
      GRANT USAGE ON SCHEMA "group" TO muster_identity;
      GRANT SELECT ON "group".groups_v1, "group".members_v1 TO muster_gateway, muster_admin_api, muster_identity;
      GRANT SELECT ON "group".events_v1 TO muster_admin_api;
      GRANT USAGE ON SCHEMA identity, directory TO muster_group;
      GRANT SELECT ON identity.users_v2, identity.events_v1 TO muster_group;

      ALTER TABLE directory.directories ADD COLUMN offer_local_groups boolean NOT NULL DEFAULT false;
      CREATE VIEW directory.directories_v3 AS
        SELECT id, tenant, version, name, kind, offer_existing_users, email_is_login_name, offer_local_groups FROM directory.directories;
      CREATE VIEW directory.tokens_v3 AS
        SELECT t.id, t.tenant, t.directory, t.hash, t.status, t.expires_at, d.offer_existing_users, d.offer_local_groups
        FROM directory.tokens t JOIN directory.directories d ON d.id = t.directory;
      GRANT SELECT ON directory.directories_v3 TO muster_gateway, muster_identity, muster_group, muster_admin_api;
      GRANT SELECT ON directory.tokens_v3 TO muster_gateway;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: that would drop every event of groups.');
  }
}
