import DataLoader from 'dataloader';
import type { Pool } from 'pg';

/** A look-up of one resource at the most, of one tenant for one directory. */
export interface LookUp {
  /** Of the statement, which is prepared. */
  readonly name: string;
  readonly tenant: string;
  readonly directory: string;
  /** SQL of `$1`, the tenant, `$2`, the directory, and `asked.value`, a text. */
  readonly text: string;
  readonly value: string;
}

const MAX_TOGETHER = 100;

/**
 * Look-ups that are alike and come in one turn of the event loop go out as one statement: many clients are answered together, when a
 * batch of their writes has been committed, and then ask together. One alone costs what it cost before.
 */
export const lookUps = <Row>(pool: Pool): DataLoader<LookUp, Row | null> => {
  const askAll = async (alike: readonly LookUp[]): Promise<ReadonlyMap<LookUp, Row>> => {
    const { name, text, tenant, directory } = alike[0]!;
    const { rows } = await pool.query<Row & { readonly asked: number }>({
      name, text: `SELECT asked.number::int AS asked, found.* FROM unnest($3::text[]) WITH ORDINALITY AS asked(value, number) CROSS JOIN LATERAL (${text} LIMIT 1) AS found`,
      values: [tenant, directory, alike.map(({ value }) => value)],
    });
    return new Map(rows.map(({ asked, ...row }) => [alike[asked - 1]!, row as Row]));
  };
  return new DataLoader(async (all) => {
    const groups = Map.groupBy(all, ({ name, tenant, directory }) => [name, tenant, directory].join());
    // What fails for one directory is nothing to the others.
    const found = await Promise.allSettled([...groups.values()].map(askAll));
    const answers = new Map<LookUp, Row | Error>();
    for (const [at, alike] of [...groups.values()].entries()) {
      const result = found[at]!;
      for (const lookUp of alike) answers.set(lookUp, result.status === 'fulfilled' ? result.value.get(lookUp)! : (result.reason as Error));
    }
    return all.map((lookUp) => answers.get(lookUp) ?? null);
  }, { cache: false, maxBatchSize: MAX_TOGETHER, batchScheduleFn: (ask) => void setImmediate(ask) });
};
