import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Names that only look different are one (uniqueKey of libs/scim); and a token says of which kind its directory is.
 * Only JavaScript can make such a key: the rows whose names may have another one than their folded name are marked, and
 * their owner fills them before it serves (fold-users.job.ts of identity, fold-group-names.job.ts of group).
 */
export class LookAlikes1764680000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      -- NULL where the key is the folded text, as it is for nearly everybody.
      ALTER TABLE identity.users ADD COLUMN name_key text COLLATE "C", ADD COLUMN work_email_key text COLLATE "C";
      ALTER TABLE identity.users RENAME COLUMN former_upn_folded TO former_upn_key;
      CREATE INDEX users_by_work_email_key ON identity.users (work_email_key, tenant) WHERE work_email_key IS NOT NULL;
      UPDATE identity.users SET folded = NULL
        WHERE user_name_folded ~ '[^!-~]' OR work_email_folded ~ '[^!-~]' OR former_upn_key ~ '[^!-~]' OR links->>'nameBefore' ~ '[^!-~]';

      -- Besides, '' where it has not been made yet.
      ALTER TABLE "group".groups ADD COLUMN name_key text COLLATE "C";
      UPDATE "group".groups SET name_key = '' WHERE display_name_folded ~ '[^ -~]|^ |  | $';
      CREATE INDEX groups_without_name_key ON "group".groups (tenant, id) WHERE name_key = '';

      CREATE VIEW directory.tokens_v4 AS
        SELECT t.id, t.tenant, t.directory, t.hash, t.status, t.expires_at, d.kind, d.offer_existing_users, d.offer_local_groups
        FROM directory.tokens t JOIN directory.directories d ON d.id = t.directory;
      GRANT SELECT ON directory.tokens_v4 TO muster_gateway;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
