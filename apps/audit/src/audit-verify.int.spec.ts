import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { schemaOf } from '#contracts';
import { connectDatabase, keySeal, roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { append, EMPTY_TREE, rootOf, signCheckpoint } from '#tlog';
import { newDatabase } from '../../../test/support/postgres.js';
import { verifyAudit } from './audit-verify.queries.js';
import { CheckpointFiles, readKeptCheckpoint, readKeptTenants } from './checkpoint-files.job.js';
import { lineOf } from './checkpoint-lines.js';
import { Integrator } from './integrator.job.js';
import { readEntryRows } from './stored-log.queries.js';
import { leafHashOf, logKeysOf, SIGNING_KEY_TEXT } from './tenant-log.js';

/** One corruption after the other, by somebody who owns the database and has switched the triggers off. */

const OWNERS = ['directory', 'identity', 'group', 'audit'];
const MASTER_KEY = randomBytes(32);
const SEED = keySeal(MASTER_KEY).derive(SIGNING_KEY_TEXT);
const TENANT = uuidv7();
const EVENTS = 600;
const ORIGIN = `muster-test/audit/${TENANT}`;
/** A statement on a live database may not take longer. */
const STATEMENT_TIMEOUT_MS = 1_000;

let owner: pg.Client;
const folder = mkdtempSync(join(tmpdir(), 'muster-verify-'));
const file = join(folder, `${TENANT}.jsonl`);

beforeAll(async () => {
  const url = await newDatabase();
  owner = new pg.Client({ connectionString: url, statement_timeout: STATEMENT_TIMEOUT_MS });
  await owner.connect();
  for (const [source, events, data] of [
    ['directory', 2, '{"name": "n", "hash": "secret"}'],
    ['identity', EVENTS, '{"name": "x"}'],
    ['group', 20, '{"name": "g"}'],
  ] as const)
    await owner.query(
      `INSERT INTO ${schemaOf(source)}.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, data, personal)
       SELECT $1, n, gen_random_uuid(), 1, 'muster.test.v1', '2026-01-01'::timestamptz + n * interval '1 s', gen_random_uuid(), 'c' || n, 'token:x', $3::json,
         CASE WHEN n % 3 = 0 THEN 'sealed' || n END FROM generate_series(1, $2::int) AS n`,
      [TENANT, events, data],
    );
  const pool = await connectDatabase(roleUrl(url, 'audit'), 'audit', { poolConnections: 4, queryTimeoutMs: 5_000 });
  const logger = { warn: () => undefined, error: (facts: object) => expect.unreachable(JSON.stringify(facts)) };
  const files = new CheckpointFiles(folder, logger);
  const integrator = new Integrator(pool, {
    owners: OWNERS,
    seed: SEED,
    publicUrl: 'https://muster-test',
    logger,
    keep: (tenant, note) => files.keep(tenant, note),
    kept: async () => null,
    keptTenants: async () => [],
  });
  integrator.start();
  files.start();
  await vi.waitFor(async () => expect(await readKeptCheckpoint(folder, TENANT)).toMatch(/\n622\n/), 30_000);
  await Promise.all([integrator.stop(), files.stop()]);
  await pool.end();
}, 60_000);
afterAll(async () => {
  await owner?.end();
  rmSync(folder, { recursive: true, force: true });
});

const verified = async (): Promise<{ found: string[]; compared: Readonly<Record<string, number>> }> => {
  const { findings, compared } = await verifyAudit([owner, owner], OWNERS, MASTER_KEY, {
    tenants: () => readKeptTenants(folder),
    of: (tenant) => readKeptCheckpoint(folder, tenant),
  });
  return { found: findings.map(({ rule, detail }) => `${rule} ${detail.replaceAll(TENANT, 'T')}`), compared };
};

/** Statements without triggers, and what verify finds behind them in the same transaction, which is rolled back. */
const foundAfter = async (...statements: readonly string[]): Promise<string[]> => {
  await owner.query('BEGIN; SET LOCAL session_replication_role = replica');
  try {
    for (const sql of statements) expect((await owner.query(sql)).rowCount, sql).toBeGreaterThan(0);
    return (await verified()).found;
  } finally {
    await owner.query('ROLLBACK');
  }
};

it('a log as it was made is as it should be', async () => {
  expect(await verified()).toEqual({
    found: [],
    compared: {
      'entries of the audit log': 622,
      'events compared with it': 622,
      'contents of entries': 622,
      checkpoints: expect.any(Number) as number,
      'requests that are counted': expect.any(Number) as number,
      'checkpoints in files': 1,
    },
  });
});

describe('an event that was changed in the store of its owner is named, with what differs', () => {
  const of7 = /^entry identity: tenant T, sequence 7: (.*) of the event is not what entry \d+ says$/;
  const harms: Readonly<Record<string, readonly [set: string, differs: string]>> = {
    actor: ["actor = 'admin'", 'actor'],
    time: ["recorded_at = recorded_at + interval '1 microsecond'", 'recorded_at'],
    'a byte of what is sealed': ["personal = 'sealed8'", 'content'],
    'what is readable': [`data = '{"name": "y"}'`, 'content'],
    'white space within it': [`data = '{"name":  "x"}'`, 'content'],
    stream: ['stream = gen_random_uuid()', 'stream'],
    'version and type': ["version = 2, type = 'muster.other.v1'", 'version, type'],
    command: ['command_id = gen_random_uuid()', 'command_id'],
    correlation: ["correlation_id = ''", 'correlation_id'],
    directory: ['directory = gen_random_uuid()', 'directory'],
  };
  it.each(Object.entries(harms))('%s', async (_, [set, differs]) => {
    const found = await foundAfter(`UPDATE identity.events SET ${set} WHERE sequence = 7`);
    expect(found).toHaveLength(1);
    expect(of7.exec(found[0]!)?.[1]).toBe(differs);
  });

  it('a secret of a directory', async () => {
    expect(
      await foundAfter(`UPDATE directory.events SET data = '{"name": "n", "hash": "other"}' WHERE sequence = 2`),
    ).toEqual([expect.stringMatching(/^entry directory: tenant T, sequence 2: content of the event/)]);
  });

  it('events that have changed places', async () => {
    const found = await foundAfter(
      'UPDATE "group".events SET sequence = 1000 WHERE sequence = 3',
      'UPDATE "group".events SET sequence = 3 WHERE sequence = 4',
      'UPDATE "group".events SET sequence = 4 WHERE sequence = 1000',
    );
    expect(found).toEqual([
      expect.stringMatching(/^entry group: tenant T, sequence 3: stream, .*correlation_id/),
      expect.stringMatching(/^entry group: tenant T, sequence 4: stream, .*correlation_id/),
    ]);
  });

  it('an event that was put in, with everything behind it numbered anew', async () => {
    const found = await foundAfter(
      'UPDATE "group".events SET sequence = sequence + 1000 WHERE sequence >= 18',
      'UPDATE "group".events SET sequence = sequence - 999 WHERE sequence > 1000',
      `INSERT INTO "group".events SELECT tenant, 18, gen_random_uuid(), version, type, recorded_at, gen_random_uuid(), correlation_id, 'admin', directory, data, personal
       FROM "group".events WHERE sequence = 17`,
    );
    expect(found).toEqual([
      expect.stringMatching(
        /^entry group: tenant T, sequence 18: stream, .*actor, content of the event is not what entry \d+ says$/,
      ),
      expect.stringMatching(/^entry group: tenant T, sequence 19: stream, /),
      expect.stringMatching(/^entry group: tenant T, sequence 20: stream, /),
      'entry group: tenant T, sequence 21: from here on events are no entries yet, for more than 1 minute',
    ]);
  });

  it('an event that was left out, with everything behind it numbered anew', async () => {
    const found = await foundAfter(
      'DELETE FROM "group".events WHERE sequence = 18',
      'UPDATE "group".events SET sequence = sequence - 1 WHERE sequence > 18',
    );
    expect(found).toEqual([
      'entry group: tenant T: its store ends with sequence 19, and events up to 20 are entries',
      expect.stringMatching(/^entry group: tenant T, sequence 18: stream, /),
      expect.stringMatching(/^entry group: tenant T, sequence 19: stream, /),
    ]);
  });

  it('events at the end that are gone', async () => {
    expect(await foundAfter('DELETE FROM "group".events WHERE sequence > 18')).toEqual([
      'entry group: tenant T: its store ends with sequence 18, and events up to 20 are entries',
    ]);
  });

  it('an event that was put in behind the last one, and is no entry after a minute', async () => {
    expect(
      await foundAfter(
        `INSERT INTO "group".events SELECT tenant, sequence + 20, gen_random_uuid(), version, type, recorded_at, command_id, correlation_id, actor, directory, data, personal FROM "group".events WHERE sequence <= 2`,
      ),
    ).toEqual(['entry group: tenant T, sequence 21: from here on events are no entries yet, for more than 1 minute']);
  });
});

describe('what was changed in the log itself is named', () => {
  it.each([
    [
      "UPDATE audit.entries SET actor = 'admin' WHERE number = 300",
      /^entry audit log of tenant T: entry 300 \(identity, sequence \d+\) is not the one whose hash is in the tree$/,
    ],
    ["UPDATE audit.entries SET payload_hash = sha256('') WHERE number = 3", /^entry audit log of tenant T: entry 3 /],
    [
      "UPDATE audit.entries SET actor = 'admin' WHERE number = 621",
      /^tree audit log of tenant T: the root of its first 622 entries is \S+, and the checkpoint/,
    ],
    [
      'DELETE FROM audit.entries WHERE number = 300',
      /^entry audit log of tenant T: entry 300 is missing: the next one is 301$/,
    ],
    [
      'DELETE FROM audit.entries WHERE number = 621',
      /^checkpoint audit log of tenant T: its last checkpoint is of 622 entries, and it has 621$/,
    ],
    [
      "INSERT INTO audit.entries SELECT tenant, 622, owner, 601, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, payload_hash FROM audit.entries WHERE owner = 'identity' AND sequence = 600",
      /^checkpoint audit log of tenant T: its last checkpoint is of 622 entries, and it has 623$/,
    ],
    [
      `UPDATE audit.payloads SET data = '{}' WHERE number = 9`,
      /^entry audit log of tenant T: what entry 9 says is not what was hashed$/,
    ],
    [
      'DELETE FROM audit.payloads WHERE number = 9',
      /^entry audit log of tenant T: what entry 9 says is missing, and no entry announces that it was purged$/,
    ],
    [
      'DELETE FROM audit.payloads WHERE number >= 600',
      /^entry audit log of tenant T: what the entries 600 to 621 say is missing, and no entry announces/,
    ],
    ['DELETE FROM audit.payloads', /^entry audit log of tenant T: what the entries 0 to 621 say is missing, and no/],
    ["UPDATE audit.payloads SET personal = 'x' WHERE number = 9", /^entry audit log of tenant T: what entry 9 says/],
    [
      "INSERT INTO audit.payloads SELECT tenant, 1000, '{}', NULL, NULL FROM audit.logs",
      /^entry audit log of tenant T: something is kept for entry 1000, which is not there$/,
    ],
    [
      "UPDATE audit.tiles SET hashes = overlay(hashes PLACING sha256('') FROM 65) WHERE index = 1",
      /^entry audit log of tenant T: entry 258 .* is not the one whose hash is in the tree$/,
    ],
    [
      "UPDATE audit.tiles SET root = sha256('') WHERE index = 1",
      /^tree audit log of tenant T: the tile 1 of level 0 has another root than its hashes have$/,
    ],
    ['DELETE FROM audit.tiles WHERE index = 0', /^tree audit log of tenant T: the tile 0 of level 0 is missing$/],
    [
      "UPDATE audit.checkpoints SET note = replace(note, E'\\n622\\n', E'\\n621\\n')",
      /^checkpoint audit log of tenant T: the checkpoint of 622 entries is none: The signature/,
    ],
    [
      'UPDATE audit.checkpoints SET size = 620',
      /^checkpoint audit log of tenant T: the checkpoint of 620 entries says that there are 622$/,
    ],
    ['DELETE FROM audit.checkpoints', /^checkpoint audit log of tenant T: it has no checkpoint, and it has 622$/],
    [
      'DELETE FROM audit.logs',
      /^checkpoint audit log of tenant T: it has 622 entries, and no name and key in audit\.logs$/,
    ],
    [
      "UPDATE audit.logs SET verifier_key = 'x'",
      /^checkpoint audit log of tenant T: its key is muster-test\S*, and audit\.logs says x$/,
    ],
    [
      "UPDATE audit.logs SET origin = 'other/log'",
      /^checkpoint audit log of tenant T: the checkpoint of 622 entries is none: /,
    ],
  ])('%s', async (sql, finding) => {
    const found = await foundAfter(sql);
    expect(found).toEqual(expect.arrayContaining([expect.stringMatching(finding)]));
  });

  it('an entry that was left out, with everything behind it numbered anew', async () => {
    const found = await foundAfter(
      'DELETE FROM audit.entries WHERE number = 300',
      'UPDATE audit.entries SET number = number + 10000 WHERE number > 300',
      'UPDATE audit.entries SET number = number - 10001 WHERE number > 10000',
    );
    expect(found[0]).toMatch(/^checkpoint .*is of 622 entries, and it has 621$/);
    expect(found).toContainEqual(
      expect.stringMatching(
        /^entry .*entry 300 .* is not the one whose hash is in the tree, nor are 211 more of its tile$/,
      ),
    );
    expect(found).toContainEqual(expect.stringMatching(/: the event has no entry, and later ones have$/));
  });

  it('an entry that was put in, with everything behind it numbered anew', async () => {
    const found = await foundAfter(
      'UPDATE audit.entries SET number = number + 10001 WHERE number >= 300',
      'UPDATE audit.entries SET number = number - 10000 WHERE number > 10000',
      `INSERT INTO audit.entries SELECT tenant, 300, owner, 601, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, payload_hash
       FROM audit.entries WHERE owner = 'identity' AND sequence = 600`,
    );
    expect(found[0]).toMatch(/^checkpoint .*is of 622 entries, and it has 623$/);
    expect(found).toContainEqual(
      expect.stringMatching(
        /^entry .*entry 300 \(identity, sequence 601\) is not the one whose hash is in the tree, nor are 211 more of its tile$/,
      ),
    );
    expect(found).toContainEqual(
      expect.stringMatching(
        /^entry .*: entry 300 \(identity, sequence 601\) has a sequence of identity where \d+ was due$/,
      ),
    );
  });

  it('entries that have changed places', async () => {
    expect(
      await foundAfter(
        'UPDATE audit.entries SET number = 10000 WHERE number = 10',
        'UPDATE audit.entries SET number = 10 WHERE number = 11',
        'UPDATE audit.entries SET number = 11 WHERE number = 10000',
      ),
    ).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /^entry .*: entry 10 \(.* is not the one whose hash is in the tree, nor are 1 more of its tile$/,
        ),
      ]),
    );
  });
});

