import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A command by which somebody leaves groups may be set aside as a dead letter: another one follows later, so that
 * nobody stays in a group for good.
 */
export class LeavingAgain1764780000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      -- How many commands have been set aside since the last one that was carried out, and when the next one is due.
      ALTER TABLE "group".leaving ADD COLUMN failed int NOT NULL DEFAULT 0, ADD COLUMN due timestamptz NOT NULL DEFAULT '-infinity';

      -- Those whose command was set aside before: a command that has its outcome is never carried out.
      UPDATE "group".leaving l SET next_command = uuidv7() FROM "group".outcomes o
        WHERE o.command_id = l.next_command AND o.outcome->>'status' = 'rejected';
      INSERT INTO "group".leaving (tenant, member, next_command, correlation_id)
        SELECT tenant, member, uuidv7(), uuidv7()::text FROM (
          SELECT DISTINCT m.tenant, m.member FROM "group".members m WHERE NOT CASE m.kind
            WHEN 'U' THEN EXISTS (SELECT FROM identity.users u WHERE u.tenant = m.tenant AND u.id = m.member)
            ELSE EXISTS (SELECT FROM "group".groups g WHERE g.tenant = m.tenant AND g.id = m.member) END
        ) AS gone ON CONFLICT DO NOTHING;
    `);
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
