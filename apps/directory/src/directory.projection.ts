import {
  DIRECTORY_COMMAND_TYPES,
  DIRECTORY_EVENT_TYPES,
  type DirectoryCommand,
  type DirectoryEvent,
  type DirectorySettings,
  type ExtendedType,
  type PublishedDirectoryEvent,
} from '#contracts';
import type { Behaviour, Command, Decision, NewEvent, WorkingSet } from '#event-store';
import { fold, isRejection, type Rejection, type Schema } from '#scim';
import { decide, evolve, streamOf, type DirectoryState } from './directory.js';

interface LoadedDirectories {
  readonly tenants: { id: string; version: number; created: string; name: string }[] | null;
  readonly directories:
    | {
        id: string;
        tenant: string;
        version: number;
        created: string;
        name: string;
        kind: string;
        settings: Partial<DirectorySettings>;
      }[]
    | null;
  readonly tokens:
    | {
        id: string;
        tenant: string;
        directory: string;
        version: number;
        created: string;
        description: string;
        hash: string;
        sealed: string;
        status: 'active' | 'revoked';
        expires_at: string | null;
      }[]
    | null;
  readonly schemas:
    | { id: string; tenant: string; version: number; created: string; resource_type: ExtendedType; schema: Schema }[]
    | null;
}

/** The columns of each table and their types, and those that may change. */
export const TABLES = {
  tenants: {
    columns: { id: 'uuid', version: 'int', created: 'timestamptz', name: 'text' },
    changing: ['version', 'name'],
  },
  directories: {
    columns: {
      id: 'uuid',
      tenant: 'uuid',
      version: 'int',
      created: 'timestamptz',
      name: 'text',
      kind: 'text',
      settings: 'jsonb',
    },
    changing: ['version', 'name', 'settings'],
  },
  tokens: {
    columns: {
      id: 'uuid',
      tenant: 'uuid',
      directory: 'uuid',
      version: 'int',
      created: 'timestamptz',
      description: 'text',
      hash: 'text',
      sealed: 'text',
      status: 'text',
      expires_at: 'timestamptz',
    },
    changing: ['version', 'status'],
  },
  schemas: {
    columns: {
      id: 'uuid',
      tenant: 'uuid',
      version: 'int',
      created: 'timestamptz',
      urn: 'text',
      urn_folded: 'text',
      resource_type: 'text',
      schema: 'json',
    },
    changing: ['version', 'schema'],
  },
} as const;
type Table = keyof typeof TABLES;

const upsert = (table: Table, rows: string): string => {
  const { columns, changing } = TABLES[table];
  return `
  INSERT INTO directory.${table} (${Object.keys(columns).join(', ')}) SELECT r.* FROM json_to_recordset(${rows})
    AS r(${Object.entries(columns)
      .map(([name, type]) => `${name} ${type}`)
      .join(', ')})
  ON CONFLICT (id) DO UPDATE SET ${changing.map((name) => `${name} = excluded.${name}`).join(', ')} RETURNING 1`;
};

/**
 * The owner of directories brings to the transaction its tenants, directories, tokens, schemas. They are few: a batch
 * loads those of its tenants.
 */
export const directoryBehaviour = (): Behaviour<DirectoryCommand> => ({
  owner: 'directory',
  commandTypes: new Set(Object.values(DIRECTORY_COMMAND_TYPES)),
  loadSql: () => `
    SELECT json_build_object(
      'tenants', (SELECT json_agg(t) FROM directory.tenants t WHERE t.id IN (SELECT x::uuid FROM json_array_elements_text($json) x)),
      'directories', (SELECT json_agg(d) FROM directory.directories d WHERE d.tenant IN (SELECT x::uuid FROM json_array_elements_text($json) x)),
      'tokens', (SELECT json_agg(k) FROM directory.tokens k WHERE k.tenant IN (SELECT x::uuid FROM json_array_elements_text($json) x)),
      'schemas', (SELECT json_agg(s) FROM directory.schemas s WHERE s.tenant IN (SELECT x::uuid FROM json_array_elements_text($json) x)))`,
  touches: (commands) => [...new Set(commands.map(({ tenant }) => tenant))],
  parts: (Object.keys(TABLES) as Table[]).map((name) => ({ name, sql: (rows) => upsert(name, rows) })),
  secrets: ['hash', 'sealed'],
  begin: (loaded, now) => new DirectoryWorkingSet(loaded as LoadedDirectories, now.toISOString()),
});

/** Consumers of the events get these: neither the hash of a token nor the sealed token. */
const published = (event: DirectoryEvent): PublishedDirectoryEvent => {
  if (event.type !== 'TokenCreated') return event;
  const { hash: _hash, sealed: _sealed, ...rest } = event;
  return rest;
};