describe('a history that agrees with itself, and not with the checkpoint in the file', () => {
  /** The log once more, of its first entries, some of them changed: whoever has the key can sign it. */
  const forged = async (size: number, changed: string): Promise<string[]> => {
    await owner.query('BEGIN; SET LOCAL session_replication_role = replica');
    await owner.query(changed);
    const rows = await readEntryRows(owner, TENANT, 0, size);
    await owner.query('ROLLBACK');
    const { tree, fullTiles } = append(EMPTY_TREE, rows.map(leafHashOf));
    const note = signCheckpoint({ origin: ORIGIN, size, root: rootOf(tree), extensions: [] }, [
      logKeysOf(ORIGIN, SEED).signer,
    ]);
    const quoted = (bytes: Buffer): string => `'\\x${bytes.toString('hex')}'`;
    return [
      ...(size < 622
        ? [`DELETE FROM audit.entries WHERE number >= ${size}`, `DELETE FROM audit.payloads WHERE number >= ${size}`]
        : []),
      'DELETE FROM audit.tiles',
      ...fullTiles.map(
        ({ level, index, hashes, root }) =>
          `INSERT INTO audit.tiles VALUES ('${TENANT}', ${level}, ${index}, ${quoted(hashes)}, ${quoted(root)})`,
      ),
      'DELETE FROM audit.checkpoints',
      `INSERT INTO audit.checkpoints VALUES ('${TENANT}', ${size}, now(), '${note}')`,
    ];
  };

  it('it was rolled back', async () => {
    const statements = await forged(600, 'SELECT 1');
    const found = await foundAfter(
      ...statements,
      'DELETE FROM identity.events WHERE sequence > 580',
      'DELETE FROM "group".events',
    );
    expect(found).toContainEqual(
      'checkpoint audit log of tenant T: it was rolled back: the checkpoint in the file is of 622 entries, and it has 600',
    );
  });

  it('it was forked', async () => {
    const change = "UPDATE audit.entries SET actor = 'admin' WHERE number = 5";
    const statements = await forged(622, change);
    expect(
      await foundAfter(
        change,
        ...statements,
        "UPDATE identity.events SET actor = 'admin' WHERE sequence = (SELECT sequence FROM audit.entries WHERE number = 5 AND owner = 'identity')",
      ),
    ).toEqual([
      expect.stringMatching(
        /^tree audit log of tenant T: the root of its first 622 entries is \S+, and the checkpoint in the file says \S+$/,
      ),
    ]);
  });

  it('nothing is left of it', async () => {
    expect(
      await foundAfter(
        ...['entries', 'payloads', 'tiles', 'checkpoints', 'logs'].map((table) => `DELETE FROM audit.${table}`),
        ...['directory', 'identity', '"group"'].map((schema) => `DELETE FROM ${schema}.events`),
      ),
    ).toEqual(['checkpoint audit log of tenant T: it has 0 entries, and no name and key in audit.logs']);
  });

  it('the file has a checkpoint that the log has not signed', async () => {
    const kept = (await readKeptCheckpoint(folder, TENANT))!;
    writeFileSync(file, lineOf('', kept.replace('\n622\n', '\n9999\n')));
    expect((await verified()).found).toEqual([
      expect.stringMatching(/^checkpoint audit log of tenant T: the checkpoint in the file is none: The signature/),
    ]);
    writeFileSync(file, lineOf('', kept));
    expect((await verified()).found).toEqual([]);
  });
});
