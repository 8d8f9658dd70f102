import { schemasAsJson, USER_EVENT_TYPES, type UserEvent } from '#contracts';
import { Unfoldable, upcaster, type Fold, type FoldTable } from '#event-store';
import { definitionsByTenant, STANDARD, type TenantSchema } from '#scim';
import { isClaimed, keysOf } from './identifiers.js';
import { OLD_USER_EVENTS } from './old-events.js';
import { openPersonal, openPersonKey, openTenantKey, personKey } from './person-keys.projection.js';
import { USER_COLUMNS, userRow } from './user.projection.js';
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

/** SQL: a sign-in identity as it is claimed. */
export const signInClaim = (signIn: string): string =>
  `concat_ws('/', ${signIn}->>'directory', ${signIn}->>'loginType', ${signIn}->>'providerId')`;

/** SQL: whether the holder of a claim is there, and bears it. */
export const isBorne = (claim: string): string => `EXISTS (
  SELECT FROM identity.users u WHERE u.tenant = ${claim}.tenant AND u.id = ${claim}.holder AND CASE ${claim}.kind
    WHEN 'userName' THEN coalesce(u.name_key, u.user_name_folded) = ${claim}.value
    ELSE EXISTS (SELECT FROM jsonb_array_elements(u.links->'signIns') AS s WHERE ${signInClaim('s')} = ${claim}.value) END
  OFFSET 0)`;

/**
 * Makes the rows of users from their events. `masterKey` opens the keys of the tenants, which open those of the
 * persons.
 */
export const userFold = (masterKey: Buffer): Fold<UserState> => {
  const tenantKeys = new Map<string, Buffer>();
  return {
    owner: 'identity',
    noun: 'user',
    tables: [USERS],
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
          return evolve(state, upcastUser(type, shape), stream, recorded_at.toISOString());
        },
        rowsOf: ({ tenant }, state) =>
          state ? { [USERS.name]: [userRow(tenant, state, (definitions.get(tenant) ?? STANDARD).user)] } : {},
        claimsOf: (_id, state) =>
          state ? keysOf(state).flatMap(({ kind, value }) => (isClaimed(kind) ? [[kind, value] as const] : [])) : [],
      };
    },
  };
};
