import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  hashLeaf,
  openCheckpoint,
  openTlogProof,
  parseCheckpoint,
  parseNote,
  parseTlogProof,
  readEntryBundle,
  readVerifier,
  signCheckpoint,
  verifyConsistency,
  verifyInclusion,
} from '#tlog';
import { keySeal } from '#event-store';
import { logKeysOf, SIGNING_KEY_TEXT } from '../../apps/audit/src/tenant-log.js';
import { fsck } from '../conformance/fsck.js';
import { whatGoMisses } from '../conformance/go-tools.js';
import { entriesOfAll } from '../support/audit-entries.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer, type Directory } from '../support/muster.js';

/** An export is written, changed in every way that somebody may try, and verified with a public key alone. */

const missing = await whatGoMisses();
const isSkipped = missing !== null && process.env.CI !== 'true';
const PEOPLE = 150;
// Each test starts processes.
vi.setConfig({ testTimeout: 120_000 });

interface Ran {
  readonly code: number;
  readonly out: string;
}

const ran = (args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> =>
  promisify(execFile)(process.execPath, args, { env }).then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      out: error.stdout + error.stderr,
    }),
  );

/** The key that signs, which those who run Muster have. */
const seedOf = ({ environment }: { readonly environment: Readonly<Record<string, string>> }): Buffer =>
  keySeal(Buffer.from(readFileSync(join(environment.DATA_DIR!, 'master.key'), 'utf8').trim(), 'base64')).derive(
    SIGNING_KEY_TEXT,
  );

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log });
    const { admin } = muster;
    const folder = mkdtempSync(join(tmpdir(), 'muster-proof-'));
    const at = (...path: string[]): string => join(folder, ...path);
    let directory: Directory;
    let tenant = '';
    let [ada, grace] = ['', ''];
    let [before, after] = ['', ''];

    const cli = async (args: readonly string[], isOffline = false): Promise<Ran> => {
      const env: NodeJS.ProcessEnv = isOffline
        ? { PATH: process.env.PATH, DATA_DIR: at('nothing-here') }
        : {
            ...process.env,
            MUSTER_URL: `http://127.0.0.1:${muster.server.adminPort}`,
            MUSTER_API_KEY: muster.server.apiKey,
          };
      return ran(['dist/apps/cli/src/main.js', ...args], env);
    };
    const entryCount = async (): Promise<number> =>
      Number(
        (await muster.owner.query<{ n: string }>('SELECT count(*) AS n FROM audit.entries WHERE tenant = $1', [tenant]))
          .rows[0]!.n,
      );
    const exported = async (name: string, ...args: string[]): Promise<void> => {
      const { code, out } = await cli(['audit', 'export', '--tenant', tenant, '--out', at(name), ...args]);
      expect(out).toContain('audit verify');
      expect(code).toBe(0);
    };
    const verify = (name: string, ...args: string[]): Promise<Ran> =>
      cli(['audit', 'verify', at(name), '--key', at('muster.key'), ...args], true);
    const raw = (path: string, key = muster.server.apiKey): Promise<Response> =>
      fetch(`http://127.0.0.1:${muster.server.adminPort}/api/audit/v1/${path}`, {
        headers: { authorization: `Bearer ${key}` },
      });
    const json = async (path: string): Promise<Answer['body']> => (await raw(path)).json();
    const text = async (path: string): Promise<string> => (await raw(path)).text();
    const logPath = (path: string): string => `logs/${tenant}/${path}`;
    const now = async (): Promise<string> =>
      (await muster.owner.query<{ now: Date }>('SELECT clock_timestamp() AS now')).rows[0]!.now.toISOString();

    beforeAll(async () => {
      directory = await muster.newDirectory('Contoso Entra');
      ({ tenant } = directory);
      const people = await Promise.all(
        Array.from({ length: PEOPLE }, (_, n) =>
          directory.scim('POST', '/Users', { userName: `user-${n}@example.org`, displayName: `=cmd|' /C calc'!A${n}` }),
        ),
      );
      [ada, grace] = [people[0]!.body.id, people[1]!.body.id];
      const patch = (id: string, title: string): Promise<Answer> =>
        directory.scim('PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', path: 'title', value: title }] });
      before = await now();
      await patch(ada, 'Countess');
      await patch(grace, 'Admiral');
      after = await now();
      await patch(ada, 'Lady');
      await directory.scim('POST', '/Groups', { displayName: 'Analysts', members: [{ value: ada }] });
      await entriesOfAll(muster.owner);
      writeFileSync(at('muster.key'), (await cli(['audit', 'key', '--tenant', tenant])).out);
      await exported('whole', '--csv');
      await entriesOfAll(muster.owner);
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it.skipIf(isSkipped)(
      `Tessera's fsck accepts the log as it is served${missing ? ` (${missing})` : ''}`,
      async () => {
        const judgement = await fsck({
          url: `http://127.0.0.1:${muster.server.adminPort}/api/audit/v1/logs/${tenant}`,
          verifierKey: (await text(logPath('key'))).trim(),
          bearerToken: muster.server.apiKey,
        });
        expect(judgement.output).not.toMatch(/fsck failed/);
        expect(judgement.accepted).not.toBe(null);
      },
    );

    it('tiles, proofs and the checkpoint fit together, and what is complete may be kept', async () => {
      const verifier = readVerifier((await text(logPath('key'))).trim());
      const { checkpoint } = openCheckpoint(await text(logPath('checkpoint')), {
        origin: verifier.name,
        logKeys: [verifier],
      });
      const { size, root } = checkpoint;
      expect(size).toBeGreaterThan(PEOPLE);
      const entries = readEntryBundle(Buffer.from(await (await raw(logPath('tile/entries/000.p/120'))).arrayBuffer()));
      expect(entries).toHaveLength(120);
      const leaf = JSON.parse(entries[7]!.toString());
      expect(Object.keys(leaf)).toEqual(
        'tenant owner sequence stream version type recordedAt commandId correlationId actor directory payload'.split(
          ' ',
        ),
      );
      const hashes = (texts: string[]): Buffer[] => texts.map((one) => Buffer.from(one, 'base64'));
      const inclusion = await json(logPath(`proofs/inclusion?number=7&size=${size}`));
      const leafHash = hashLeaf(entries[7]!);
      expect(inclusion.leafHash).toBe(leafHash.toString('base64'));
      expect(verifyInclusion({ leafHash, index: 7, size, root }, hashes(inclusion.hashes))).toBe(null);
      const consistency = await json(logPath(`proofs/consistency?from=100&to=${size}`));
      const first = { size: 100, root: Buffer.from(consistency.fromRoot, 'base64') };
      expect(verifyConsistency(first, checkpoint, hashes(consistency.hashes))).toBe(null);
      const proof = parseTlogProof(await text(logPath('proofs/tlog-proof?number=7')));
      expect(proof.extra).toEqual(entries[7]);
      openTlogProof(proof, leafHash, { origin: verifier.name, logKeys: [verifier] });
      const partial = await raw(logPath('tile/0/000.p/100'));
      expect(partial.headers.get('content-type')).toBe('application/octet-stream');
      expect(partial.headers.get('cache-control')).toBe('private, no-cache');
      expect((await partial.arrayBuffer()).byteLength).toBe(3_200);
      for (const [path, status] of [
        ['tile/0/001.p/255', 404],
        ['tile/0/999', 404],
        ['tile/0/0', 404],
        ['tile/0/x001', 404],
        [`proofs/inclusion?number=${size + 1_000}`, 404],
        ['proofs/inclusion?number=1&size=999999', 400],
        ['proofs/inclusion?number=x', 400],
        [`proofs/consistency?from=${size}&to=1`, 400],
      ] as const)
        expect([path, (await raw(logPath(path))).status]).toEqual([path, status]);
    });

    it('to look at the tree makes no entries, and an export makes some', async () => {
      const readings = async (): Promise<object[]> =>
        (
          await muster.owner.query<{ data: { what: string } }>(
            'SELECT data FROM audit.events WHERE tenant = $1 ORDER BY sequence',
            [tenant],
          )
        ).rows.map(({ data }) => data);
      const before = await readings();
      expect(before).toMatchObject([{ what: 'export plan' }, { what: 'export' }, { what: 'export' }]);
      await raw(logPath('checkpoint'));
      await raw(logPath('tile/0/000.p/100'));
      expect(await readings()).toEqual(before);
    });

    it('the key of another tenant sees nothing of this log', async () => {
      const other = await muster.newDirectory('Fabrikam');
      const { body } = await admin('POST', '/keys', { name: `Other ${log}`, scopes: ['audit'], tenant: other.tenant });
      for (const path of [
        logPath('checkpoint'),
        logPath('key'),
        logPath('tile/0/000.p/100'),
        logPath('proofs/inclusion?number=1'),
        `export?tenant=${tenant}`,
        `export/plan?tenant=${tenant}`,
        `export?person=${ada}`,
      ])
        expect([path, (await raw(path, body.key)).status]).toEqual([path, 404]);
      const { body: reads } = await admin('POST', '/keys', { name: `Reads ${log}`, scopes: ['read'] });
      expect((await raw(logPath('checkpoint'), reads.key)).status).toBe(403);
    });

    it('a whole log is verified offline with the public key alone', async () => {
      const { code, out } = await verify('whole');
      expect(out).toMatch(/entries, 0 to \d+: none was changed, left out, put in or moved\. They give this root\./);
      expect(out).toMatch(/All of this is proved\.\n$/);
      expect(code).toBe(0);
      const lines = readFileSync(at('whole', 'entries.jsonl'), 'utf8').trimEnd().split('\n');
      const created = lines.map((line) => JSON.parse(line)).find(({ leaf }) => leaf.stream === ada);
      expect(created.values.resource.userName).toBe('user-0@example.org');
      expect(created.payload.personal).toMatch(/^[A-Za-z0-9+/]+=*$/);
      const csv = readFileSync(at('whole', 'entries.csv'), 'utf8').split('\r\n');
      expect(csv).toHaveLength(lines.length + 2);
      expect(csv[0]).toMatch(/^number,recordedAt,owner,type/);
    });

    it('a range, a person and the absence of anything else are proved by what they have', async () => {
      await exported('range', '--from', '20', '--to', '75');
      expect(await verify('range')).toMatchObject({ code: 0, out: expect.stringContaining('55 entries, 20 to 74') });
      await exported('person', '--person', ada);
      expect(await verify('person')).toMatchObject({
        code: 0,
        out: expect.stringContaining(`3 entries of the person ${ada}: each has a proof`),
      });
      await exported('absence', '--person', 'user-0@example.org', '--since', before, '--until', after, '--absence');
      const { code, out } = await verify('absence');
      expect(out).toMatch(
        new RegExp(`Between ${before} and ${after}, nothing but entry \\d+ happened to the person ${ada}\\.`),
      );
      expect(out).toMatch(/Between the two no sequence is left out/);
      expect(code).toBe(0);
      // Of others there are leaves alone.
      const text = readFileSync(at('absence', 'entries.jsonl'), 'utf8');
      expect(text).toContain('Countess');
      expect(text).not.toContain('Admiral');
    });

    describe('what somebody changed in an export is named', () => {
      /** Copies an export, changes a file of it, and verifies it. */
      const changed = async (from: string, file: string, change: (text: string) => string): Promise<string> => {
        const name = `changed-${Math.random()}`;
        cpSync(at(from), at(name), { recursive: true });
        writeFileSync(at(name, file), change(readFileSync(at(from, file), 'utf8')));
        const { code, out } = await verify(name);
        expect([code, out]).toEqual([1, out]);
        return out;
      };
      const lines =
        (change: (all: string[]) => string[]) =>
        (text: string): string =>
          `${change(text.trimEnd().split('\n')).join('\n')}\n`;
      const renumbered = (all: string[]): string[] =>
        all.map((line, n) => line.replace(/^\{"number":\d+/, `{"number":${n}`));

      it.each<[string, string, string, (text: string) => string, RegExp]>([
        [
          'a byte of a leaf',
          'whole',
          'entries.jsonl',
          lines((all) => all.with(9, all[9]!.replace(/"actor":"./, '"actor":"X'))),
          /entry 9: its leaf does not fit: expected \S{44}, computed \S{44}/,
        ],
        [
          'what an entry says',
          'whole',
          'entries.jsonl',
          lines((all) => all.with(9, all[9]!.replace('"data":"{', '"data":"{ '))),
          /entry 9: what it says is not what was hashed: expected \S{44}, computed \S{44}/,
        ],
        [
          'a sealed text',
          'range',
          'entries.jsonl',
          lines((all) => all.with(9, all[9]!.replace(/("personal":".{20})./, '$1!'))),
          /entry 29: what it says is not what was hashed/,
        ],
        [
          'an entry that is gone',
          'whole',
          'entries.jsonl',
          lines((all) => all.toSpliced(9, 1)),
          /entry 9 is missing: the next one is 10/,
        ],
        [
          'an entry that is gone, with new numbers behind',
          'whole',
          'entries.jsonl',
          lines((all) => renumbered(all.toSpliced(9, 1))),
          /entry 9: it is entry 10 of the log/,
        ],
        [
          'entries that have changed places',
          'whole',
          'entries.jsonl',
          lines((all) => all.with(9, all[10]!).with(10, all[9]!)),
          /entry 9 is missing[^]*entry 9: it stands here once more, or too late/,
        ],
        [
          'entries that have changed places and numbers',
          'whole',
          'entries.jsonl',
          lines((all) => renumbered(all.with(9, all[10]!).with(10, all[9]!))),
          /entry 9: it is entry 10 of the log/,
        ],
        [
          'an entry that was put in',
          'whole',
          'entries.jsonl',
          lines((all) => renumbered(all.toSpliced(9, 0, all[9]!.replace(/"actor":"./, '"actor":"X')))),
          /entry 9: its leaf does not fit[^]*entry 10: it is entry 9 of the log/,
        ],
        [
          'an entry that stands twice',
          'whole',
          'entries.jsonl',
          lines((all) => all.toSpliced(9, 0, all[9]!)),
          /entry 9: it stands here once more/,
        ],
        [
          'a file that was cut off',
          'whole',
          'entries.jsonl',
          (text) => text.slice(0, -400),
          /was cut off[^]*entr(y|ies) \d+.* missing at the end/,
        ],
        [
          'a member that stands twice',
          'whole',
          'entries.jsonl',
          lines((all) => all.with(9, all[9]!.replace(/}$/, ',"leaf":{}}'))),
          /line 10 is no line of an export/,
        ],
        [
          'a proof',
          'person',
          'entries.jsonl',
          lines((all) => all.with(1, all[1]!.replace(/"proof":\["./, '"proof":["_'))),
          /its proof does not lead to the root that was signed.*expected \S{44}, computed \S{44}/,
        ],
        [
          'an entry of a person that is gone',
          'person',
          'entries.jsonl',
          lines((all) => all.toSpliced(1, 1)),
          /version 2 of the person was due, and it is 3/,
        ],
        [
          'a leaf of a time that is gone',
          'absence',
          'entries.jsonl',
          lines((all) => all.toSpliced(1, 1)),
          /entry \d+ is missing/,
        ],
        [
          'the checkpoint',
          'whole',
          'checkpoint',
          (text) => text.replace(/\n\d+\n/, '\n5\n'),
          /the checkpoint of the export is not to be trusted/,
        ],
        [
          'a checkpoint without a signature',
          'whole',
          'checkpoint',
          (text) => text.slice(0, text.indexOf('—')),
          /the checkpoint of the export is not to be trusted/,
        ],
        ['the head', 'whole', 'export.json', (text) => text.slice(0, 200), /export\.json is no JSON: it was cut off/],
      ])('%s', async (_, from, file, change, found) => {
        expect(await changed(from, file, change)).toMatch(found);
      });

      it('another key, and an export without its end', async () => {
        const other = await muster.newDirectory('Another');
        await entriesOfAll(muster.owner);
        writeFileSync(at('other.key'), await text(`logs/${other.tenant}/key`));
        const { code, out } = await cli(['audit', 'verify', at('whole'), '--key', at('other.key')], true);
        expect(out).toMatch(/it is the export of another log, or it was made by somebody else/);
        expect(code).toBe(1);
        cpSync(at('whole'), at('cut'), { recursive: true });
        rmSync(at('cut', 'export.json'));
        expect(await verify('cut')).toMatchObject({ code: 1, out: expect.stringMatching(/was cut off. Export again/) });
      });
    });

    it('a checkpoint that was kept elsewhere is compared, and one from a later time is refused', async () => {
      await directory.scim('PATCH', `/Users/${ada}`, {
        Operations: [{ op: 'replace', path: 'title', value: 'Once more' }],
      });
      await entriesOfAll(muster.owner);
      await exported('later');
      expect(await verify('later', '--checkpoint', at('whole', 'checkpoint'))).toMatchObject({
        code: 0,
        out: expect.stringMatching(/The first \d+ entries are those of the checkpoint/),
      });
      expect(await verify('whole', '--checkpoint', at('later', 'checkpoint'))).toMatchObject({
        code: 1,
        out: expect.stringMatching(/the log was rolled back/),
      });
    });

    it('a witness cosigns, its word is verified, and it refuses a log that was rolled back or forked', async () => {
      const url = `http://127.0.0.1:${muster.server.adminPort}/api/audit/v1/logs/${tenant}`;
      const look = (): Promise<Ran> =>
        ran(
          [
            'dist/apps/witness/src/main.js',
            '--log',
            url,
            '--key',
            at('muster.key'),
            '--folder',
            at('witness'),
            '--name',
            'witness.example.org',
            '--once',
          ],
          { PATH: process.env.PATH, MUSTER_API_KEY: muster.server.apiKey },
        );
      expect(await look()).toMatchObject({
        code: 0,
        out: expect.stringMatching(/cosigned scim\.example\.org\/audit\//),
      });
      const cosigned = readdirSync(at('witness')).find((name) => name.endsWith('.checkpoint'))!;
      const kept = ['--checkpoint', at('witness', cosigned), '--witness-key', at('witness', 'witness.pub')];
      await exported('witnessed');
      const { code, out } = await verify('witnessed', ...kept);
      expect(out).toMatch(
        /The witness witness\.example\.org\+[0-9a-f]{8} has cosigned the checkpoint \S+, of \d+ entries, on 20/,
      );
      expect(out).toMatch(/The first \d+ entries are those of the checkpoint/);
      expect(code).toBe(0);
      expect(await verify('witnessed', ...kept.with(1, at('whole', 'checkpoint')))).toMatchObject({
        code: 1,
        out: expect.stringMatching(/number of cosignatures differs/),
      });

      // A reading of just now is an entry soon.
      await entriesOfAll(muster.owner);
      const entries = await entryCount();
      const { origin } = parseCheckpoint(parseNote(await text(logPath('checkpoint'))).text);
      const signedBy = (size: number, root: Buffer): string =>
        signCheckpoint({ origin, size, root, extensions: [] }, [logKeysOf(origin, seedOf(muster)).signer]);
      /** The checkpoint that somebody who has the key and the database shows as the newest one. */
      const showing = async <T>(size: number, note: string | null, act: () => Promise<T>): Promise<T> => {
        await muster.owner.query('SET session_replication_role = replica');
        await muster.owner.query(
          'CREATE TEMP TABLE kept AS SELECT * FROM audit.checkpoints WHERE tenant = $1 AND size >= $2',
          [tenant, size],
        );
        await muster.owner.query('DELETE FROM audit.checkpoints WHERE tenant = $1 AND size >= $2', [tenant, size]);
        if (note !== null)
          await muster.owner.query('INSERT INTO audit.checkpoints VALUES ($1, $2, now(), $3)', [tenant, size, note]);
        try {
          return await act();
        } finally {
          await muster.owner.query('DELETE FROM audit.checkpoints WHERE tenant = $1 AND size >= $2', [tenant, size]);
          await muster.owner.query('INSERT INTO audit.checkpoints SELECT * FROM kept');
          await muster.owner.query('DROP TABLE kept');
          await muster.owner.query('SET session_replication_role = DEFAULT');
        }
      };
      expect(await look()).toMatchObject({ code: 0 });
      expect(await showing(entries, null, look)).toMatchObject({
        code: 1,
        out: expect.stringMatching(/REFUSED: the log \S+ was rolled back/),
      });
      const forked = signedBy(entries, Buffer.alloc(32, 1));
      expect(await showing(entries, forked, look)).toMatchObject({
        code: 1,
        out: expect.stringMatching(/REFUSED: the log \S+ was forked/),
      });
      writeFileSync(at('forked'), forked);
      expect(await verify('witnessed', '--checkpoint', at('forked'))).toMatchObject({
        code: 1,
        out: expect.stringMatching(/is of another log: .* The log was forked|cannot be compared/),
      });
      writeFileSync(at('forked'), signedBy(50, Buffer.alloc(32, 1)));
      expect(await verify('witnessed', '--checkpoint', at('forked'))).toMatchObject({
        code: 1,
        out: expect.stringMatching(
          /the root of its first 50 entries is \S{44} there, and \S{44} here. The log was forked/,
        ),
      });
      expect(await look()).toMatchObject({ code: 0 });
    });
  });
}
