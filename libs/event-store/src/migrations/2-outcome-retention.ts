import type { MigrationInterface, QueryRunner } from 'typeorm';
import { schemaOf, type Owner } from '#contracts';

export const retentionTable = (owner: Owner): string => `
  GRANT DELETE ON ${schemaOf(owner)}.outcomes TO muster_${owner};
  -- One row. Written before anything is deleted, so that verify can tell what was deleted from what is missing.
  CREATE TABLE ${schemaOf(owner)}.outcome_retention (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), deleted_before timestamptz NOT NULL
  );
  INSERT INTO ${schemaOf(owner)}.outcome_retention (deleted_before) VALUES ('epoch');
  GRANT SELECT, UPDATE ON ${schemaOf(owner)}.outcome_retention TO muster_${owner};`;

/** Outcomes are deleted when nobody can ask for them any more; until now they grew for ever. */
export class OutcomeRetention1764200000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query((['identity', 'directory'] as const).map(retentionTable).join('\n'));
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
