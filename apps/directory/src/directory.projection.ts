import {
  DIRECTORY_COMMAND_TYPES,
  DIRECTORY_EVENT_TYPES,
  GROUPS_VIEW,
  SECRETS_OF_EVENTS,
  USERS_VIEW,
  type DirectoryCommand,
  type DirectoryEvent,
  type PublishedDirectoryEvent,
} from '#contracts';
import type { Behaviour, Command, Decision, NewEvent, WorkingSet } from '#event-store';
import { isUuid } from '#runtime';
import { isRejection, type Rejection } from '#scim';
import { MAX_BELONGINGS } from './aggregate.js';
import type { Columns, Known, State, World } from './aggregate.js';
import { aggregateOf, AGGREGATES, decide, evolve, type AnyAggregate } from './aggregates.js';

/** Table → its rows; null = none. */
type LoadedDirectories = Readonly<Record<string, Columns[] | null>>;

/** A batch loads all aggregates of its tenants, and what belongs to the directories that are to be deleted. */
interface Touched {
  readonly tenants: readonly string[];
  readonly deleted: readonly { readonly tenant: string; readonly directory: string }[];
}

const BELONGINGS = 'belongings';
const countOf = (view: string): string =>
  `(SELECT count(*) FROM (SELECT FROM ${view} WHERE tenant = t.tenant AND directory = t.directory LIMIT ${MAX_BELONGINGS + 1}) c)`;
const BELONGINGS_SQL = `'${BELONGINGS}', (SELECT json_agg(json_build_object('tenant', t.tenant, 'id', t.directory,
    'users', ${countOf(USERS_VIEW)}, 'groups', ${countOf(GROUPS_VIEW)}))
  FROM json_to_recordset(($json)->'deleted') AS t(tenant uuid, directory uuid))`;

const upsert = ({ table, columns, changing }: AnyAggregate, rows: string): string => `
  INSERT INTO directory.${table} (${Object.keys(columns).join(', ')}) SELECT r.* FROM json_to_recordset(${rows})
    AS r(${Object.entries(columns)
      .map(([name, type]) => `${name} ${type}`)
      .join(', ')})
  ON CONFLICT (id) DO UPDATE SET ${changing.map((name) => `${name} = excluded.${name}`).join(', ')} RETURNING 1`;

const deletion = ({ table }: AnyAggregate, rows: string): string =>
  `DELETE FROM directory.${table} d USING json_to_recordset(${rows}) AS r(id uuid) WHERE d.id = r.id RETURNING 1`;

/** The part of the write statement that deletes rows of a table. */
const gone = (table: string): string => `gone_${table}`;

const ofTenants = ({ table, tenant = 'tenant' }: AnyAggregate): string =>
  `'${table}', (SELECT json_agg(t) FROM directory.${table} t WHERE t.${tenant} IN (SELECT x::uuid FROM json_array_elements_text(($json)->'tenants') x))`;

/**
 * The owner of directories brings to the transaction its aggregates. They are few: a batch loads those of its tenants.
 */
export const directoryBehaviour = (): Behaviour<DirectoryCommand> => ({
  owner: 'directory',
  commandTypes: new Set(Object.values(DIRECTORY_COMMAND_TYPES)),
  loadSql: (touched) =>
    `SELECT json_build_object(${[...AGGREGATES.map(ofTenants), ...((touched as Touched).deleted.length > 0 ? [BELONGINGS_SQL] : [])].join(',\n')})`,
  touches: (commands): Touched => ({
    tenants: [...new Set(commands.map(({ tenant }) => tenant))],
    deleted: commands.flatMap(({ tenant, command }) =>
      command.type === 'DeleteDirectory' && isUuid(command.directoryId)
        ? [{ tenant, directory: command.directoryId }]
        : [],
    ),
  }),
  parts: AGGREGATES.flatMap((aggregate) => [
    { name: aggregate.table, sql: (rows) => upsert(aggregate, rows) },
    ...(aggregate.mayGo ? [{ name: gone(aggregate.table), sql: (rows: string) => deletion(aggregate, rows) }] : []),
  ]),
  secrets: SECRETS_OF_EVENTS,
  begin: (loaded, now) => new DirectoryWorkingSet(loaded as LoadedDirectories, now.toISOString()),
});