class DirectoryWorkingSet implements WorkingSet<DirectoryCommand> {
  private readonly states = new Map<string, { tenant: string; state: DirectoryState; changed: boolean }>();

  constructor(
    loaded: LoadedDirectories,
    private readonly now: string,
  ) {
    for (const { id, version, created, name } of loaded.tenants ?? []) {
      this.states.set(id, { tenant: id, state: { kind: 'tenant', version, created, name }, changed: false });
    }
    for (const { id, tenant, version, created, name, kind, settings } of loaded.directories ?? []) {
      this.states.set(id, {
        tenant,
        state: { kind: 'directory', version, created, name, directoryKind: kind, settings },
        changed: false,
      });
    }
    for (const row of loaded.tokens ?? []) {
      const { id, tenant, directory, expires_at, ...rest } = row;
      const state: DirectoryState = { kind: 'token', ...rest, directoryId: directory, expiresAt: expires_at };
      this.states.set(id, { tenant, state, changed: false });
    }
    for (const { id, tenant, version, created, resource_type: resourceType, schema } of loaded.schemas ?? []) {
      this.states.set(id, {
        tenant,
        state: { kind: 'schema', version, created, resourceType, schema },
        changed: false,
      });
    }
  }

  decide({ tenant, command }: Command<DirectoryCommand>): Decision<PublishedDirectoryEvent> | Rejection {
    const schemas = this.schemasOf(tenant);
    const stream =
      command.type === 'DefineSchema'
        ? (schemas.find(({ schema }) => isNamed(schema, command.schema))?.id ?? streamOf(command))
        : streamOf(command);
    const known = this.states.get(stream);
    const before = known?.tenant === tenant ? known.state : null;
    const of = (id: string): DirectoryState =>
      this.states.get(id)?.tenant === tenant ? this.states.get(id)!.state : null;
    const events = decide(command, before, {
      tenantExists: of(tenant)?.kind === 'tenant',
      directoryExists: (id) => of(id)?.kind === 'directory',
      directoryNames: [...this.states.values()].flatMap(({ tenant: owner, state }) =>
        owner === tenant && state?.kind === 'directory' ? [state.name] : [],
      ),
      otherSchemas: schemas.flatMap(({ id, schema }) => (id === stream ? [] : [schema])),
    });
    if (isRejection(events)) return events;
    let state = before;
    const recorded: NewEvent<PublishedDirectoryEvent>[] = events.map((event, index) => {
      state = evolve(state, event, this.now);
      return {
        stream,
        version: (before?.version ?? 0) + index + 1,
        type: DIRECTORY_EVENT_TYPES[event.type],
        event: published(event),
        stored: { data: event, personal: null },
      };
    });
    if (events.length > 0) this.states.set(stream, { tenant, state, changed: true });
    return { events: recorded, outcome: { status: 'done', value: { id: stream } } };
  }

  private schemasOf(tenant: string): { readonly id: string; readonly schema: Schema }[] {
    return [...this.states].flatMap(([id, { tenant: owner, state }]) =>
      owner === tenant && state?.kind === 'schema' ? [{ id, schema: state.schema }] : [],
    );
  }

  rows(): Record<string, readonly unknown[]> {
    const rows: Record<Table, unknown[]> = { tenants: [], directories: [], tokens: [], schemas: [] };
    for (const [id, { tenant, state, changed }] of this.states) {
      if (!changed || !state) continue;
      const { table, row } = directoryRow(tenant, id, state);
      rows[table].push(row);
    }
    return rows;
  }
}

/** The row of a tenant, a directory, a token or a schema, and its table: the fold of its events. */
export const directoryRow = (
  tenant: string,
  id: string,
  state: NonNullable<DirectoryState>,
): { readonly table: Table; readonly row: Readonly<Record<string, unknown>> } => {
  const { version, created } = state;
  switch (state.kind) {
    case 'tenant':
      return { table: 'tenants', row: { id, version, created, name: state.name } };
    case 'directory': {
      const { name, directoryKind: kind, settings } = state;
      return { table: 'directories', row: { id, tenant, version, created, name, kind, settings } };
    }
    case 'token': {
      const { directoryId: directory, description, hash, sealed, status, expiresAt: expires_at } = state;
      return {
        table: 'tokens',
        row: { id, tenant, directory, version, created, description, hash, sealed, status, expires_at },
      };
    }
    case 'schema': {
      const { schema, resourceType: resource_type } = state;
      const [urn, urn_folded] = [schema.id, fold(schema.id)];
      return { table: 'schemas', row: { id, tenant, version, created, urn, urn_folded, resource_type, schema } };
    }
  }
};

/** A URN is compared without its case (RFC 8141 §3.1). */
const isNamed = (schema: Schema, named: { readonly id?: unknown } | null): boolean =>
  typeof named?.id === 'string' && fold(schema.id) === fold(named.id);
