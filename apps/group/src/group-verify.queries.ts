import { setTimeout as delay } from 'node:timers/promises';
import type { ClientBase } from 'pg';
import { schemasAsJson, USERS_VIEW, type GroupEvent, type MemberType } from '#contracts';
import { oneStream, streams, upcast, type Finding, type StoredEvent, type Verification } from '#event-store';
import { definitionsOf, isEqual, type Json, type TenantSchema } from '#scim';
import { groupRow } from './group.projection.js';
import { evolve, type GroupState } from './group.js';

/** A group that changes while it is compared is looked at again. */
const ATTEMPTS = 3;
/** A user who has just been deleted leaves its groups a moment later, or many groups in several moments: then there are fewer each time. */
const DRAINED_AFTER_MS = 5_000;
const LOOK_AGAIN_MS = 250;
const PAGE_ROWS = 10_000;
const LEAST_ID = '00000000-0000-0000-0000-000000000000';

interface Member {
  readonly tenant: string;
  readonly group_id: string;
  readonly member: string;
}

/**
 * I1, I5 and I7 of groups, on a live database: each row, and the set of the members, is the fold of its stream; each name is claimed by
 * exactly the group that bears it; and no membership points at a user or group that is not there.
 */
export const verifyGroups = async (client: ClientBase): Promise<Verification> => {
  const findings: Finding[] = [];
  const compared = { 'group streams': 0, memberships: 0 };
  for await (const events of streams(client, 'group')) {
    compared['group streams']++;
    let found = await compare(client, events);
    for (let attempt = 1; found.length > 0 && attempt < ATTEMPTS; attempt++) {
      found = await compare(client, await oneStream(client, 'group', events[0]!.stream));
    }
    findings.push(...found);
  }
  const { rows: orphans } = await client.query<{ id: string }>(
    'SELECT g.id FROM "group".groups g WHERE NOT EXISTS (SELECT FROM "group".events e WHERE e.stream = g.id) LIMIT 100',
  );
  for (const { id } of orphans) findings.push({ invariant: 'I5', detail: `group ${id} has a row and no events` });
  const { rows: claims } = await client.query<{ value: string; holder: string | null; ids: string[] | null }>(`
    SELECT value, c.holder, b.ids FROM "group".claims c
    FULL JOIN (
      SELECT tenant, 'displayName' AS kind, coalesce(directory::text, 'local') || '/' || coalesce(name_key, display_name_folded) AS value, array_agg(id) AS ids
      FROM "group".groups GROUP BY 1, 3
    ) b USING (tenant, kind, value)
    WHERE (c.holder IS NULL) <> (b.ids IS NULL) OR array_length(b.ids, 1) > 1 OR c.holder <> b.ids[1]
    LIMIT 100`);
  for (const { value, holder, ids } of claims) {
    findings.push({ invariant: 'I7', detail: `group name ${value} is claimed by ${holder ?? 'nobody'} and borne by ${ids?.join(', ') ?? 'nobody'}` });
  }
  for await (const page of memberships(client)) {
    compared.memberships += page.length;
    const dangling = await nobody(client, page);
    for (const { group_id, member } of dangling) findings.push({ invariant: 'I7', detail: `group ${group_id} has the member ${member}, whom there is not` });
  }
  return { compared, findings };
};

async function* memberships(client: ClientBase): AsyncGenerator<Member[]> {
  for (let last: Member = { tenant: LEAST_ID, group_id: LEAST_ID, member: LEAST_ID }, full = true; full; ) {
    const { rows } = await client.query<Member>(
      `SELECT tenant, group_id, member FROM "group".members WHERE (group_id, member) > ($1, $2)
       ORDER BY group_id, member LIMIT ${PAGE_ROWS}`, [last.group_id, last.member],
    );
    if (rows.length > 0) yield rows;
    full = rows.length === PAGE_ROWS;
    last = rows.at(-1) ?? last;
  }
}

/**
 * Memberships of what is not there, or in what is not there, when they have not become fewer for as long as the lanes may take. Each is looked up
 * by key: joined with all, 10,000 of them took longer than a statement may where the planner knew little of new tables.
 */
