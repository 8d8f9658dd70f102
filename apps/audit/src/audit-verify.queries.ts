import type { ClientBase } from 'pg';
import type { Owner } from '#contracts';
import { keySeal, MAX_FINDINGS, type Finding, type Progress, type Verification } from '#event-store';
import { Malformed, Mismatch, openCheckpoint } from '#tlog';
import { verifyRequestCounts } from './request-counts-verify.queries.js';
import { readStoredLogs, type StoredLog } from './stored-log.queries.js';
import { verifyPayloads } from './payload-verify.queries.js';
import { verifyEvents, verifyHeads } from './store-verify.queries.js';
import { logKeysOf, SIGNING_KEY_TEXT, type LogKeys } from './tenant-log.js';
import { verifyTree, type Head } from './tree-verify.queries.js';

/** Checkpoints in files outside of the database. */
export interface KeptCheckpoints {
  readonly tenants: () => Promise<readonly string[]>;
  readonly of: (tenant: string) => Promise<string | null>;
}

/** The newest checkpoints of each log are compared with its tree. */
const MAX_CHECKPOINTS = 1_000;
const PAGE_TENANTS = 100;
const LEAST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Compares the audit log with itself, with what was signed, and with the stores of all owners, on a live database: by
 * pages of a key, with no statement that takes long.
 */
export const verifyAudit = async (
  client: ClientBase,
  owners: readonly Owner[],
  masterKey: Buffer,
  kept: KeptCheckpoints | null,
  progress: Progress = () => undefined,
): Promise<Verification> => {
  // A page is read in the order of its key, whatever the planner knows of a table that grows: sorting what is behind it
  // for each page took ten times as long.
  await client.query('SET enable_seqscan = off; SET enable_bitmapscan = off');
  try {
    return await compare(client, owners, masterKey, kept, progress);
  } finally {
    await client.query('RESET enable_seqscan; RESET enable_bitmapscan');
  }
};

const compare = async (
  client: ClientBase,
  owners: readonly Owner[],
  masterKey: Buffer,
  kept: KeptCheckpoints | null,
  progress: Progress,
): Promise<Verification> => {
  const findings: Finding[] = [];
  const counts = new Map<Finding['rule'], number>();
  const report = (finding: Finding): void => {
    const count = (counts.get(finding.rule) ?? 0) + 1;
    counts.set(finding.rule, count);
    if (count <= MAX_FINDINGS) findings.push(finding);
  };
  const seed = keySeal(masterKey).derive(SIGNING_KEY_TEXT);
  const tenants = new Set(await kept?.tenants());
  for (const table of ['audit.entries', 'audit.checkpoints', 'audit.logs'])
    for await (const page of tenantPages(client, table)) for (const tenant of page) tenants.add(tenant);
  const sizes = new Map<string, number>();
  let [entries, checkpoints, files] = [0, 0, 0];
  for (let from = 0, all = [...tenants]; from < all.length; from += PAGE_TENANTS) {
    const reached = new Map<Owner, Map<string, number>>(owners.map((owner) => [owner, new Map()]));
    const page = all.slice(from, from + PAGE_TENANTS);
    // Before the database, which is ahead of the files.
    const inFiles = new Map<string, string | null>();
    for (const tenant of kept ? page : []) inFiles.set(tenant, await kept!.of(tenant));
    for (const stored of await readStoredLogs(client, page, owners)) {
      const { tenant, size } = stored;
      sizes.set(tenant, size);
      const keys = keysOf(stored, seed, report);
      const heads = keys ? await headsOf(client, stored, keys, report) : [];
      checkpoints += heads.length;
      const file = inFiles.get(tenant) ?? null;
      const ofFile = file && keys && headOf(tenant, 'the checkpoint in the file', file, keys, report);
      if (ofFile) files++;
      if (ofFile && ofFile.size > size)
        report({
          rule: 'checkpoint',
          detail: `audit log of tenant ${tenant}: it was rolled back: the checkpoint in the file is of ${ofFile.size} entries, and it has ${size}`,
        });
      const within = [...heads, ...(ofFile ? [ofFile] : [])].filter((head) => head.size <= size);
      const last = await verifyTree(client, {
        tenant,
        size,
        heads: within.toSorted((a, b) => a.size - b.size),
        report,
        progress: (more) => progress('entries of the audit log', (entries += more)),
      });
      for (const [owner, sequence] of last) reached.get(owner)?.set(tenant, sequence);
    }
    for (const [owner, ofTenants] of reached) await verifyHeads(client, owner, ofTenants, report);
  }
  let events = 0;
  for (const owner of owners)
    events += await verifyEvents(client, owner, report, (count) =>
      progress('events compared with the audit log', events + count),
    );
  const payloads = await verifyPayloads(client, sizes, report, (count) => progress('contents of entries', count));
  let requests = 0;
  for await (const page of tenantPages(client, 'audit.requests'))
    for (const tenant of page) {
      requests += await verifyRequestCounts(client, tenant, report);
      progress('requests compared with their counters', requests);
    }
  return {
    compared: {
      'entries of the audit log': entries,
      'events compared with it': events,
      'contents of entries': payloads,
      checkpoints,
      'requests that are counted': requests,
      ...(kept ? { 'checkpoints in files': files } : {}),
    },
    findings,
  };
};

