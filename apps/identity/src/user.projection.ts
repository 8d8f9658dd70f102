import {
  definitionsByTenant,
  isRejection,
  STANDARD,
  type Definitions,
  type Rejection,
  type ResourceDefinition,
} from '#scim';
import { USER_COMMAND_TYPES, USER_EVENT_TYPES, WITHDRAWN, type UserCommand, type UserEvent } from '#contracts';
import type { Behaviour, Command, Decision, NewEvent, WorkingSet } from '#event-store';
import { isUuid } from '#runtime';
import { answerTo, storedAnswer } from './answers.js';
import { explanationOf } from './explanation.js';
import { chanceOf } from './incoming.js';
import { isClaimed, keysOf, type Key } from './identifiers.js';
import { withLinks } from './links.js';
import { MAX_EMAIL_BEARERS } from './matching.js';
import { KEY_PARTS, PersonKeys } from './person-keys.projection.js';
import { divided } from './person-keys.js';
import {
  DELETED_COLUMNS,
  deletedRow,
  KNOWN_AS_COLUMNS,
  knownAsRows,
  USER_COLUMNS,
  userRow,
} from './user-rows.projection.js';
import { UserMemory, type RememberedTenant } from './user-memory.js';
import {
  asksNothing,
  domainsOf,
  isMemberOf,
  keyText,
  loadSql,
  lookedUp,
  NOBODY_PART,
  nobodyRows,
  revisionOf,
  touches,
  type LoadedUsers,
  type Touched,
  type Wanted,
} from './user-load.queries.js';
import { decide, evolve, incomingOf, matchingOf, type UserContext, type UserState } from './user.js';

/** Columns that never change in a row. */
const FIXED = ['tenant', 'id', 'created'];
const columns = Object.keys(USER_COLUMNS);
const typed = (ofTable: Readonly<Record<string, string>>): string =>
  Object.entries(ofTable)
    .map(([name, type]) => `${name} ${type}`)
    .join(', ');
const inserted = (table: string, ofTable: Readonly<Record<string, string>>, rows: string): string => `
        INSERT INTO ${table} (${Object.keys(ofTable).join(', ')})
        SELECT r.* FROM json_to_recordset(${rows}) AS r(${typed(ofTable)})`;

