import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What happened to a user, for whoever administers it: everything but the sealed personal part. */
export class EventsView1764300000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE VIEW identity.events_v1 AS
        SELECT tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, data
        FROM identity.events;
      GRANT SELECT ON identity.events_v1 TO muster_admin_api;
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP VIEW identity.events_v1;');
  }
}
