import DataLoader from 'dataloader';
import type { Pool } from 'pg';

/** A look-up of one resource at the most, of one tenant for one directory. */
export interface LookUp {
  /** Of the statement, which is prepared. */
  readonly name: string;
  readonly tenant: string;
  readonly directory: string;
  /** SQL of `$1`, the tenant, `$2`, the directory, and the SQL of a text, the value. */
  readonly text: (value: string) => string;
  readonly value: string;
}

/** Resources may be of a megabyte each. */
const MAX_TOGETHER = 32;

/**
 * Look-ups that are alike and come in one turn of the event loop go out as one statement: many clients are answered together, when a
 * batch of their writes has been committed, and then ask together. The first of them does not wait for the others, who need not come, and
 * none waits for, or fails with, those of another directory.
 */
export class LookUps<Row extends object> {
  /** Those of this turn. */
  private readonly open = new Map<string, DataLoader<string, Row | null>>();
  /** Where one that did not wait for others is under way. */
  private readonly alone = new Set<string>();

  constructor(private readonly pool: Pool) {}

  load({ value, ...alike }: LookUp): Promise<Row | null> {
    const key = [alike.name, alike.tenant, alike.directory].join();
    const known = this.open.get(key);
    if (known) return known.load(value);
    if (!this.alone.has(key)) {
      this.alone.add(key);
      return this.ask(alike, [value]).then(([row]) => row ?? null).finally(() => this.alone.delete(key));
    }
    const ask = (values: readonly string[]): Promise<(Row | null)[]> => {
      this.open.delete(key);
      return this.ask(alike, values);
    };
    const made = new DataLoader(ask, { cache: false, maxBatchSize: MAX_TOGETHER, batchScheduleFn: (begin) => void setImmediate(begin) });
    this.open.set(key, made);
    return made.load(value);
  }

  private async ask({ name, text, tenant, directory }: Omit<LookUp, 'value'>, values: readonly string[]): Promise<(Row | null)[]> {
    if (values.length === 1) {
      const { rows } = await this.pool.query<Row>({ name, text: `${text('$3::text')} LIMIT 1`, values: [tenant, directory, ...values] });
      return [rows[0] ?? null];
    }
    const { rows } = await this.pool.query<Row & { readonly asked: number }>({
      name: `${name}-each`,
      // Not unnest: how many values an array has is known to the planner, which then plans anew each time.
      text: `SELECT asked.number::int AS asked, found.* FROM json_array_elements_text($3) WITH ORDINALITY AS asked(value, number)
        CROSS JOIN LATERAL (${text('asked.value')} LIMIT 1) AS found`,
      values: [tenant, directory, JSON.stringify(values)],
    });
    const found = new Map(rows.map(({ asked, ...row }) => [asked, row as unknown as Row]));
    return values.map((_, index) => found.get(index + 1) ?? null);
  }
}
