import DataLoader from 'dataloader';
import type { Pool } from 'pg';
import { Rejected } from '#scim';

/** A look-up that finds at most one resource, of one tenant and for one directory. */
export interface LookUp {
  /** The name of the statement, which is prepared. */
  readonly name: string;
  readonly tenant: string;
  readonly directory: string;
  /** SQL of `$1`, the tenant, `$2`, the directory, and the SQL of a text, the value. */
  readonly text: (value: string) => string;
  readonly value: string;
}

/** A resource may have a megabyte, so few go into one statement. */
const MAX_TOGETHER = 32;
/**
 * So many statements for one tenant and directory are under way. More would take connections from others, and find no
 * more in the same time.
 */
const MAX_STATEMENTS = 2;
/** Look-ups of one tenant and directory that wait for these. */
const MAX_WAITING = 1_000;

/** Look-ups that are alike. */
interface Alike {
  /** Statements under way. */
  running: number;
  /** Batches that wait for one of these to end. */
  readonly waiting: (() => void)[];
  /** Look-ups that have no answer yet. */
  open: number;
  /** The look-ups of this turn of the event loop. */
  loader: DataLoader<string, unknown> | null;
}

/**
 * Look-ups that are alike and come in one turn of the event loop go out as one statement: clients whose writes were
 * committed in one batch are answered together, and then ask together. The first look-up does not wait for others,
 * which need not come, and none waits for, or fails with, those of another directory.
 */
export class LookUps<Row extends object> {
  private readonly alike = new Map<string, Alike>();

  constructor(private readonly pool: Pool) {}

  /** Throws Rejected(tooManyRequests) when too many of one directory wait. */
  async load({ value, ...lookUp }: LookUp): Promise<Row | null> {
    const key = [lookUp.name, lookUp.tenant, lookUp.directory].join();
    const alike = this.alike.get(key) ?? { running: 0, waiting: [], open: 0, loader: null };
    if (alike.open >= MAX_WAITING)
      throw new Rejected(
        'tooManyRequests',
        `${MAX_WAITING} look-ups of this directory are waiting already. Send this one again later.`,
      );
    this.alike.set(key, alike);
    alike.open++;
    try {
      return await this.begin(alike, lookUp, value);
    } finally {
      if (--alike.open === 0) this.alike.delete(key);
    }
  }

  private async begin(alike: Alike, lookUp: Omit<LookUp, 'value'>, value: string): Promise<Row | null> {
    if (alike.running === 0 && !alike.loader) return (await this.askNow(alike, lookUp, [value]))[0] ?? null;
    alike.loader ??= new DataLoader<string, unknown>(
      (values) => {
        alike.loader = null;
        return this.askNow(alike, lookUp, values);
      },
      {
        cache: false,
        maxBatchSize: MAX_TOGETHER,
        batchScheduleFn: (begin) =>
          void setImmediate(() => (alike.running < MAX_STATEMENTS ? begin() : alike.waiting.push(begin))),
      },
    );
    return alike.loader.load(value) as Promise<Row | null>;
  }

  private async askNow(
    alike: Alike,
    lookUp: Omit<LookUp, 'value'>,
    values: readonly string[],
  ): Promise<(Row | null)[]> {
    alike.running++;
    try {
      return await this.ask(lookUp, values);
    } finally {
      alike.running--;
      alike.waiting.shift()?.();
    }
  }

  private async ask(
    { name, text, tenant, directory }: Omit<LookUp, 'value'>,
    values: readonly string[],
  ): Promise<(Row | null)[]> {
    if (values.length === 1) {
      const { rows } = await this.pool.query<Row>({
        name,
        text: `${text('$3::text')} LIMIT 1`,
        values: [tenant, directory, ...values],
      });
      return [rows[0] ?? null];
    }
    const { rows } = await this.pool.query<Row & { readonly asked: number }>({
      name: `${name}-each`,
      // unnest is avoided: the planner knows how many values an array has, and would plan anew each time.
      text: `SELECT asked.number::int AS asked, found.* FROM json_array_elements_text($3) WITH ORDINALITY AS asked(value, number)
        CROSS JOIN LATERAL (${text('asked.value')} LIMIT 1) AS found`,
      values: [tenant, directory, JSON.stringify(values)],
    });
    const found = new Map(rows.map(({ asked, ...row }) => [asked, row as unknown as Row]));
    return values.map((_, index) => found.get(index + 1) ?? null);
  }
}
