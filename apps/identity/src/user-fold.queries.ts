import { OLD_USER_EVENTS, schemasAsJson, upcaster, USER_EVENT_TYPES, WITHDRAWN, type UserEvent } from '#contracts';
import { Unfoldable, type Fold, type FoldTable, type Row } from '#event-store';
import { definitionsByTenant, STANDARD, type TenantSchema } from '#scim';
import { isClaimed, keysOf } from './identifiers.js';
import { openPersonal, openPersonKey, openTenantKey, personKey } from './person-keys.projection.js';
import {
  DELETED_COLUMNS,
  deletedRow,
  KNOWN_AS_COLUMNS,
  knownAsRows,
  USER_COLUMNS,
  userRow,
} from './user-rows.projection.js';
import { evolve, type UserState } from './user.js';

export const upcastUser = upcaster<UserEvent>(USER_EVENT_TYPES, OLD_USER_EVENTS);

const USERS: FoldTable = {
  name: 'identity.users',
  noun: 'user',
  columns: USER_COLUMNS,
  key: ['tenant', 'id'],
  tenant: 'tenant',
  stream: 'id',
};

const KNOWN_AS: FoldTable = {
  name: 'identity.known_as',
  noun: 'former identifier',
  columns: KNOWN_AS_COLUMNS,
  key: ['id', 'version', 'n'],
  tenant: 'tenant',
  stream: 'id',
  part: ['version', 'n'],
  parent: 'user',
};
const DELETED_USERS: FoldTable = {
  name: 'identity.deleted_users',
  noun: 'deleted user',
  columns: DELETED_COLUMNS,
  key: ['tenant', 'id'],
  tenant: 'tenant',
  stream: 'id',
};

/** A user with everything by which it was known, which is kept when the user is gone. */
interface Remembered {
  readonly user: UserState;
  readonly knownAs: Row[];
  readonly deleted: Row | null;
}

/** SQL: a sign-in identity as it is claimed. */
export const signInClaim = (signIn: string): string =>
  `concat_ws('/', ${signIn}->>'directory', ${signIn}->>'movedVersion', ${signIn}->>'loginType', ${signIn}->>'providerId')`;

/** SQL: whether the holder of a claim is there, and bears it. */
export const isBorne = (claim: string): string => `EXISTS (
  SELECT FROM identity.users u WHERE u.tenant = ${claim}.tenant AND u.id = ${claim}.holder AND CASE ${claim}.kind
    WHEN 'userName' THEN coalesce(u.name_key, u.user_name_folded) = ${claim}.value AND u.directory IS DISTINCT FROM '${WITHDRAWN}'
    ELSE EXISTS (SELECT FROM jsonb_array_elements(u.links->'signIns') AS s WHERE ${signInClaim('s')} = ${claim}.value) END
  OFFSET 0)`;

/**
 * Makes the rows of users from their events. `masterKey` opens the keys of the tenants, which open those of the
 * persons.
 */
export const userFold = (masterKey: Buffer): Fold<Remembered> => {
  const tenantKeys = new Map<string, Buffer>();
  return {
    owner: 'identity',
    noun: 'user',
    tables: [USERS, KNOWN_AS, DELETED_USERS],
    claims: { name: 'identity.claims', isBorne },
    begin: async (client, streams) => {
      const { rows } = await client.query<{
        tenants: Record<string, string> | null;
        persons: Record<string, string> | null;
        schemas: (TenantSchema & { tenant: string })[] | null;
      }>(
        `SELECT (SELECT json_object_agg(k.tenant, k.wrapped) FROM keys.tenants k WHERE k.tenant = ANY ($1::uuid[])) AS tenants,
           (SELECT json_object_agg(s.stream, k.wrapped) FROM unnest($2::uuid[], $3::uuid[]) AS s(tenant, stream)
            CROSS JOIN LATERAL ${personKey('s.tenant', 's.stream')} k) AS persons,
           ${schemasAsJson('= ANY ($1::uuid[])')} AS schemas`,
        [
          [...new Set(streams.map(({ tenant }) => tenant))],
          streams.map(({ tenant }) => tenant),
          streams.map(({ stream }) => stream),
        ],
      );
      const { tenants, persons, schemas } = rows[0]!;
      const definitions = definitionsByTenant(schemas);
      const keys = new Map<string, Buffer>();
      const keyOf = (tenant: string, person: string): Buffer => {
        const known = keys.get(person);
        if (known) return known;
        const [ofTenant, ofPerson] = [tenants?.[tenant], persons?.[person]];
        if (ofTenant === undefined || ofPerson === undefined) throw new Unfoldable('has events and no key');
        let tenantKey = tenantKeys.get(tenant);
        if (!tenantKey) tenantKeys.set(tenant, (tenantKey = openTenantKey(masterKey, { tenant, wrapped: ofTenant })));
        const key = openPersonKey(tenantKey, { tenant, person, wrapped: ofPerson });
        keys.set(person, key);
        return key;
      };
      return {
        evolve: (state, event) => {
          const { tenant, stream, type, data, recorded_at } = event;
          const shape = { ...(data as object), ...openPersonal(keyOf(tenant, stream), event) };
          const at = recorded_at.toISOString();
          const before = state?.user ?? null;
          const user = evolve(before, upcastUser(type, shape), stream, at);
          const came = knownAsRows(tenant, stream, event.version, before, user);
          state?.knownAs.push(...came);
          return {
            user,
            knownAs: state?.knownAs ?? came,
            deleted: before && !user ? deletedRow(tenant, before, event.version, at) : (state?.deleted ?? null),
          };
        },
        rowsOf: ({ tenant }, state) =>
          state
            ? {
                [USERS.name]: state.user
                  ? [userRow(tenant, state.user, (definitions.get(tenant) ?? STANDARD).user)]
                  : [],
                [KNOWN_AS.name]: state.knownAs,
                [DELETED_USERS.name]: state.deleted ? [state.deleted] : [],
              }
            : {},
        claimsOf: (_id, state) =>
          state?.user
            ? keysOf(state.user).flatMap(({ kind, value }) => (isClaimed(kind) ? [[kind, value] as const] : []))
            : [],
      };
    },
  };
};
