import { isDeepStrictEqual } from 'node:util';
import type { ClientBase } from 'pg';
import { schemaOf, type Owner } from '#contracts';
import { inPages } from './in-pages.js';
import { eventPages, type StoredEvent } from './stored-events.js';

/** The rules that must hold: docs/operations.md says each of them in a sentence. */
type Rule = 'row' | 'version' | 'sequence' | 'outcome' | 'name' | 'member' | 'entry' | 'tree' | 'checkpoint';

/** One broken rule, in words that name the rows. */
export interface Finding {
  readonly rule: Rule;
  readonly detail: string;
}

/** The columns of one row, by their names. */
export type Row = Readonly<Record<string, unknown>>;

/** One aggregate. */
export interface StreamId {
  readonly tenant: string;
  readonly stream: string;
}

/** A table of a projection: each of its rows follows from the events of one stream. */
export interface FoldTable {
  /** With its schema, as SQL. */
  readonly name: string;
  /** In messages: `user`. */
  readonly noun: string;
  /** Column → its SQL type. */
  readonly columns: Readonly<Record<string, string>>;
  /** The columns of its primary key. */
  readonly key: readonly string[];
  /** The column with the tenant. */
  readonly tenant: string;
  /** The column with the id of the stream; with the tenant, or alone, it begins an index. */
  readonly stream: string;
  /** The columns that tell the rows of one stream apart; left out = a stream has one row at most. */
  readonly part?: readonly string[];
  /** The noun of what they are parts of. */
  readonly parent?: string;
  /** Other columns that are unique together. */
  readonly unique?: readonly (readonly string[])[];
  /** SQL of which rows `t` are compared; left out = all. */
  readonly condition?: string;
}

/**
 * The unique names of an owner, in a table of (tenant, kind, value) and their holder; NULL = free. A name has no index
 * by its holder: names that nobody bears are found by walking through all.
 */
export interface FoldClaims {
  /** With its schema, as SQL. */
  readonly name: string;
  /** SQL: whether the holder of a claim is there, and bears the name; `claim` is its alias. */
  isBorne(claim: string): string;
}

/** The rows that follow from one stream: name of a table → its rows. */
export type Rows = Readonly<Record<string, readonly Row[]>>;

/** Everything that some streams need for being folded. */
export interface Folding<State> {
  /** Returns the state after an event, which may be the same object; null = there is none. Throws Unfoldable. */
  evolve(state: State | null, event: StoredEvent): State | null;
  rowsOf(id: StreamId, state: State | null): Rows;
  /** The names that the aggregate bears, as kind and value. */
  claimsOf?(id: StreamId, state: State | null): readonly (readonly [kind: string, value: string])[];
}

/**
 * Makes the rows of an owner from its events. It is written once: verify compares the rows with it, and rebuild writes
 * them with it.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- each owner has a state of its own, which nobody else reads
export interface Fold<State = any> {
  readonly owner: Owner;
  /** The noun of an aggregate in messages: `user`. */
  readonly noun: string;
  readonly tables: readonly FoldTable[];
  readonly claims?: FoldClaims;
  /** Reads what the events of these streams are opened with, and what their rows depend on besides. */
  begin(client: ClientBase, streams: readonly StreamId[]): Promise<Folding<State>>;
  /** Is called once all rows are mended, for effects of theirs that the fold does not have. */
  settle?(client: ClientBase): Promise<void>;
}

/** The events of one stream, folded as far as they have been read. */
export interface Folded extends StreamId {
  version: number;
  state: unknown;
  folding: Folding<unknown>;
  /** The reason why it cannot be folded, so that its rows cannot be compared; null = it can. */
  fault: Finding | null;
}

/** A row that is not as the fold says it; null = there is none, or none is due. */
export interface Difference {
  readonly of: Folded;
  /** The version of the stream, when it was compared. */
  readonly version: number;
  readonly table: FoldTable;
  readonly key: string;
  readonly due: Row | null;
  readonly actual: Row | null;
}

/** The reason why a stream cannot be folded, in words for an administrator. */
export class Unfoldable extends Error {}

/** Rows that one statement reads. */
const MAX_ROWS = 10_000;

/**
 * The streams of an owner that come after a given one, in the order of their ids. Each step gives those that end in one
 * page of events.
 */
export async function* foldedStreams(
  client: ClientBase,
  fold: Fold,
  after?: string,
): AsyncGenerator<{ readonly streams: readonly Folded[]; readonly events: number }> {
  let open: Folded | undefined;
  for await (const page of eventPages(client, fold.owner, after)) {
    const ids = new Map(page.map(({ tenant, stream }) => [stream, { tenant, stream }]));
    const folding = await fold.begin(client, [...ids.values()]);
    const streams: Folded[] = [];
    for (const event of page) {
      if (open?.stream !== event.stream) {
        if (open) streams.push(open);
        open = { tenant: event.tenant, stream: event.stream, version: 0, state: null, folding, fault: null };
      }
      open.folding = folding;
      foldOn(fold, open, event);
    }
    yield { streams, events: page.length };
  }
  if (open) yield { streams: [open], events: 0 };
}

