import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Indexes of users that begin with what is looked up: none of them can stand in for another, whatever the planner knows
 * (decision 3).
 */
export class LookUps1764400000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP INDEX identity.users_by_user_name, identity.users_by_external_id, identity.users_by_work_email;
      CREATE INDEX users_by_user_name ON identity.users (user_name_folded, tenant);
      CREATE INDEX users_by_external_id ON identity.users (external_id, tenant) WHERE external_id IS NOT NULL;
      CREATE INDEX users_by_work_email ON identity.users (work_email_folded, tenant) WHERE work_email_folded IS NOT NULL;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
