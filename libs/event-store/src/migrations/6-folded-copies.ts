import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What of a resource is compared without its case, in its folded form. Only JavaScript can make it, so that the rows
 * which are there already stay NULL until identity, before it serves, has filled them
 * (apps/identity/src/fold-users.job.ts). Until then a read of such a copy is refused as "starting" (57P03): no filter
 * gives a wrong answer.
 */
export class FoldedCopies1764510000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE identity.users ADD COLUMN folded jsonb;
      -- Empty as soon as all are filled: that nothing is left to do costs one look.
      CREATE INDEX users_not_folded ON identity.users (tenant, id) WHERE folded IS NULL;
      -- Stable and of a column, so that the planner neither runs it nor keeps the view from being merged into a query.
      CREATE FUNCTION identity.not_folded(id uuid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
      BEGIN
        RAISE EXCEPTION 'the folded copy of user % has not been made yet', id USING ERRCODE = '57P03';
      END $$;
      CREATE VIEW identity.users_v2 AS
        SELECT tenant, id, directory, version, created, last_modified, resource, user_name_folded, external_id,
               work_email_folded, other_work_emails_folded, coalesce(folded, identity.not_folded(id)) AS folded FROM identity.users;
      GRANT SELECT ON identity.users_v2 TO muster_gateway;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
