import type { ClientBase } from 'pg';
import { schemasAsJson, type UserEvent } from '#contracts';
import {
  inPages,
  MAX_FINDINGS,
  oneStream,
  streams,
  upcast,
  type Finding,
  type Progress,
  type StoredEvent,
  type Verification,
} from '#event-store';
import { definitionsOf, isEqual, type Json, type TenantSchema } from '#scim';
import { openPersonal, openPersonKey, openTenantKey } from './person-keys.projection.js';
import { userRow } from './user.projection.js';
import { evolve, type UserState } from './user.js';

/** A user that changes while it is compared is looked at again. */
const ATTEMPTS = 3;
const LEAST_ID = '00000000-0000-0000-0000-000000000000';

interface UserColumns {
  readonly [column: string]: Json | Date;
}

interface Claimed {
  readonly tenant: string;
  readonly kind: string;
  readonly value: string;
  readonly holder: string | null;
  /** Whether the holder is there and bears it. */
  readonly is_borne: boolean;
}

interface Borne {
  readonly tenant: string;
  readonly id: string;
  readonly kind: string;
  readonly value: string;
  readonly holder: string | null;
  readonly has_events: boolean;
}

/**
 * I1, I5 and I7 of users, on a live database: each projection row is the fold of its stream, its version is the
 * stream's, nobody has a row without a stream, and each user name and sign-in identity is claimed by exactly the user
 * who bears it.
 */
export const verifyUsers = async (
  client: ClientBase,
  masterKey: Buffer,
  progress: Progress = () => undefined,
): Promise<Verification> => {
  const findings: Finding[] = [];
  const tenantKeys = new Map<string, Buffer>();
  let seen = 0;
  for await (const { tenant, stream, events } of streams(client, 'identity')) {
    let found = await compare(client, masterKey, tenantKeys, tenant, stream, events);
    for (let attempt = 1; found.length > 0 && attempt < ATTEMPTS; attempt++) {
      found = await compare(client, masterKey, tenantKeys, tenant, stream, oneStream(client, 'identity', stream));
    }
    findings.push(...found);
    progress('user streams', ++seen);
  }
  const [borne, claimed] = [await verifyBorne(client, progress), await verifyClaimed(client, progress)];
  findings.push(...borne.findings, ...claimed);
  return { compared: { 'user streams': seen, 'user rows': borne.rows }, findings };
};

/**
 * Each user has events, and what it bears is claimed by it. A page of users and their claims is read in one statement,
 * and so of one moment.
 */
const verifyBorne = async (client: ClientBase, progress: Progress): Promise<{ rows: number; findings: Finding[] }> => {
  const [orphans, claims]: [Finding[], Finding[]] = [[], []];
  let users = 0;
  const pages = inPages<Borne>(
    async (last, maxRows) =>
      (
        await client.query<Borne>(
          `
    SELECT p.tenant, p.id, b.kind, b.value, c.holder, EXISTS (SELECT FROM identity.events e WHERE e.stream = p.id OFFSET 0) AS has_events
    FROM (SELECT tenant, id, coalesce(name_key, user_name_folded) AS name, links->'signIns' AS sign_ins
      FROM identity.users WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3) p
    CROSS JOIN LATERAL (
      SELECT 'userName' AS kind, p.name AS value
      UNION ALL SELECT 'signIn', ${signInOf('s')} FROM jsonb_array_elements(p.sign_ins) AS s
    ) b
    LEFT JOIN LATERAL (SELECT holder FROM identity.claims c WHERE c.tenant = p.tenant AND c.kind = b.kind AND c.value = b.value COLLATE "C" OFFSET 0) c ON true
    ORDER BY p.tenant, p.id`,
          [last?.tenant ?? LEAST_ID, last?.id ?? LEAST_ID, maxRows],
        )
      ).rows,
  );
  for await (const page of pages) {
    for (const { id, kind, value, holder, has_events: hasEvents } of page) {
      if (kind === 'userName') users++;
      if (kind === 'userName' && !hasEvents && orphans.length < MAX_FINDINGS)
        orphans.push({ invariant: 'I5', detail: `user ${id} has a row and no events` });
      if (holder !== id && claims.length < MAX_FINDINGS)
        claims.push({
          invariant: 'I7',
          detail: `${kind} ${value} is claimed by ${holder ?? 'nobody'} and borne by ${id}`,
        });
    }
    progress('user rows', users);
  }
  return { rows: users, findings: [...orphans, ...claims] };
};