/** The event as others are told: without its secrets. */
const published = (event: DirectoryEvent): PublishedDirectoryEvent =>
  Object.fromEntries(
    Object.entries(event).filter(([name]) => !(SECRETS_OF_EVENTS as readonly string[]).includes(name)),
  ) as unknown as PublishedDirectoryEvent;

interface Stream {
  readonly tenant: string;
  readonly state: State | null;
  readonly version: number;
  /** The table that has a row of it; null = none yet. */
  readonly storedIn: string | null;
  readonly changed: boolean;
}

class DirectoryWorkingSet implements WorkingSet<DirectoryCommand> {
  private readonly streams = new Map<string, Stream>();

  constructor(
    private readonly loaded: LoadedDirectories,
    private readonly now: string,
  ) {
    for (const { kind, table, tenant: ofTenant = 'tenant', stateOf } of AGGREGATES) {
      for (const row of loaded[table] ?? []) {
        const { version, created } = row as { version: number; created: string };
        this.streams.set(row.id as string, {
          tenant: row[ofTenant] as string,
          state: { kind, version, created, ...stateOf(row) },
          version,
          storedIn: table,
          changed: false,
        });
      }
    }
  }

  decide({ tenant, command }: Command<DirectoryCommand>): Decision<PublishedDirectoryEvent> | Rejection {
    const { stream, events } = decide(command, this.worldOf(tenant));
    if (isRejection(events)) return events;
    return {
      events: events.map((one) =>
        'at' in one ? this.apply(tenant, one.at, one.event) : this.apply(tenant, stream, one),
      ),
      outcome: { status: 'done', value: { id: stream } },
    };
  }

  rows(): Record<string, readonly unknown[]> {
    const rows: Record<string, unknown[]> = Object.fromEntries(AGGREGATES.map(({ table }) => [table, []]));
    for (const [id, { tenant, state, storedIn, changed }] of this.streams) {
      if (!changed) continue;
      if (state) rows[aggregateOf(state).table]!.push(directoryRow(tenant, id, state));
      else if (storedIn) (rows[gone(storedIn)] ??= []).push({ id });
    }
    return rows;
  }

  private worldOf(tenant: string): World {
    return {
      now: this.now,
      belongingTo: (directory) => {
        const found = this.loaded[BELONGINGS]?.find((row) => row.tenant === tenant && row.id === directory);
        if (!found) throw new Error(`it was not loaded what belongs to the directory ${directory}`);
        return { users: Number(found.users), groups: Number(found.groups) };
      },
      get: (id) => this.streamOf(tenant, id)?.state ?? null,
      all: <Kind extends State>({ kind }: { readonly kind: Kind['kind'] }) =>
        [...this.streams].flatMap(([id, { tenant: owner, state }]): Known<Kind>[] =>
          owner === tenant && state?.kind === kind ? [{ id, state: state as Kind }] : [],
        ),
    };
  }

  private streamOf(tenant: string, id: string): Stream | undefined {
    const known = this.streams.get(id);
    return known?.tenant === tenant ? known : undefined;
  }

  private apply(tenant: string, stream: string, event: DirectoryEvent): NewEvent<PublishedDirectoryEvent> {
    const before = this.streamOf(tenant, stream);
    const version = (before?.version ?? 0) + 1;
    const state = evolve(before?.state ?? null, event, this.now);
    this.streams.set(stream, { tenant, state, version, storedIn: before?.storedIn ?? null, changed: true });
    return {
      stream,
      version,
      type: DIRECTORY_EVENT_TYPES[event.type],
      event: published(event),
      stored: { data: event, personal: null },
    };
  }
}

/** The row of an aggregate: the fold of its events. */
export const directoryRow = (tenant: string, id: string, state: State): Columns => {
  const { tenant: ofTenant = 'tenant', rowOf } = aggregateOf(state);
  const { version, created } = state;
  return { [ofTenant]: tenant, id, version, created, ...rowOf(state, id) };
};