/** Folds events that have been written since. */
export const catchUp = async (client: ClientBase, fold: Fold, streams: readonly Folded[]): Promise<void> => {
  const { rows } = await client.query<StoredEvent>(
    `SELECT e.* FROM unnest($1::uuid[], $2::int[]) AS s(stream, version) CROSS JOIN LATERAL (
       SELECT tenant, stream, version, type, recorded_at, data, personal FROM ${schemaOf(fold.owner)}.events
       WHERE stream = s.stream AND version > s.version ORDER BY version OFFSET 0) e`,
    [streams.map(({ stream }) => stream), streams.map(({ version }) => version)],
  );
  const byId = new Map(streams.map((one) => [one.stream, one]));
  for (const event of rows) foldOn(fold, byId.get(event.stream)!, event);
};

const foldOn = ({ noun }: Fold, one: Folded, event: StoredEvent): void => {
  if (one.fault) return;
  const { stream } = one;
  if (event.version !== ++one.version) {
    one.fault = { rule: 'sequence', detail: `${noun} ${stream} has no version ${one.version}` };
    return;
  }
  try {
    one.state = one.folding.evolve(one.state, event);
  } catch (error) {
    const { message } = error as Error;
    const detail =
      error instanceof Unfoldable
        ? `${noun} ${stream} ${message}`
        : `the events of ${noun} ${stream} cannot be read: ${message}`;
    one.fault = { rule: 'row', detail };
  }
};

/** A row by its key. */
export const keyOf = ({ key }: FoldTable, row: Row): string => key.map((column) => String(row[column])).join(' ');

/** The table of the names that an owner's aggregates claim. */
export const claimsTable = ({ claims }: Fold): FoldTable | null =>
  claims
    ? {
        name: claims.name,
        noun: 'claim',
        columns: { tenant: 'uuid', kind: 'text', value: 'text', holder: 'uuid' },
        key: ['tenant', 'kind', 'value'],
        tenant: 'tenant',
        stream: 'holder',
      }
    : null;

/** The rows of a table that follow from streams, by their keys. */
export const dueRows = (
  fold: Fold,
  table: FoldTable,
  streams: readonly Folded[],
): Map<string, { readonly of: Folded; readonly row: Row }> => {
  const due = new Map<string, { readonly of: Folded; readonly row: Row }>();
  for (const of of streams) {
    const { folding, state, tenant, stream } = of;
    const rows: readonly Row[] =
      table.name === fold.claims?.name
        ? (folding.claimsOf?.(of, state) ?? []).map(([kind, value]) => ({ tenant, kind, value, holder: stream }))
        : (folding.rowsOf(of, state)[table.name] ?? []);
    for (const row of rows) due.set(keyOf(table, row), { of, row });
  }
  return due;
};

/** The differences between the rows of these streams and their fold; streams with a fault are left out. */
export const differences = async (client: ClientBase, fold: Fold, all: readonly Folded[]): Promise<Difference[]> => {
  const streams = all.filter(({ fault }) => !fault);
  const found: Difference[] = [];
  if (streams.length === 0) return found;
  const byId = new Map(streams.map((one) => [one.stream, one]));
  for (const table of fold.tables) {
    const due = dueRows(fold, table, streams);
    for await (const rows of rowsOfStreams(client, table, streams)) {
      for (const actual of rows) {
        const key = keyOf(table, actual);
        const expected = due.get(key);
        due.delete(key);
        const of = byId.get(String(actual[table.stream]))!;
        if (!expected || columnsThatDiffer(table, expected.row, actual).length > 0)
          found.push({ of, version: of.version, table, key, due: expected?.row ?? null, actual });
      }
    }
    for (const [key, { of, row }] of due) found.push({ of, version: of.version, table, key, due: row, actual: null });
  }
  return found;
};

/** The names that these streams bear and that somebody else has claimed, or nobody. */
export const unclaimed = async (client: ClientBase, fold: Fold, all: readonly Folded[]): Promise<Difference[]> => {
  const table = claimsTable(fold);
  const due = table
    ? [
        ...dueRows(
          fold,
          table,
          all.filter(({ fault }) => !fault),
        ),
      ]
    : [];
  if (!table || due.length === 0) return [];
  const column = (name: string): unknown[] => due.map(([, { row }]) => row[name]);
  const { rows } = await client.query<{ n: number }>(
    `SELECT s.n::int AS n FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) WITH ORDINALITY AS s(tenant, kind, value, holder, n)
     LEFT JOIN LATERAL (SELECT holder FROM ${table.name} c
       WHERE c.tenant = s.tenant AND c.kind = s.kind AND c.value = s.value COLLATE "C" OFFSET 0) c ON true
     WHERE c.holder IS DISTINCT FROM s.holder`,
    [column('tenant'), column('kind'), column('value'), column('holder')],
  );
  return rows.map(({ n }) => {
    const [key, { of, row }] = due[n - 1]!;
    return { of, version: of.version, table, key, due: row, actual: null };
  });
};

