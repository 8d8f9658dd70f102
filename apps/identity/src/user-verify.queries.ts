import type { ClientBase } from 'pg';
import { WITHDRAWN } from '#contracts';
import {
  LEAST_ID,
  inPages,
  MAX_FINDINGS,
  verifyFold,
  type Finding,
  type Progress,
  type Verification,
} from '#event-store';
import { isBorne, signInClaim, userFold } from './user-fold.queries.js';

interface Claimed {
  readonly tenant: string;
  readonly kind: string;
  readonly value: string;
  readonly holder: string | null;
  /** True if the holder exists and bears it. */
  readonly is_borne: boolean;
}

interface Borne {
  readonly tenant: string;
  readonly id: string;
  readonly kind: string;
  readonly value: string;
  readonly holder: string | null;
  readonly has_events: boolean;
  /** Its directory has deleted the user: the name is not borne, and not claimed. */
  readonly is_free: boolean;
}

/**
 * Compares users with their events, on a live database: each projection row is the fold of its stream, its version is
 * the stream's, nobody has a row without a stream, and each user name and sign-in identity is claimed by exactly the
 * user who bears it.
 */
export const verifyUsers = async (
  client: ClientBase,
  masterKey: Buffer,
  progress: Progress = () => undefined,
): Promise<Verification> => {
  const folded = await verifyFold(client, userFold(masterKey), progress);
  const [borne, claimed] = [await verifyBorne(client, progress), await verifyClaimed(client, progress)];
  return {
    compared: { 'user streams': folded.streams, 'user rows': borne.rows },
    findings: [...folded.findings, ...borne.findings, ...claimed],
  };
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
    SELECT p.tenant, p.id, b.kind, b.value, c.holder, b.kind = 'userName' AND p.directory IS NOT DISTINCT FROM '${WITHDRAWN}' AS is_free,
      EXISTS (SELECT FROM identity.events e WHERE e.stream = p.id OFFSET 0) AS has_events
    FROM (SELECT tenant, id, directory, coalesce(name_key, user_name_folded) AS name, links->'signIns' AS sign_ins
      FROM identity.users WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3) p
    CROSS JOIN LATERAL (
      SELECT 'userName' AS kind, p.name AS value
      UNION ALL SELECT 'signIn', ${signInClaim('s')} FROM jsonb_array_elements(p.sign_ins) AS s
    ) b
    LEFT JOIN LATERAL (SELECT holder FROM identity.claims c WHERE c.tenant = p.tenant AND c.kind = b.kind AND c.value = b.value COLLATE "C" OFFSET 0) c ON true
    ORDER BY p.tenant, p.id`,
          [last?.tenant ?? LEAST_ID, last?.id ?? LEAST_ID, maxRows],
        )
      ).rows,
  );
  for await (const page of pages) {
    for (const { id, kind, value, holder, has_events: hasEvents, is_free: isFree } of page) {
      if (kind === 'userName') users++;
      if (kind === 'userName' && !hasEvents && orphans.length < MAX_FINDINGS)
        orphans.push({ rule: 'row', detail: `user ${id} has a row and no events` });
      if ((holder === id) === isFree && claims.length < MAX_FINDINGS)
        claims.push({
          rule: 'name',
          detail: isFree
            ? `${kind} ${value} is claimed by ${id}, whom its directory has deleted`
            : `${kind} ${value} is claimed by ${holder ?? 'nobody'} and borne by ${id}`,
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
    SELECT c.*, ${isBorne('c')} AS is_borne
    FROM (SELECT tenant, kind, value, holder FROM identity.claims WHERE (tenant, kind, value) > ($1, $2, $3) ORDER BY tenant, kind, value LIMIT $4) c
    ORDER BY c.tenant, c.kind, c.value`,
          [last?.tenant ?? LEAST_ID, last?.kind ?? '', last?.value ?? '', maxRows],
        )
      ).rows,
  );
  for await (const page of pages) {
    for (const { kind, value, holder, is_borne: isBorne } of page) {
      if (holder === null || isBorne || findings.length >= MAX_FINDINGS) continue;
      findings.push({ rule: 'name', detail: `${kind} ${value} is claimed by ${holder}, who does not bear it` });
    }
    progress('claims of users', (claims += page.length));
  }
  return findings;
};
