import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Extension schemas that tenants define. */
export class Schemas1764630000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      -- json, not jsonb: clients are shown the attributes as they were written down.
      CREATE TABLE admin.schemas (
        id uuid PRIMARY KEY, tenant uuid NOT NULL, version int NOT NULL, created timestamptz NOT NULL,
        urn text NOT NULL, urn_folded text COLLATE "C" NOT NULL, resource_type text NOT NULL, schema json NOT NULL
      );
      CREATE UNIQUE INDEX schemas_by_urn ON admin.schemas (tenant, urn_folded);
      CREATE VIEW admin.schemas_v1 AS SELECT id, tenant, version, urn, resource_type, schema FROM admin.schemas;
      GRANT SELECT, INSERT, UPDATE ON admin.schemas TO muster_admin;
      GRANT SELECT ON admin.schemas_v1 TO muster_gateway, muster_identity, muster_group;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