/** The columns in which a row is not as it is due. */
export const columnsThatDiffer = ({ columns }: FoldTable, due: Row, actual: Row): string[] =>
  Object.keys(columns).filter((column) => {
    const [expected, found] = [due[column] ?? null, actual[column] ?? null];
    if (expected === found) return false;
    if (columns[column] === 'timestamptz' && expected !== null && found !== null)
      return Date.parse(String(expected)) !== Date.parse(String(found));
    return !isDeepStrictEqual(expected, found);
  });

/** The rows that there are of these streams, in pages; of many rows of one stream in the order of their parts. */
async function* rowsOfStreams(
  client: ClientBase,
  table: FoldTable,
  streams: readonly StreamId[],
): AsyncGenerator<readonly Row[]> {
  const rows = await readRows(client, table, streams, null);
  if (rows.length <= MAX_ROWS) {
    yield rows;
    return;
  }
  if (streams.length > 1) {
    const half = Math.ceil(streams.length / 2);
    yield* rowsOfStreams(client, table, streams.slice(0, half));
    yield* rowsOfStreams(client, table, streams.slice(half));
    return;
  }
  for (let page = rows; ;) {
    yield page;
    if (page.length <= MAX_ROWS) return;
    const last = page.at(-1)!;
    page = await readRows(
      client,
      table,
      streams,
      table.part!.map((column) => last[column]),
    );
  }
}

const readRows = async (
  client: ClientBase,
  { name, columns, tenant, stream, part, condition = 'true' }: FoldTable,
  streams: readonly StreamId[],
  after: readonly unknown[] | null,
): Promise<readonly Row[]> => {
  const parts = part !== undefined && streams.length === 1 ? part : [];
  const behind = parts.map((column, index) => `$${index + 3}::${columns[column]}`);
  const { rows } = await client.query<{ row: Row }>(
    `SELECT to_json(f) AS row FROM unnest($1::uuid[], $2::uuid[]) AS s(tenant, stream) CROSS JOIN LATERAL (
       SELECT ${Object.keys(columns).join(', ')} FROM ${name} t
       WHERE t.${tenant} = s.tenant AND t.${stream} = s.stream AND ${condition}
       ${after ? `AND (${parts.join(', ')}) > (${behind.join(', ')})` : ''}
       ${parts.length > 0 ? `ORDER BY ${parts.join(', ')} LIMIT ${MAX_ROWS + 1}` : ''} OFFSET 0
     ) f LIMIT ${MAX_ROWS + 1}`,
    [streams.map((one) => one.tenant), streams.map((one) => one.stream), ...(after ?? [])],
  );
  return rows.map(({ row }) => row);
};

/** SQL: whether a row follows from nothing: nobody has events under its id, or nobody bears the name that it claims. */
export const isStray = ({ owner, claims }: Fold, table: FoldTable, row: string): string =>
  table.name === claims?.name
    ? `${row}.holder IS NOT NULL AND NOT ${claims.isBorne(row)}`
    : `NOT EXISTS (SELECT FROM ${schemaOf(owner)}.events e WHERE e.stream = ${row}.${table.stream} AND e.tenant = ${row}.${table.tenant} OFFSET 0)`;

/** The rows of a table behind one, in pages: their keys, and in `is_stray` whether they follow from nothing. */
export const lookedThrough = (
  client: ClientBase,
  fold: Fold,
  table: FoldTable,
  after: Row | null = null,
): AsyncGenerator<readonly Row[]> => {
  const { name, columns, key, tenant, stream, condition = 'true' } = table;
  const read = [...new Set([...key, tenant, stream])].join(', ');
  const values = key.map((column, index) => `$${index + 2}::${columns[column]}`).join(', ');
  return inPages<Row>(async (last, maxRows) => {
    const { rows } = await client.query<Row>(
      `SELECT p.*, ${isStray(fold, table, 'p')} AS is_stray FROM (
         SELECT ${read} FROM ${name} t WHERE ${last ? `(${key.join(', ')}) > (${values}) AND` : ''} ${condition}
         ORDER BY ${key.join(', ')} LIMIT $1
       ) p ORDER BY ${key.join(', ')}`,
      [maxRows, ...(last ? key.map((column) => last[column]) : [])],
    );
    return rows;
  }, after);
};