/** Each claimed name has to be one that its claimant bears. */
const verifyClaimed = async (client: ClientBase, progress: Progress): Promise<Finding[]> => {
  const findings: Finding[] = [];
  let claims = 0;
  const pages = inPages<Claimed>(
    async (last, maxRows) =>
      (
        await client.query<Claimed>(
          `
    SELECT c.*, EXISTS (
      SELECT FROM identity.users u WHERE u.tenant = c.tenant AND u.id = c.holder AND CASE c.kind
        WHEN 'userName' THEN coalesce(u.name_key, u.user_name_folded) = c.value
        ELSE EXISTS (SELECT FROM jsonb_array_elements(u.links->'signIns') AS s WHERE ${signInOf('s')} = c.value) END
      OFFSET 0) AS is_borne
    FROM (SELECT tenant, kind, value, holder FROM identity.claims WHERE (tenant, kind, value) > ($1, $2, $3) ORDER BY tenant, kind, value LIMIT $4) c
    ORDER BY c.tenant, c.kind, c.value`,
          [last?.tenant ?? LEAST_ID, last?.kind ?? '', last?.value ?? '', maxRows],
        )
      ).rows,
  );
  for await (const page of pages) {
    for (const { kind, value, holder, is_borne: isBorne } of page) {
      if (holder === null || isBorne || findings.length >= MAX_FINDINGS) continue;
      findings.push({ invariant: 'I7', detail: `${kind} ${value} is claimed by ${holder}, who does not bear it` });
    }
    progress('claims of users', (claims += page.length));
  }
  return findings;
};

const signInOf = (signIn: string): string =>
  `concat_ws('/', ${signIn}->>'directory', ${signIn}->>'loginType', ${signIn}->>'providerId')`;

const compare = async (
  client: ClientBase,
  masterKey: Buffer,
  tenantKeys: Map<string, Buffer>,
  tenant: string,
  stream: string,
  events: AsyncIterable<StoredEvent>,
): Promise<Finding[]> => {
  const { rows } = await client.query<{
    tenant_key: string;
    person_key: string | null;
    row: UserColumns | null;
    schemas: TenantSchema[] | null;
  }>(
    `
    SELECT t.wrapped AS tenant_key, p.wrapped AS person_key, to_jsonb(u) AS row,
      ${schemasAsJson('= t.tenant')} AS schemas
    FROM keys.tenants t LEFT JOIN keys.persons p ON p.tenant = t.tenant AND p.person = $2
    LEFT JOIN identity.users u ON u.tenant = t.tenant AND u.id = $2 WHERE t.tenant = $1`,
    [tenant, stream],
  );
  const found = rows[0];
  if (!found?.person_key) return [{ invariant: 'I5', detail: `user ${stream} has events and no key` }];
  let state: UserState = null;
  let version = 0;
  let key: Buffer | undefined;
  for await (const event of events) {
    if (event.version !== ++version) return [{ invariant: 'I6', detail: `user ${stream} has no version ${version}` }];
    try {
      key ??= keyOf(tenant, stream, masterKey, tenantKeys, found.tenant_key, found.person_key);
      state = evolve(state, opened(event, key), stream, event.recorded_at.toISOString());
    } catch (error) {
      return [{ invariant: 'I5', detail: `the events of user ${stream} cannot be read: ${(error as Error).message}` }];
    }
  }
  const expected = state && userRow(tenant, state, definitionsOf(found.schemas).user);
  if (!expected || !found.row) {
    return !expected === !found.row
      ? []
      : [{ invariant: 'I5', detail: `user ${stream} has ${found.row ? 'a row' : 'no row'}, its events say otherwise` }];
  }
  return Object.entries(expected).flatMap(([column, value]) => {
    const actual = found.row![column];
    const isTime = column === 'created' || column === 'last_modified';
    const same = isTime
      ? Date.parse(String(actual)) === Date.parse(String(value))
      : isEqual(actual as Json, value as Json);
    if (same) return [];
    return [
      {
        invariant: column === 'version' ? 'I1' : 'I5',
        detail: `user ${stream}: ${column} of the row is not the fold of its events`,
      },
    ];
  });
};

const keyOf = (
  tenant: string,
  stream: string,
  masterKey: Buffer,
  tenantKeys: Map<string, Buffer>,
  wrappedTenantKey: string,
  wrapped: string,
): Buffer => {
  const tenantKey = tenantKeys.get(tenant) ?? openTenantKey(masterKey, { tenant, wrapped: wrappedTenantKey });
  tenantKeys.set(tenant, tenantKey);
  return openPersonKey(tenantKey, { tenant, person: stream, wrapped });
};

const opened = (event: StoredEvent, key: Buffer): UserEvent =>
  upcast<UserEvent>(event.type, { ...(event.data as object), ...openPersonal(key, event) });
