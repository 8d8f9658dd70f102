import { fold, foldedAttributes, touchesUserName, USER, type Json, type Resource } from '#scim';
import { USER_COMMAND_TYPES, USER_EVENT_TYPES, type UserCommand, type UserEvent } from '#contracts';
import { newKey, seal, unseal, type Behaviour, type Command, type Decision, type NewEvent, type WorkingSet } from '#event-store';
import { claimOf, decide, evolve, snapshotOf, type UserState } from './user.js';

interface Touched {
  readonly users: { tenant: string; id: string }[];
  readonly names: { tenant: string; value: string }[];
  readonly directories: string[];
  readonly tenants: string[];
}

interface LoadedUsers {
  readonly users: {
    tenant: string; id: string; directory: string; version: number; created: string; last_modified: string;
    resource: Resource; wrapped: string;
  }[] | null;
  readonly claims: { tenant: string; value: string; holder: string | null }[] | null;
  readonly directories: { id: string; version: number }[] | null;
  readonly tenant_keys: { tenant: string; wrapped: string }[] | null;
}

/** OFFSET 0 keeps each look-up a look-up: merged into the query, it is planned by statistics, and these say nothing of an empty table. */
const LOAD_SQL = `
  SELECT json_build_object(
    'users', (SELECT json_agg(json_build_object('tenant', t.tenant, 'id', t.id, 'directory', u.directory, 'version', u.version,
        'created', u.created, 'last_modified', u.last_modified, 'resource', u.resource, 'wrapped', k.wrapped))
      FROM json_to_recordset(($json)->'users') AS t(tenant uuid, id uuid)
      CROSS JOIN LATERAL (SELECT * FROM identity.users WHERE tenant = t.tenant AND id = t.id OFFSET 0) u
      LEFT JOIN LATERAL (SELECT wrapped FROM keys.persons WHERE tenant = t.tenant AND person = t.id OFFSET 0) k ON true),
    'claims', (SELECT json_agg(json_build_object('tenant', t.tenant, 'value', t.value, 'holder', c.holder))
      FROM json_to_recordset(($json)->'names') AS t(tenant uuid, value text)
      CROSS JOIN LATERAL (SELECT holder FROM identity.claims
        WHERE tenant = t.tenant AND kind = 'userName' AND value = t.value COLLATE "C" OFFSET 0) c),
    'directories', (SELECT json_agg(json_build_object('id', t.id, 'version', d.version))
      FROM json_array_elements_text(($json)->'directories') AS t(id)
      CROSS JOIN LATERAL (SELECT version FROM admin.directories_v1 WHERE id = t.id::uuid OFFSET 0) d),
    'tenant_keys', (SELECT json_agg(json_build_object('tenant', t.tenant, 'wrapped', k.wrapped))
      FROM json_array_elements_text(($json)->'tenants') AS t(tenant)
      CROSS JOIN LATERAL (SELECT wrapped FROM keys.tenants WHERE tenant = t.tenant::uuid OFFSET 0) k)
  )`;

/** What identity brings to the transaction. `masterKey` wraps the tenants' keys, which wrap the persons' keys. */
export const userBehaviour = (masterKey: Buffer): Behaviour<UserCommand> => ({
  owner: 'identity',
  commandTypes: new Set(Object.values(USER_COMMAND_TYPES)),
  loadSql: LOAD_SQL,
  touches,
  parts: [
    {
      name: 'upserted_users',
      sql: (rows) => `
        INSERT INTO identity.users (tenant, id, directory, version, created, last_modified, resource, user_name_folded, external_id,
          work_email_folded, other_work_emails_folded, folded)
        SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, id uuid, directory uuid, version int,
          created timestamptz, last_modified timestamptz, resource jsonb, user_name_folded text, external_id text,
          work_email_folded text, other_work_emails_folded text[], folded jsonb)
        ON CONFLICT (tenant, id) DO UPDATE SET directory = excluded.directory, version = excluded.version,
          last_modified = excluded.last_modified, resource = excluded.resource, user_name_folded = excluded.user_name_folded,
          external_id = excluded.external_id, work_email_folded = excluded.work_email_folded,
          other_work_emails_folded = excluded.other_work_emails_folded, folded = excluded.folded
        RETURNING 1`,
    },
    {
      name: 'deleted_users',
      sql: (rows) => `
        DELETE FROM identity.users u USING json_to_recordset(${rows}) AS r(tenant uuid, id uuid)
        WHERE u.tenant = r.tenant AND u.id = r.id RETURNING 1`,
    },
    {
      name: 'upserted_claims',
      sql: (rows) => `
        INSERT INTO identity.claims SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, kind text, value text, holder uuid)
        ON CONFLICT (tenant, kind, value) DO UPDATE SET holder = excluded.holder RETURNING 1`,
    },
    {
      name: 'new_person_keys',
      sql: (rows) => `
        INSERT INTO keys.persons SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, person uuid, wrapped text) RETURNING 1`,
    },
    {
      name: 'new_tenant_keys',
      sql: (rows) => `
        INSERT INTO keys.tenants SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, wrapped text) RETURNING 1`,
    },
  ],
  begin: (loaded, now) => new UserWorkingSet(loaded as LoadedUsers, now.toISOString(), masterKey),
});

