import type { MigrationInterface, QueryRunner } from 'typeorm';
import { schemaOf } from '#contracts';

/** Lets a rebuild mend rows while their lane writes, without stopping it. */
export class Rebuild1764790000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    for (const schema of (['identity', 'directory', 'group'] as const).map(schemaOf)) {
      await queryRunner.query(`
        -- Raised by a rebuild that has mended rows: a lane that loaded rows before misses the fence, and loads again.
        ALTER TABLE ${schema}.positions ADD COLUMN generation int NOT NULL DEFAULT 0;
        -- How far the last rebuild came, if it has not come to its end.
        CREATE TABLE ${schema}.unfinished_rebuild (one boolean PRIMARY KEY DEFAULT true CHECK (one), progress json NOT NULL);
      `);
    }
  }

  async down(): Promise<void> {
    throw new Error('A migration is not taken back: the next one mends it.');
  }
}
