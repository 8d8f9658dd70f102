import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Extension schemas that tenants define. */
export class Schemas1764630000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      -- json, not jsonb: clients are shown the attributes as they were written down.
      CREATE TABLE directory.schemas (
        id uuid PRIMARY KEY, tenant uuid NOT NULL, version int NOT NULL, created timestamptz NOT NULL,
        urn text NOT NULL, urn_folded text COLLATE "C" NOT NULL, resource_type text NOT NULL, schema json NOT NULL
      );
      CREATE UNIQUE INDEX schemas_by_urn ON directory.schemas (tenant, urn_folded);
      CREATE VIEW directory.schemas_v1 AS SELECT id, tenant, version, urn, resource_type, schema FROM directory.schemas;
      GRANT SELECT, INSERT, UPDATE ON directory.schemas TO muster_directory;
      GRANT SELECT ON directory.schemas_v1 TO muster_gateway, muster_admin_api, muster_identity, muster_group;

      CREATE VIEW directory.tenants_v1 AS SELECT id, version, name FROM directory.tenants;
      CREATE VIEW directory.listed_tokens_v1 AS SELECT id, tenant, directory, description, status, expires_at FROM directory.tokens;
      -- The admin API opens tokens, and can read none before an event says that it was to be seen.
      CREATE VIEW directory.revealed_tokens_v1 AS SELECT t.id, t.tenant, t.sealed FROM directory.tokens t
        WHERE EXISTS (SELECT FROM directory.events e WHERE e.stream = t.id AND e.type = 'muster.token.revealed.v1');
      GRANT SELECT ON directory.tenants_v1, directory.listed_tokens_v1, directory.revealed_tokens_v1 TO muster_admin_api;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
