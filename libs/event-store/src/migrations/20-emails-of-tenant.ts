import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The work e-mails of a user besides the first one are found by tenant. An index of arrays takes no second column
 * without an extension, so that one tenant's users with the e-mails of another one had to be read, and left out,
 * whenever that one looked for somebody.
 */
export class EmailsOfTenant1764740000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE FUNCTION identity.of_tenant(tenant uuid, texts text[]) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT array_agg(tenant::text || '/' || t) FROM unnest(texts) AS t
      $$;
      REVOKE EXECUTE ON FUNCTION identity.of_tenant FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION identity.of_tenant TO muster_gateway, muster_identity;
      DROP INDEX identity.users_by_other_work_email;
      CREATE INDEX users_by_other_work_email ON identity.users USING gin (identity.of_tenant(tenant, other_work_emails_folded) COLLATE "C")
        WHERE other_work_emails_folded IS NOT NULL;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