/** The keys of a log; null = it cannot be said whose log it is. */
const keysOf = (
  { tenant, origin, verifierKey, size }: StoredLog,
  seed: Buffer,
  report: (finding: Finding) => void,
): LogKeys | null => {
  const tell = (detail: string): void =>
    report({ rule: 'checkpoint', detail: `audit log of tenant ${tenant}: ${detail}` });
  if (origin === null) {
    tell(`it has ${size} entries, and no name and key in audit.logs`);
    return null;
  }
  try {
    const keys = logKeysOf(origin, seed);
    if (keys.verifierKey !== verifierKey) tell(`its key is ${keys.verifierKey}, and audit.logs says ${verifierKey}`);
    return keys;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    tell(error.message);
    return null;
  }
};

/** The newest checkpoints in the database. The last one has to be of all entries. */
const headsOf = async (
  client: ClientBase,
  { tenant, size, checkpoint }: StoredLog,
  keys: LogKeys,
  report: (finding: Finding) => void,
): Promise<readonly Head[]> => {
  if (checkpoint?.size !== size)
    report({
      rule: 'checkpoint',
      detail: `audit log of tenant ${tenant}: ${checkpoint ? `its last checkpoint is of ${checkpoint.size} entries` : 'it has no checkpoint'}, and it has ${size}`,
    });
  const { rows } = await client.query<{ size: string; note: string }>(
    'SELECT size, note FROM audit.checkpoints WHERE tenant = $1 AND size <= $2 ORDER BY size DESC LIMIT $3',
    [tenant, checkpoint?.size ?? 0, MAX_CHECKPOINTS],
  );
  return rows.flatMap((row) => {
    const what = `the checkpoint of ${row.size} entries`;
    const head = headOf(tenant, what, row.note, keys, report);
    if (head && head.size !== Number(row.size))
      report({ rule: 'checkpoint', detail: `audit log of tenant ${tenant}: ${what} says that there are ${head.size}` });
    return head ?? [];
  });
};

/** Null = it is not a checkpoint of this log. */
const headOf = (
  tenant: string,
  what: string,
  note: string,
  { origin, verifier }: LogKeys,
  report: (finding: Finding) => void,
): Head | null => {
  try {
    const { size, root } = openCheckpoint(note, { origin, logKeys: [verifier] }).checkpoint;
    return { what, size, root };
  } catch (error) {
    if (!(error instanceof Mismatch || error instanceof Malformed)) throw error;
    report({ rule: 'checkpoint', detail: `audit log of tenant ${tenant}: ${what} is none: ${error.message}` });
    return null;
  }
};

/** The tenants of a table whose key begins with them, each once. */
async function* tenantPages(client: ClientBase, table: string): AsyncGenerator<readonly string[]> {
  for (let after: string | undefined = LEAST_ID; after !== undefined;) {
    const { rows }: { rows: { tenant: string }[] } = await client.query(
      `WITH RECURSIVE t AS (
         SELECT 0 AS place, $1::uuid AS tenant
         UNION ALL
         SELECT t.place + 1, (SELECT e.tenant FROM ${table} e WHERE e.tenant > t.tenant ORDER BY e.tenant LIMIT 1)
         FROM t WHERE t.tenant IS NOT NULL AND t.place < $2
       )
       SELECT tenant FROM t WHERE place > 0 AND tenant IS NOT NULL`,
      [after, PAGE_TENANTS],
    );
    yield rows.map(({ tenant }) => tenant);
    after = rows.at(-1)?.tenant;
  }
}