/** What has to be loaded for these commands. A command of a wrong shape touches nothing: decide will say what is wrong. */
const touches = (commands: readonly Command<UserCommand>[]): Touched => {
  const touched: Touched = { users: [], names: [], directories: [], tenants: [] };
  for (const { tenant, directory, command } of commands) {
    if (typeof command.userId === 'string') touched.users.push({ tenant, id: command.userId });
    if (directory) touched.directories.push(directory);
    touched.tenants.push(tenant);
    const names =
      command.type === 'CreateUser' ? [command.resource?.userName]
      : command.type === 'PatchUser' && Array.isArray(command.operations) ? touchesUserName(command.operations)
      : [];
    for (const name of names) if (typeof name === 'string') touched.names.push({ tenant, value: fold(name) });
  }
  const distinct = <T>(rows: T[]): T[] => [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()];
  return {
    users: distinct(touched.users), names: distinct(touched.names), directories: distinct(touched.directories),
    tenants: distinct(touched.tenants),
  };
};

/** The users that one batch touches, as they become while its commands are decided one after the other. */
class UserWorkingSet implements WorkingSet<UserCommand> {
  private readonly users = new Map<string, { before: boolean; state: UserState; tenant: string; changed: boolean }>();
  private readonly claims = new Map<string, { tenant: string; value: string; holder: string | null; changed: boolean }>();
  private readonly directories: Map<string, number>;
  private readonly tenantKeys = new Map<string, Buffer>();
  private readonly personKeys = new Map<string, Buffer>();
  private readonly newTenantKeys: { tenant: string; wrapped: string }[] = [];
  private readonly newPersonKeys: { tenant: string; person: string; wrapped: string }[] = [];

  constructor(private readonly loaded: LoadedUsers, private readonly now: string, private readonly masterKey: Buffer) {
    for (const row of loaded.users ?? []) {
      const state: UserState = {
        id: row.id, directory: row.directory, version: row.version, resource: row.resource,
        created: new Date(row.created).toISOString(), lastModified: new Date(row.last_modified).toISOString(),
      };
      this.users.set(`${row.tenant}/${row.id}`, { before: true, state, tenant: row.tenant, changed: false });
    }
    for (const row of loaded.claims ?? []) this.claims.set(`${row.tenant}/${row.value}`, { ...row, changed: false });
    this.directories = new Map((loaded.directories ?? []).map(({ id, version }) => [id, version]));
  }

  decide({ tenant, directory, command }: Command<UserCommand>): Decision<UserEvent> {
    const key = `${tenant}/${command.userId}`;
    const known = this.users.get(key);
    const before = known?.state ?? null;
    if (!directory) throw new Error('a user command names its directory');
    const events = decide(command, before, {
      directory: { id: directory, version: this.directories.get(directory) ?? 0 },
      holderOf: (value) => this.claims.get(`${tenant}/${value}`)?.holder ?? null,
    });
    let state = before;
    let version = before?.version ?? 0;
    const recorded: NewEvent<UserEvent>[] = [];
    for (const event of events) {
      version++;
      state = evolve(state, event, command.userId, this.now);
      recorded.push({
        stream: command.userId, version, type: USER_EVENT_TYPES[event.type], event,
        stored: this.stored(tenant, command.userId, version, event),
      });
    }
    if (events.length > 0) {
      this.users.set(key, { before: known?.before ?? false, state, tenant, changed: true });
      this.claim(tenant, claimOf(before), claimOf(state), command.userId);
    }
    return { events: recorded, outcome: { status: 'done', value: snapshotOf(state) } };
  }