const nobody = async (client: ClientBase, page: readonly Member[]): Promise<readonly Member[]> => {
  let found = page;
  for (let sinceMs = performance.now(); ; await delay(LOOK_AGAIN_MS)) {
    const before = found.length;
    ({ rows: found } = await client.query<Member>(`
      SELECT t.tenant, t.group_id, t.member FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS t(tenant, group_id, member)
      CROSS JOIN LATERAL (SELECT kind FROM "group".members WHERE group_id = t.group_id AND member = t.member AND tenant = t.tenant OFFSET 0) m
      WHERE NOT EXISTS (SELECT FROM "group".groups WHERE tenant = t.tenant AND id = t.group_id OFFSET 0)
        OR NOT CASE m.kind
          WHEN 'U' THEN EXISTS (SELECT FROM ${USERS_VIEW} WHERE tenant = t.tenant AND id = t.member OFFSET 0)
          ELSE EXISTS (SELECT FROM "group".groups WHERE tenant = t.tenant AND id = t.member OFFSET 0) END`,
      [found.map(({ tenant }) => tenant), found.map(({ group_id }) => group_id), found.map(({ member }) => member)],
    ));
    if (found.length < before) sinceMs = performance.now();
    if (found.length === 0 || performance.now() - sinceMs > DRAINED_AFTER_MS) return found;
  }
};

const compare = async (client: ClientBase, events: readonly StoredEvent[]): Promise<Finding[]> => {
  const { tenant, stream } = events[0]!;
  const gap = events.findIndex(({ version }, index) => version !== index + 1);
  if (gap >= 0) return [{ invariant: 'I6', detail: `group ${stream} has no version ${gap + 1}` }];
  let state: GroupState = null;
  const members = new Map<string, MemberType>();
  for (const { type, data, recorded_at } of events) {
    const event = upcast<GroupEvent>(type, data as object as Readonly<Record<string, unknown>>);
    state = evolve(state, event, stream, recorded_at.toISOString());
    if (event.type === 'GroupMembersChanged') {
      for (const { value } of event.removed) members.delete(value);
      for (const { value, type: kind } of event.added) members.set(value, kind);
    }
  }
  if (!state) members.clear();
  // One statement: the row and the members are of one moment.
  const { rows } = await client.query<{ row: Readonly<Record<string, Json>> | null; members: string[] | null; schemas: TenantSchema[] | null }>(`
    SELECT (SELECT to_jsonb(g) FROM "group".groups g WHERE g.tenant = $1 AND g.id = $2) AS row,
      (SELECT array_agg(kind::text || ' ' || member) FROM "group".members WHERE tenant = $1 AND group_id = $2
         AND NOT EXISTS (SELECT FROM "group".emptying WHERE tenant = $1 AND group_id = $2)) AS members,
      ${schemasAsJson('= $1')} AS schemas`, [tenant, stream]);
  const { row, members: stored, schemas } = rows[0]!;
  const expected = state && groupRow(tenant, state, definitionsOf(schemas).group);
  if (!expected !== !row) return [{ invariant: 'I5', detail: `group ${stream} has ${row ? 'a row' : 'no row'}, its events say otherwise` }];
  const findings = Object.entries(expected ?? {}).flatMap(([column, value]): Finding[] => {
    const actual = row![column]!;
    const isTime = column === 'created' || column === 'last_modified';
    const same = isTime ? Date.parse(String(actual)) === Date.parse(String(value)) : isEqual(actual, value as Json);
    return same ? [] : [{ invariant: column === 'version' ? 'I1' : 'I5', detail: `group ${stream}: ${column} of the row is not the fold of its events` }];
  });
  const actual = new Set(stored ?? []);
  const due = new Set([...members].map(([id, type]) => `${type[0]} ${id}`));
  for (const one of due) if (!actual.has(one)) findings.push({ invariant: 'I5', detail: `group ${stream} has not the member ${one.slice(2)} that its events say` });
  for (const one of actual) if (!due.has(one)) findings.push({ invariant: 'I5', detail: `group ${stream} has the member ${one.slice(2)} without an event` });
  return findings;
};
