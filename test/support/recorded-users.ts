import type pg from 'pg';
import { keyContext, sealContext, type UserEvent } from '#contracts';
import { newKey, seal } from '#event-store';
import { uuidv7 } from '#runtime';
import { STANDARD } from '#scim';
import { isClaimed, keysOf } from '../../apps/identity/src/identifiers.js';
import { divided } from '../../apps/identity/src/person-keys.js';
import { knownAsRows, USER_COLUMNS, userRow } from '../../apps/identity/src/user-rows.projection.js';
import { evolve, type UserState } from '../../apps/identity/src/user.js';

const PAGE_USERS = 500;
const TYPES = { UserCreated: 'muster.user.created.v2', UserChanged: 'muster.user.changed.v1' } as const;

/**
 * Users of a tenant with their events, keys, rows and claims, as identity would have written them: 1,000 take 0.3 s.
 * Each has one event for its creation and `changes` more.
 */
export const recordUsers = async (
  owner: pg.Client,
  masterKey: Buffer,
  users: number,
  changes: number,
): Promise<string> => {
  const [tenant, tenantKey, directory] = [uuidv7(), newKey(), uuidv7()];
  await owner.query('INSERT INTO keys.tenants VALUES ($1, $2)', [
    tenant,
    seal(masterKey, keyContext(tenant), tenantKey),
  ]);
  // An event that is older than a minute has to be an entry of the audit log, which is told of none of these.
  const now = new Date().toISOString();
  let sequence = 0;
  for (let from = 0; from < users; from += PAGE_USERS) {
    const tables: Record<string, object[]> = {
      'keys.persons': [],
      'identity.events': [],
      'identity.outcomes': [],
      'identity.users': [],
      'identity.claims': [],
      'identity.known_as': [],
    };
    for (let user = from; user < Math.min(users, from + PAGE_USERS); user++) {
      const [id, key] = [uuidv7(), newKey()];
      tables['keys.persons']!.push({ tenant, person: id, wrapped: seal(tenantKey, keyContext(tenant, id), key) });
      let state: UserState = null;
      for (let version = 1; version <= 1 + changes; version++) {
        const event = eventOf(version, `User-${user}@${tenant}.example.org`, id, directory);
        const { data, personal } = divided(event);
        const command = uuidv7();
        tables['identity.events']!.push({
          tenant,
          sequence: ++sequence,
          stream: id,
          version,
          type: TYPES[event.type as keyof typeof TYPES],
          recorded_at: now,
          command_id: command,
          correlation_id: command,
          actor: 'test',
          directory,
          data,
          personal: seal(key, sealContext(tenant, id, version), JSON.stringify(personal)),
        });
        tables['identity.outcomes']!.push({
          command_id: command,
          tenant,
          outcome: { status: 'done', value: { id, version } },
          recorded_at: now,
        });
        const before = state;
        state = evolve(state, event, id, now);
        tables['identity.known_as']!.push(...knownAsRows(tenant, id, version, before, state));
      }
      tables['identity.users']!.push(userRow(tenant, state!, STANDARD.user));
      for (const { kind, value } of keysOf(state!))
        if (isClaimed(kind)) tables['identity.claims']!.push({ tenant, kind, value, holder: id });
    }
    for (const [table, rows] of Object.entries(tables)) {
      const columns = table === 'identity.users' ? `(${Object.keys(USER_COLUMNS).join(', ')})` : '';
      const selected = table === 'identity.users' ? Object.keys(USER_COLUMNS).join(', ') : '*';
      await owner.query(
        `INSERT INTO ${table} ${columns} SELECT ${selected} FROM json_populate_recordset(NULL::${table}, $1)`,
        [JSON.stringify(rows)],
      );
    }
  }
  return tenant;
};

const eventOf = (version: number, userName: string, id: string, directory: string): UserEvent => {
  const under = { directory, directoryVersion: 1 };
  if (version > 1)
    return { type: 'UserChanged', changes: { title: `Title ${version}`, displayName: `Name ${version}` }, ...under };
  const matching = { rule: 'create', candidates: [], result: id } as const;
  const resource = {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    userName,
    externalId: id,
    active: true,
    displayName: 'Chris Green',
    name: { givenName: 'Chris', familyName: 'Green', formatted: 'Chris Green' },
    emails: [{ type: 'work', value: userName, primary: true }],
    phoneNumbers: [{ type: 'work', value: '+41 44 000 00 00' }],
    title: 'Engineer',
  };
  return { type: 'UserCreated', resource, manager: directory, matching, ...under };
};