  rows(): Record<string, readonly unknown[]> {
    const changed = [...this.users.values()].filter((user) => user.changed);
    return {
      upserted_users: changed.flatMap(({ tenant, state }) => (state ? [userRow(tenant, state)] : [])),
      deleted_users: [...this.users].flatMap(([key, { tenant, state, before }]) =>
        before && !state ? [{ tenant, id: key.slice(tenant.length + 1) }] : [],
      ),
      upserted_claims: [...this.claims.values()].flatMap(({ tenant, value, holder, changed: moved }) =>
        moved ? [{ tenant, kind: 'userName', value, holder }] : [],
      ),
      new_person_keys: this.newPersonKeys,
      new_tenant_keys: this.newTenantKeys,
    };
  }

  private claim(tenant: string, before: string | null, after: string | null, holder: string): void {
    if (before === after) return;
    if (before !== null) this.claims.set(`${tenant}/${before}`, { tenant, value: before, holder: null, changed: true });
    if (after !== null) this.claims.set(`${tenant}/${after}`, { tenant, value: after, holder, changed: true });
  }

  /** Personal data is sealed with the person's own key; destroying that key erases it from every event at once. */
  private stored(tenant: string, person: string, version: number, event: UserEvent): NewEvent<UserEvent>['stored'] {
    switch (event.type) {
      case 'UserCreated': {
        const { resource, ...data } = event;
        return { data, personal: this.sealed(tenant, person, version, { resource }) };
      }
      case 'UserChanged': {
        const { changes, ...data } = event;
        return {
          data: { ...data, attributes: Object.keys(changes) }, personal: this.sealed(tenant, person, version, { changes }),
        };
      }
      default:
        return { data: event, personal: null };
    }
  }

  private sealed(tenant: string, person: string, version: number, value: { [name: string]: Json | Resource | object }): string {
    return seal(this.personKey(tenant, person), sealContext(tenant, person, version), JSON.stringify(value));
  }

  private personKey(tenant: string, person: string): Buffer {
    const id = `${tenant}/${person}`;
    const known = this.personKeys.get(id);
    if (known) return known;
    const row = this.loaded.users?.find((user) => user.tenant === tenant && user.id === person);
    let key: Buffer;
    if (row) {
      key = unseal(this.tenantKey(tenant), keyContext(tenant, person), row.wrapped);
    } else {
      key = newKey();
      this.newPersonKeys.push({ tenant, person, wrapped: seal(this.tenantKey(tenant), keyContext(tenant, person), key) });
    }
    this.personKeys.set(id, key);
    return key;
  }

  private tenantKey(tenant: string): Buffer {
    const known = this.tenantKeys.get(tenant);
    if (known) return known;
    const row = this.loaded.tenant_keys?.find((found) => found.tenant === tenant);
    const key = row ? unseal(this.masterKey, keyContext(tenant), row.wrapped) : newKey();
    if (!row) this.newTenantKeys.push({ tenant, wrapped: seal(this.masterKey, keyContext(tenant), key) });
    this.tenantKeys.set(tenant, key);
    return key;
  }
}

/** Additional data of the ciphertext: tenant | stream | version | field. */
export const sealContext = (tenant: string, stream: string, version: number): string => `${tenant}|${stream}|${version}|personal`;
export const keyContext = (tenant: string, person = ''): string => `${tenant}|${person}|key`;

/** The row of the projection: the fold of the events, with the folded columns that filters look up, and what else filters compare folded. */
export const userRow = (tenant: string, state: NonNullable<UserState>): Record<string, unknown> => {
  const workEmails = (Array.isArray(state.resource.emails) ? state.resource.emails : []).flatMap((email) => {
    const { type, value } = email as { type?: Json; value?: Json };
    return typeof type === 'string' && fold(type) === 'work' && typeof value === 'string' ? [fold(value)] : [];
  });
  return {
    tenant, id: state.id, directory: state.directory, version: state.version, created: state.created,
    last_modified: state.lastModified, resource: state.resource, user_name_folded: fold(String(state.resource.userName)),
    external_id: state.resource.externalId ?? null, work_email_folded: workEmails[0] ?? null,
    other_work_emails_folded: workEmails.length > 1 ? workEmails.slice(1) : null,
    folded: foldedAttributes(USER, state.resource),
  };
};
