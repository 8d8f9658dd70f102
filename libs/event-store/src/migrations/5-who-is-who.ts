import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What matching looks up, sign-in identities, and the settings of directories. */
export class WhoIsWho1764500000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      -- The user name before a soft deletion; next to nobody has one.
      ALTER TABLE identity.users ADD COLUMN former_upn_folded text COLLATE "C", ADD COLUMN links jsonb;
      -- As upnOf of apps/identity/src/matching.ts says it.
      UPDATE identity.users SET former_upn_folded = substr(user_name_folded, 33)
        WHERE user_name_folded ~ '^[0-9a-f]{32}[^@]+@' AND resource->'active' = 'false';
      CREATE INDEX users_by_former_upn ON identity.users (former_upn_folded, tenant) WHERE former_upn_folded IS NOT NULL;

      ALTER TABLE directory.directories
        ADD COLUMN offer_existing_users boolean NOT NULL DEFAULT false, ADD COLUMN email_is_login_name boolean NOT NULL DEFAULT false;
      CREATE VIEW directory.directories_v2 AS
        SELECT id, tenant, version, name, kind, offer_existing_users, email_is_login_name FROM directory.directories;
      CREATE VIEW directory.tokens_v2 AS
        SELECT t.id, t.tenant, t.directory, t.hash, t.status, t.expires_at, d.offer_existing_users
        FROM directory.tokens t JOIN directory.directories d ON d.id = t.directory;
      GRANT SELECT ON directory.directories_v2 TO muster_gateway, muster_identity;
      GRANT SELECT ON directory.tokens_v2 TO muster_gateway;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
