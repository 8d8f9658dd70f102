import pg from 'pg';
import type { Installation } from '../bench/installation.js';
import { runProgram } from './program.js';

/** Rows of each table that are made wrong before a rebuild. */
const HARMED_ROWS = 200;
/** A column is made wrong that no client of the run looks at. Rows that a lane is writing are left alone. */
const HARM = ['identity.users', '"group".groups'].map(
  (table) => `
    UPDATE ${table} SET folded = '{"harmed": true}' WHERE (tenant, id) IN (
      SELECT tenant, id FROM ${table} ORDER BY random() LIMIT ${HARMED_ROWS} FOR UPDATE SKIP LOCKED)`,
);
const DONE = /, ([\d,]+) mended, /g;

/** Wrong rows, and `npm run rebuild -- --all` that mends them while clients write and processes are killed. */
export class Rebuilds {
  /** Those that came to their end, and the rows that all have mended. */
  done = 0;
  mended = 0;

  constructor(
    private readonly muster: Installation,
    private readonly violations: string[],
    private readonly dataDir: string,
    private readonly root?: string,
  ) {}

  /** Resolves when the rebuild has come to its end, which without its database it may do early. */
  async harmAndRebuild(mayBeInterrupted: boolean): Promise<void> {
    try {
      await this.harm();
    } catch (error) {
      if (!mayBeInterrupted) throw error;
    }
    const { exitCode, output } = await runProgram('rebuild', ['--all'], this.dataDir, this.root);
    for (const [, rows] of output.matchAll(DONE)) this.mended += Number(rows!.replaceAll(',', ''));
    if (exitCode === 0) this.done++;
    else if (!mayBeInterrupted) this.violations.push(`a rebuild ended with exit code ${exitCode}: ${output.trim()}`);
  }

  private async harm(): Promise<void> {
    const owner = new pg.Client({ connectionString: this.muster.databaseUrl });
    owner.on('error', () => undefined);
    await owner.connect();
    try {
      for (const sql of HARM) await owner.query(sql);
    } finally {
      await owner.end();
    }
  }
}
