import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Who sees a user lies in the primary key's index as well: the number of a directory's users, and any page of them, is
 * read from it alone (decision 6).
 */
export class IndexOnlyLists1764620000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE UNIQUE INDEX users_by_id ON identity.users (tenant, id) INCLUDE (directory);
      ALTER TABLE identity.users DROP CONSTRAINT users_pkey, ADD CONSTRAINT users_pkey PRIMARY KEY USING INDEX users_by_id;
      -- Without statistics the planner takes the newest of indexes that look alike to it: a look-up by name was a walk through the tenant.
      DROP INDEX identity.users_by_user_name;
      CREATE INDEX users_by_user_name ON identity.users (user_name_folded, tenant);
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