/** Identity's part of the transaction. `masterKey` wraps the tenants' keys, which wrap the persons' keys. */
export const userBehaviour = (masterKey: Buffer, maxResourceBytes: number): Behaviour<UserCommand> => ({
  owner: 'identity',
  commandTypes: new Set(Object.values(USER_COMMAND_TYPES)),
  loadSql: (touched) => loadSql(touched as Touched),
  touches: (commands, wanted, memory) =>
    touches(commands, wanted as readonly Wanted[], memory as UserMemory | undefined),
  asksNothing: (touched) => asksNothing(touched as Touched),
  memory: () => new UserMemory(),
  parts: [
    {
      name: 'upserted_users',
      type: 'jsonb',
      sql: (rows) => `
        INSERT INTO identity.users (${columns.join(', ')})
        SELECT r.* FROM jsonb_to_recordset(${rows}) AS r(${typed(USER_COLUMNS)})
        ON CONFLICT (tenant, id) DO UPDATE SET
          ${columns
            .filter((name) => !FIXED.includes(name))
            .map((name) => `${name} = excluded.${name}`)
            .join(', ')}
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
    { name: 'known_as', sql: (rows) => `${inserted('identity.known_as', KNOWN_AS_COLUMNS, rows)} RETURNING 1` },
    {
      name: 'kept_deleted_users',
      sql: (rows) => `${inserted('identity.deleted_users', DELETED_COLUMNS, rows)} RETURNING 1`,
    },
    ...KEY_PARTS,
    NOBODY_PART,
    {
      name: 'as_remembered',
      sql: (rows) => `
        SELECT FROM json_to_recordset(${rows}) AS t(tenant uuid, revision bigint, id uuid, is_member boolean)
        WHERE (t.revision IS NULL OR t.revision = ${revisionOf('t.tenant')})
          AND (t.id IS NULL OR t.is_member = ${isMemberOf('t.tenant', 't.id')})`,
    },
  ],
  begin: (loaded, now, touched, memory) =>
    new UserWorkingSet(
      (loaded ?? {}) as Partial<LoadedUsers>,
      touched as Touched,
      now.toISOString(),
      masterKey,
      maxResourceBytes,
      memory as UserMemory | undefined,
    ),
});

/** A tenant, a user or both, as they were taken from the memory: others may have changed them. */
interface Remembered {
  readonly tenant: string;
  revision?: number;
  readonly id?: string;
  readonly is_member?: boolean;
}

interface Known {
  readonly tenant: string;
  readonly state: UserState;
  /** True if it has a row in the database. */
  readonly stored: boolean;
  readonly changed: boolean;
}

/** The users that one batch touches, as they become while its commands are decided one after the other. */
class UserWorkingSet implements WorkingSet<UserCommand> {
  /** Keys whose bearers may be others than those that are known here, and users whose groups are asked for. */
  readonly wanted: Wanted[] = [];
  private readonly users = new Map<string, Known>();
  /** Key of a user → the ids of those who bear it. */
  private readonly bearers = new Map<string, Set<string>>();
  /**
   * Keys of so many that not all of them were loaded, one of whom has lost it in this batch: only another batch knows
   * who is left.
   */
  private readonly unclear = new Set<string>();
  private readonly knownAs: ReturnType<typeof knownAsRows> = [];
  private readonly deletedUsers: ReturnType<typeof deletedRow>[] = [];
  private readonly claims = new Map<string, { tenant: string; kind: string; value: string; holder: string | null }>();
  private readonly tenants = new Map<string, Omit<RememberedTenant, 'key'>>();
  /** Definitions of the loaded tenants that have schemas of their own. */
  private readonly definitions: ReadonlyMap<string, Definitions>;
  /** Users who are in any group. Group owns memberships: an answer shows them. */
  private readonly members = new Set<string>();
  private readonly keys: PersonKeys;
  private readonly nowMs: number;
  /** The keys whose bearers are known, as texts. */
  private readonly lookedUp: ReadonlySet<string>;
  /** The users and tenants that were taken from the memory. */
  private readonly remembered: Remembered[] = [];

  constructor(
    private readonly loaded: Partial<LoadedUsers>,
    private readonly touched: Touched,
    private readonly now: string,
    masterKey: Buffer,
    private readonly maxResourceBytes: number,
    private readonly memory: UserMemory | undefined,
  ) {
    this.nowMs = Date.parse(now);
    this.lookedUp = lookedUp(touched);
    this.keys = new PersonKeys(masterKey, loaded.tenant_keys ?? []);
    for (const { tenant, wrapped, links, is_member: isMember, ...row } of loaded.users ?? []) {
      const state: UserState = {
        id: row.id,
        directory: row.directory === WITHDRAWN ? null : row.directory,
        version: row.version,
        resource: row.resource,
        created: new Date(row.created).toISOString(),
        lastModified: new Date(row.last_modified).toISOString(),
        ...withLinks(links),
      };
      this.users.set(`${tenant}/${row.id}`, { tenant, state, stored: true, changed: false });
      this.keys.know({ tenant, person: row.id, wrapped });
      if (isMember) this.members.add(`${tenant}/${row.id}`);
      this.index(tenant, row.id, [], keysOf(state));
    }
    this.definitions = definitionsByTenant(loaded.schemas ?? null);
  }

  explain(command: Command<UserCommand>): unknown {
    const stateOf = (id: string): UserState => this.userOf(command.tenant, id)?.state ?? null;
    return explanationOf(command.command, this.contextOf(command), stateOf);
  }

  private contextOf({ id, tenant, directory }: Command<UserCommand>): UserContext {
    return {
      directory,
      matching: null,
      incoming: null,
      chance: chanceOf(id, this.nowMs),
      definition: this.definitionOf(tenant),
      maxResourceBytes: this.maxResourceBytes,
      directoryOf: (wanted) => this.tenantOf(tenant).directories.find((known) => known.id === wanted) ?? null,
      isVerified: (domain) => this.tenantOf(tenant).domains.has(domain),
      bearersOf: (kind, value) => {
        const key = keyText({ tenant, kind, value });
        if (!this.lookedUp.has(key) || this.unclear.has(key)) this.wanted.push({ tenant, kind, value });
        return [...(this.bearers.get(key) ?? [])].sort().map((bearer) => this.users.get(`${tenant}/${bearer}`)!.state!);
      },
      groupsAmong: ({ id: user }, groups) => this.groupsAmong(tenant, user, groups),
    };
  }

  private groupsAmong(tenant: string, user: string, asked: readonly string[]): readonly string[] | null {
    if (!this.members.has(`${tenant}/${user}`)) return [];
    const groups = asked.filter(isUuid);
    const known = this.loaded.among?.find((row) => row.tenant === tenant && row.id === user);
    if (!known) this.wanted.push({ tenant, kind: 'among', value: user, groups });
    const found = known?.groups ?? [];
    return found.includes(null) ? null : (found as readonly string[]);
  }

  decide(asked: Command<UserCommand>): Decision<UserEvent> | Rejection {
    const { tenant, command } = asked;
    const context = this.contextOf(asked);
    const incoming = incomingOf(command, context);
    if (isRejection(incoming)) return incoming;
    const matching = matchingOf(command, { ...context, incoming });
    if (isRejection(matching)) return matching;
    const userId = matching?.result ?? command.userId;
    const known = this.userOf(tenant, userId);
    const before = known?.state ?? null;
    const events = decide(command, before, { ...context, incoming, matching });
    if (isRejection(events)) return events;
    let state = before;
    let last = before;
    let version = before?.version ?? 0;
    const recorded: NewEvent<UserEvent>[] = [];
    for (const event of events) {
      version++;
      const was = state;
      state = evolve(state, event, userId, this.now);
      last = state ?? last;
      this.knownAs.push(...knownAsRows(tenant, userId, version, was, state));
      if (was && !state) this.deletedUsers.push(deletedRow(tenant, was, version, this.now));
      recorded.push({
        stream: userId,
        version,
        type: USER_EVENT_TYPES[event.type],
        event,
        stored: this.stored(tenant, userId, version, event),
      });
    }
    if (events.length > 0) {
      this.users.set(`${tenant}/${userId}`, { tenant, state, stored: known?.stored ?? false, changed: true });
      this.move(tenant, userId, before, state);
    }
    const answer = answerTo(command, last, matching, this.members.has(`${tenant}/${userId}`));
    return {
      events: recorded,
      outcome: { status: 'done', value: answer },
      stored: { status: 'done', value: storedAnswer(answer) },
    };
  }

  rows(): Record<string, readonly unknown[]> {
    const changed = [...this.users.values()].filter((user) => user.changed);
    return {
      upserted_users: changed.flatMap(({ tenant, state }) =>
        state ? [userRow(tenant, state, this.definitionOf(tenant))] : [],
      ),
      deleted_users: [...this.users].flatMap(([key, { tenant, state, stored }]) =>
        stored && !state ? [{ tenant, id: key.slice(tenant.length + 1) }] : [],
      ),
      upserted_claims: [...this.claims.values()],
      known_as: this.knownAs,
      kept_deleted_users: this.deletedUsers,
      ...this.keys.rows(),
      nobody_known: nobodyRows(this.touched),
      as_remembered: this.remembered,
    };
  }

  /** Only with open keys: one that was not opened may be none that is stored. */
  remember(bytesOf: (part: string) => readonly number[]): void {
    if (!this.memory) return;
    this.memory.committed();
    // The rows are in the same order.
    const bytes = bytesOf('upserted_users').values();
    for (const [name, { tenant, state, changed }] of this.users) {
      if (!changed) continue;
      const id = name.slice(tenant.length + 1);
      const key = this.keys.openOfPerson(tenant, id);
      const user = state && key ? { state, isMember: this.members.has(name), key } : null;
      this.memory.rememberUser(tenant, id, user, state ? bytes.next().value! : 0);
    }
    for (const { tenant } of this.loaded.revisions ?? []) {
      const key = this.keys.openOfTenant(tenant);
      if (!key) continue;
      const known = { ...this.tenantOf(tenant), key };
      const schemas = (this.loaded.schemas ?? []).filter((row) => row.tenant === tenant);
      const { length } = JSON.stringify([known.directories, schemas, ...known.domains]);
      this.memory.rememberTenant(tenant, known, length);
    }
  }

  private userOf(tenant: string, id: string): Known | undefined {
    const name = `${tenant}/${id}`;
    const known = this.users.get(name);
    if (known) return known;
    const remembered = this.memory?.user(tenant, id);
    if (!remembered) return undefined;
    const { state, isMember, key } = remembered;
    const row = this.remembered.find((one) => one.tenant === tenant && one.id === undefined);
    if (row) Object.assign(row, { id, is_member: isMember });
    else this.remembered.push({ tenant, id, is_member: isMember });
    if (isMember) this.members.add(name);
    this.keys.rememberPerson(tenant, id, key);
    const user: Known = { tenant, state, stored: true, changed: false };
    this.users.set(name, user);
    return user;
  }

  private tenantOf(tenant: string): Omit<RememberedTenant, 'key'> {
    const known = this.tenants.get(tenant);
    if (known) return known;
    const remembered = this.memory?.tenant(tenant);
    if (remembered) {
      const row = this.remembered.find((one) => one.tenant === tenant);
      if (row) row.revision = remembered.revision;
      else this.remembered.push({ tenant, revision: remembered.revision });
      this.keys.rememberTenant(tenant, remembered.key);
    }
    const found = remembered ?? {
      revision: this.loaded.revisions?.find((row) => row.tenant === tenant)?.revision ?? 0,
      directories: (this.loaded.directories ?? []).filter((row) => row.tenant === tenant),
      definitions: this.definitions.get(tenant),
      domains: domainsOf(tenant, this.loaded.domains ?? []),
    };
    this.tenants.set(tenant, found);
    return found;
  }

  private definitionOf(tenant: string): ResourceDefinition {
    return (this.tenantOf(tenant).definitions ?? STANDARD).user;
  }

  /**
   * Keys that went are free for the next command of the batch, keys that came are taken; the unique ones are written
   * down.
   */
  private move(tenant: string, id: string, before: UserState, after: UserState): void {
    const [old, now] = [before ? keysOf(before) : [], after ? keysOf(after) : []];
    const without = (keys: readonly Key[], others: readonly Key[]): Key[] =>
      keys.filter((key) => !others.some(({ kind, value }) => kind === key.kind && value === key.value));
    const [gone, come] = [without(old, now), without(now, old)];
    this.index(tenant, id, gone, come);
    const claim = ({ kind, value }: Key, holder: string | null): void => {
      if (isClaimed(kind)) this.claims.set(keyText({ tenant, kind, value }), { tenant, kind, value, holder });
    };
    for (const key of gone) claim(key, null);
    for (const key of come) claim(key, id);
  }

  private index(tenant: string, id: string, gone: readonly Key[], come: readonly Key[]): void {
    for (const { kind, value } of gone) {
      const key = keyText({ tenant, kind, value });
      const known = this.bearers.get(key);
      if (known && known.size >= MAX_EMAIL_BEARERS) this.unclear.add(key);
      known?.delete(id);
    }
    for (const { kind, value } of come) {
      const key = keyText({ tenant, kind, value });
      this.bearers.set(key, (this.bearers.get(key) ?? new Set()).add(id));
    }
  }

  private stored(tenant: string, person: string, version: number, event: UserEvent): NewEvent<UserEvent>['stored'] {
    const { data, personal } = divided(event);
    return { data, personal: personal && this.keys.seal(tenant, person, version, personal) };
  }
}
