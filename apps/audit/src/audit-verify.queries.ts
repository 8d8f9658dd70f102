import type { ClientBase } from 'pg';
import type { Owner } from '#contracts';
import { LEAST_ID, keySeal, MAX_FINDINGS, type Finding, type Progress, type Verification } from '#event-store';
import { Malformed, Mismatch } from '#tlog';
import { verifyRequestCounts } from './request-counts-verify.queries.js';
import { readStoredLogs, tenantsBehind, type StoredLog } from './stored-log.queries.js';
import { verifyPayloads } from './payload-verify.queries.js';
import { verifyEvents, verifyHeads } from './store-verify.queries.js';
import { logKeysOf, opened, SIGNING_KEY_TEXT, type LogKeys } from './tenant-log.js';
import { verifyTree, type Head } from './tree-verify.queries.js';

/** Checkpoints in files outside of the database. */
export interface KeptCheckpoints {
  readonly tenants: () => Promise<readonly string[]>;
  readonly of: (tenant: string) => Promise<string | null>;
}

/** The newest checkpoints of each log are compared with its tree. */
const MAX_CHECKPOINTS = 1_000;
const PAGE_TENANTS = 100;

/** Connections to one database. They may be the same: then one part waits for the other. */
export type TwoClients = readonly [ofTrees: ClientBase, ofStores: ClientBase];

/**
 * Compares the audit log with itself, with what was signed, and with the stores of all owners, on a live database: by
 * pages of a key, with no statement that takes long. Trees are made again in this process, and Postgres compares the
 * stores meanwhile, so that both have work.
 */
export const verifyAudit = async (
  clients: TwoClients,
  owners: readonly Owner[],
  masterKey: Buffer,
  kept: KeptCheckpoints | null,
  progress: Progress = () => undefined,
): Promise<Verification> => {
  // A page is read in the order of its key, whatever the planner knows of a table that grows: sorting what is behind it
  // for each page took ten times as long.
  for (const client of new Set(clients)) await client.query('SET enable_seqscan = off; SET enable_bitmapscan = off');
  try {
    const [ofTrees, ofStores] = clients;
    const sizes = await sizesOf(ofTrees, owners, await kept?.tenants());
    const trees = compareTrees(ofTrees, [...sizes.keys()], owners, masterKey, kept, progress);
    if (ofTrees === ofStores) await trees;
    const parts = await Promise.all([trees, compareStores(ofStores, owners, sizes, progress)]);
    const told = new Findings();
    for (const finding of parts.flatMap(({ findings }) => findings)) told.add(finding);
    return {
      compared: Object.assign({}, ...parts.map(({ compared }) => compared)) as Record<string, number>,
      findings: told.first,
    };
  } finally {
    for (const client of new Set(clients)) await client.query('RESET enable_seqscan; RESET enable_bitmapscan');
  }
};

/** The first ones of each rule. */
class Findings {
  readonly first: Finding[] = [];
  private readonly counts = new Map<Finding['rule'], number>();

  readonly add = (finding: Finding): void => {
    const count = (this.counts.get(finding.rule) ?? 0) + 1;
    this.counts.set(finding.rule, count);
    if (count <= MAX_FINDINGS) this.first.push(finding);
  };
}

/** All logs, with the numbers of their entries. */
const sizesOf = async (
  client: ClientBase,
  owners: readonly Owner[],
  kept: readonly string[] = [],
): Promise<ReadonlyMap<string, number>> => {
  const tenants = new Set(kept);
  for (const table of ['audit.entries', 'audit.checkpoints', 'audit.logs'])
    for await (const page of tenantPages(client, table)) for (const tenant of page) tenants.add(tenant);
  const sizes = new Map<string, number>();
  for (const page of pagesOf([...tenants]))
    for (const { tenant, size } of await readStoredLogs(client, page, owners)) sizes.set(tenant, size);
  return sizes;
};

const pagesOf = (tenants: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: Math.ceil(tenants.length / PAGE_TENANTS) }, (_, page) =>
    tenants.slice(page * PAGE_TENANTS, (page + 1) * PAGE_TENANTS),
  );

const compareTrees = async (
  client: ClientBase,
  tenants: readonly string[],
  owners: readonly Owner[],
  masterKey: Buffer,
  kept: KeptCheckpoints | null,
  progress: Progress,
): Promise<Verification> => {
  const findings = new Findings();
  const report = findings.add;
  const seed = keySeal(masterKey).derive(SIGNING_KEY_TEXT);
  let [entries, checkpoints, files] = [0, 0, 0];
  for (const page of pagesOf(tenants)) {
    const reached = new Map<Owner, Map<string, number>>(owners.map((owner) => [owner, new Map()]));
    // Before the database, which is ahead of the files.
    const inFiles = new Map<string, string | null>();
    for (const tenant of kept ? page : []) inFiles.set(tenant, await kept!.of(tenant));
    for (const stored of await readStoredLogs(client, page, owners)) {
      const { tenant, size } = stored;
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
  return {
    compared: { 'entries of the audit log': entries, checkpoints, ...(kept ? { 'checkpoints in files': files } : {}) },
    findings: findings.first,
  };
};

const compareStores = async (
  client: ClientBase,
  owners: readonly Owner[],
  sizes: ReadonlyMap<string, number>,
  progress: Progress,
): Promise<Verification> => {
  const findings = new Findings();
  let events = 0;
  for (const owner of owners)
    events += await verifyEvents(client, owner, findings.add, (count) =>
      progress('events compared with the audit log', events + count),
    );
  const payloads = await verifyPayloads(client, sizes, findings.add, (count) => progress('contents of entries', count));
  let requests = 0;
  for await (const page of tenantPages(client, 'audit.requests'))
    for (const tenant of page) {
      requests += await verifyRequestCounts(client, tenant, findings.add);
      progress('requests compared with their counters', requests);
    }
  return {
    compared: {
      'events compared with it': events,
      'contents of entries': payloads,
      'requests that are counted': requests,
    },
    findings: findings.first,
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
  keys: LogKeys,
  report: (finding: Finding) => void,
): Head | null => {
  try {
    const { size, root } = opened(note, keys);
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
      `WITH RECURSIVE ${tenantsBehind(table, '$1', '$2')}
       SELECT tenant FROM t WHERE place > 0 AND tenant IS NOT NULL`,
      [after, PAGE_TENANTS],
    );
    yield rows.map(({ tenant }) => tenant);
    after = rows.at(-1)?.tenant;
  }
}
