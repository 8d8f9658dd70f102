import type { ClientBase } from 'pg';
import { schemasAsJson, type UserEvent } from '#contracts';
import { oneStream, streams, unseal, upcast, type Finding, type StoredEvent, type Verification } from '#event-store';
import { definitionsOf, isEqual, type Json, type TenantSchema } from '#scim';
import { keyContext, sealContext, userRow } from './user.projection.js';
import { evolve, type UserState } from './user.js';

/** A user that changes while it is compared is looked at again. */
const ATTEMPTS = 3;

interface UserColumns {
  readonly [column: string]: Json | Date;
}

/**
 * I1, I5 and I7 of users, on a live database: each projection row is the fold of its stream, its version is the stream's, nobody has
 * a row without a stream, and each user name and sign-in identity is claimed by exactly the user who bears it.
 */
export const verifyUsers = async (client: ClientBase, masterKey: Buffer): Promise<Verification> => {
  const findings: Finding[] = [];
  const tenantKeys = new Map<string, Buffer>();
  let users = 0;
  let seen = 0;
  for await (const events of streams(client, 'identity')) {
    seen++;
    let found = await compare(client, masterKey, tenantKeys, events);
    for (let attempt = 1; found.length > 0 && attempt < ATTEMPTS; attempt++) {
      found = await compare(client, masterKey, tenantKeys, await oneStream(client, 'identity', events[0]!.stream));
    }
    findings.push(...found);
    users++;
  }
  const { rows: orphans } = await client.query<{ id: string }>(
    'SELECT u.id FROM identity.users u WHERE NOT EXISTS (SELECT FROM identity.events e WHERE e.stream = u.id) LIMIT 100',
  );
  for (const { id } of orphans) findings.push({ invariant: 'I5', detail: `user ${id} has a row and no events` });
  const { rows: claims } = await client.query<{ kind: string; value: string; holder: string | null; ids: string[] | null }>(`
    SELECT kind, value, c.holder, b.ids FROM identity.claims c
    FULL JOIN (
      SELECT tenant, 'userName' AS kind, coalesce(name_key, user_name_folded) AS value, array_agg(id) AS ids FROM identity.users GROUP BY 1, 3
      UNION ALL
      SELECT tenant, 'signIn', concat_ws('/', s->>'directory', s->>'loginType', s->>'providerId'), array_agg(id)
      FROM identity.users CROSS JOIN jsonb_array_elements(links->'signIns') AS s GROUP BY 1, 3
    ) b USING (tenant, kind, value)
    WHERE (c.holder IS NULL) <> (b.ids IS NULL) OR array_length(b.ids, 1) > 1 OR c.holder <> b.ids[1]
    LIMIT 100`);
  for (const { kind, value, holder, ids } of claims) {
    findings.push({ invariant: 'I7', detail: `${kind} ${value} is claimed by ${holder ?? 'nobody'} and borne by ${ids?.join(', ') ?? 'nobody'}` });
  }
  return { compared: { 'user streams': seen, 'user rows': users }, findings };
};

const compare = async (
  client: ClientBase, masterKey: Buffer, tenantKeys: Map<string, Buffer>, events: readonly StoredEvent[],
): Promise<Finding[]> => {
  const { tenant, stream } = events[0]!;
  const gap = events.findIndex(({ version }, index) => version !== index + 1);
  if (gap >= 0) return [{ invariant: 'I6', detail: `user ${stream} has no version ${gap + 1}` }];
  const { rows } = await client.query<{ tenant_key: string; person_key: string | null; row: UserColumns | null; schemas: TenantSchema[] | null }>(`
    SELECT t.wrapped AS tenant_key, p.wrapped AS person_key, to_jsonb(u) AS row,
      ${schemasAsJson('= t.tenant')} AS schemas
    FROM keys.tenants t LEFT JOIN keys.persons p ON p.tenant = t.tenant AND p.person = $2
    LEFT JOIN identity.users u ON u.tenant = t.tenant AND u.id = $2 WHERE t.tenant = $1`, [tenant, stream]);
  const found = rows[0];
  if (!found?.person_key) return [{ invariant: 'I5', detail: `user ${stream} has events and no key` }];
  let state: UserState = null;
  try {
    const tenantKey = tenantKeys.get(tenant) ?? unseal(masterKey, keyContext(tenant), found.tenant_key);
    tenantKeys.set(tenant, tenantKey);
    const key = unseal(tenantKey, keyContext(tenant, stream), found.person_key);
    for (const event of events) state = evolve(state, opened(event, key), stream, event.recorded_at.toISOString());
  } catch (error) {
    return [{ invariant: 'I5', detail: `the events of user ${stream} cannot be read: ${(error as Error).message}` }];
  }
  const expected = state && userRow(tenant, state, definitionsOf(found.schemas).user);
  if (!expected || !found.row) {
    return !expected === !found.row ? [] : [{ invariant: 'I5', detail: `user ${stream} has ${found.row ? 'a row' : 'no row'}, its events say otherwise` }];
  }
  return Object.entries(expected).flatMap(([column, value]) => {
    const actual = found.row![column];
    const isTime = column === 'created' || column === 'last_modified';
    const same = isTime ? Date.parse(String(actual)) === Date.parse(String(value)) : isEqual(actual as Json, value as Json);
    if (same) return [];
    return [{ invariant: column === 'version' ? 'I1' : 'I5', detail: `user ${stream}: ${column} of the row is not the fold of its events` }];
  });
};

const opened = (event: StoredEvent, key: Buffer): UserEvent => {
  const personal = event.personal === null ? {} : (JSON.parse(unseal(key, sealContext(event.tenant, event.stream, event.version), event.personal).toString()) as object);
  return upcast<UserEvent>(event.type, { ...(event.data as object), ...personal });
};
