import { setTimeout as delay } from 'node:timers/promises';
import type { ClientBase } from 'pg';
import { USERS_VIEW } from '#contracts';
import {
  LEAST_ID,
  inPages,
  MAX_FINDINGS,
  verifyFold,
  type Finding,
  type Progress,
  type Verification,
} from '#event-store';
import { claimOf, groupFold, isBorne } from './group-fold.queries.js';

/**
 * A user who has just been deleted leaves its groups a moment later, or many groups in several moments: then there are
 * fewer each time.
 */
const DRAINED_AFTER_MS = 5_000;
const LOOK_AGAIN_MS = 250;
/** The most memberships without a member that are looked at again: whoever has more to mend runs verify again. */
const MAX_SUSPECTS = 10_000;

interface Member {
  readonly tenant: string;
  readonly group_id: string;
  readonly member: string;
}

interface Borne {
  readonly tenant: string;
  readonly id: string;
  readonly value: string;
  readonly holder: string | null;
  readonly has_events: boolean;
}

interface Claimed {
  readonly tenant: string;
  readonly value: string;
  readonly holder: string | null;
  /** True if the holder exists and bears it. */
  readonly is_borne: boolean;
}

/**
 * Compares groups with their events, on a live database: each row, and the set of the members, is the fold of its
 * stream; each name is claimed by exactly the group that bears it; and no membership points at a user or group that is
 * not there.
 */
export const verifyGroups = async (client: ClientBase, progress: Progress = () => undefined): Promise<Verification> => {
  const folded = await verifyFold(client, groupFold(), progress);
  const findings = [...folded.findings];
  const compared = { 'group streams': folded.streams, memberships: 0 };
  findings.push(...(await verifyBorne(client)), ...(await verifyClaimed(client)));
  const pages = inPages<Member>(
    async (last, maxRows) =>
      (
        await client.query<Member>(
          `SELECT tenant, group_id, member FROM "group".members WHERE (group_id, member) > ($1, $2)
     ORDER BY group_id, member LIMIT $3`,
          [last?.group_id ?? LEAST_ID, last?.member ?? LEAST_ID, maxRows],
        )
      ).rows,
  );
  const suspects: Member[] = [];
  for await (const page of pages) {
    if (suspects.length < MAX_SUSPECTS) suspects.push(...(await dangling(client, page)));
    progress('memberships', (compared.memberships += page.length));
  }
  for (const { group_id, member } of await drained(client, suspects.slice(0, MAX_SUSPECTS))) {
    findings.push({ rule: 'member', detail: `group ${group_id} has the member ${member}, whom there is not` });
  }
  return { compared, findings };
};

/**
 * Each group has events, and its name is claimed by it. A page of groups and their claims is read in one statement, and
 * so of one moment.
 */
const verifyBorne = async (client: ClientBase): Promise<Finding[]> => {
  const [orphans, claims]: [Finding[], Finding[]] = [[], []];
  const pages = inPages<Borne>(
    async (last, maxRows) =>
      (
        await client.query<Borne>(
          `
    SELECT p.tenant, p.id, p.value, c.holder, EXISTS (SELECT FROM "group".events e WHERE e.stream = p.id OFFSET 0) AS has_events
    FROM (SELECT g.tenant, g.id, ${claimOf('g')} AS value FROM "group".groups g WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3) p
    LEFT JOIN LATERAL (
      SELECT holder FROM "group".claims c WHERE c.tenant = p.tenant AND c.kind = 'displayName' AND c.value = p.value COLLATE "C" OFFSET 0
    ) c ON true
    ORDER BY p.tenant, p.id`,
          [last?.tenant ?? LEAST_ID, last?.id ?? LEAST_ID, maxRows],
        )
      ).rows,
  );
  for await (const page of pages) {
    for (const { id, value, holder, has_events: hasEvents } of page) {
      if (!hasEvents && orphans.length < MAX_FINDINGS)
        orphans.push({ rule: 'row', detail: `group ${id} has a row and no events` });
      if (holder !== id && claims.length < MAX_FINDINGS)
        claims.push({
          rule: 'name',
          detail: `group name ${value} is claimed by ${holder ?? 'nobody'} and borne by ${id}`,
        });
    }
  }
  return [...orphans, ...claims];
};

/** Each claimed name has to be one that its claimant bears. */
const verifyClaimed = async (client: ClientBase): Promise<Finding[]> => {
  const findings: Finding[] = [];
  const pages = inPages<Claimed>(
    async (last, maxRows) =>
      (
        await client.query<Claimed>(
          `
    SELECT c.*, ${isBorne('c')} AS is_borne
    FROM (SELECT tenant, kind, value, holder FROM "group".claims WHERE (tenant, kind, value) > ($1, 'displayName', $2) ORDER BY tenant, kind, value LIMIT $3) c
    ORDER BY c.tenant, c.kind, c.value`,
          [last?.tenant ?? LEAST_ID, last?.value ?? '', maxRows],
        )
      ).rows,
  );
  for await (const page of pages) {
    for (const { value, holder, is_borne: isBorne } of page) {
      if (holder === null || isBorne || findings.length >= MAX_FINDINGS) continue;
      findings.push({ rule: 'name', detail: `group name ${value} is claimed by ${holder}, which does not bear it` });
    }
  }
  return findings;
};

/**
 * Those that are still of nobody, when they have not become fewer for as long as the lanes may take. All wait together.
 */
const drained = async (client: ClientBase, suspects: readonly Member[]): Promise<readonly Member[]> => {
  let found = suspects;
  for (let sinceMs = performance.now(); found.length > 0; await delay(LOOK_AGAIN_MS)) {
    const before = found.length;
    found = await dangling(client, found);
    if (found.length < before) sinceMs = performance.now();
    if (performance.now() - sinceMs > DRAINED_AFTER_MS) break;
  }
  return found;
};

/**
 * Memberships of what is not there, or in what is not there. Each is looked up by key: joined with all, 10,000 of them
 * took longer than a statement may where the planner knew little of new tables.
 */
const dangling = async (client: ClientBase, memberships: readonly Member[]): Promise<Member[]> =>
  (
    await client.query<Member>(
      `
  SELECT t.tenant, t.group_id, t.member FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS t(tenant, group_id, member)
  CROSS JOIN LATERAL (SELECT kind FROM "group".members WHERE group_id = t.group_id AND member = t.member AND tenant = t.tenant OFFSET 0) m
  WHERE NOT EXISTS (SELECT FROM "group".groups WHERE tenant = t.tenant AND id = t.group_id OFFSET 0)
    OR NOT CASE m.kind
      WHEN 'U' THEN EXISTS (SELECT FROM ${USERS_VIEW} WHERE tenant = t.tenant AND id = t.member OFFSET 0)
      ELSE EXISTS (SELECT FROM "group".groups WHERE tenant = t.tenant AND id = t.member OFFSET 0) END`,
      [
        memberships.map(({ tenant }) => tenant),
        memberships.map(({ group_id }) => group_id),
        memberships.map(({ member }) => member),
      ],
    )
  ).rows;
