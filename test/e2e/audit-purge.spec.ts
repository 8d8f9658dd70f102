import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { schemaOf } from '#contracts';
import { OWNERS } from '../../apps/muster/src/owners.js';
import { entriesOfAll } from '../support/audit-entries.js';
import { startMuster, type Answer, type Directory } from '../support/muster.js';

/** AUDIT_KEEP_DAYS takes contents away; auditors are told of it, and can prove the rest. */

const KEEP_DAYS = 365;
vi.setConfig({ testTimeout: 120_000 });

const muster = startMuster({ settings: { AUDIT_KEEP_DAYS: String(KEEP_DAYS) } });
const { admin } = muster;
const folder = mkdtempSync(join(tmpdir(), 'muster-purge-'));
const at = (...path: string[]): string => join(folder, ...path);
let directory: Directory;
let [ada, mary, group] = ['', '', ''];
/** After all that is old. */
let then = '';

const done = async (answer: Promise<Answer>): Promise<Answer['body']> => {
  const { status, body } = await answer;
  expect(status, JSON.stringify(body)).toBeLessThan(300);
  return body;
};
const audit = (path: string): Promise<Answer['body']> => done(admin('GET', `/audit${path}`));

const cli = async (...args: string[]): Promise<{ code: number; out: string }> =>
  promisify(execFile)(process.execPath, ['dist/apps/cli/src/main.js', ...args], {
    env: {
      ...process.env,
      MUSTER_URL: `http://127.0.0.1:${muster.server.adminPort}`,
      MUSTER_API_KEY: muster.server.apiKey,
    },
  }).then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      out: error.stdout + error.stderr,
    }),
  );

/**
 * So many days go by: everything that was stored is as much older, and the log is made anew of it. Nobody can wait for a
 * year, and no clock of a database can be set.
 */
const daysLater = async (days: number): Promise<void> => {
  await muster.stop();
  await muster.owner.query('SET session_replication_role = replica');
  for (const { name } of OWNERS)
    await muster.owner.query(
      `UPDATE ${schemaOf(name)}.events SET recorded_at = recorded_at - make_interval(days => $1)`,
      [days],
    );
  for (const table of ['entries', 'payloads', 'tiles', 'checkpoints', 'logs'])
    await muster.owner.query(`DELETE FROM audit.${table}`);
  await muster.owner.query('SET session_replication_role = DEFAULT');
  rmSync(join(muster.environment.DATA_DIR!, 'checkpoints'), { recursive: true, force: true });
  await muster.start();
  await entriesOfAll(muster.owner);
  // As if directory had seen each announcement at its moment.
  await muster.owner.query(
    `INSERT INTO audit.seen_announcements SELECT tenant, number, recorded_at FROM audit.announced_purges_v1
     ON CONFLICT (tenant, number) DO UPDATE SET seen_at = excluded.seen_at`,
  );
  // The jobs look when they start.
  await muster.stop();
  await muster.start();
};

const count = async (sql: string): Promise<number> =>
  (await muster.owner.query<{ n: number }>(sql, [directory.tenant])).rows[0]!.n;
const announcements = (): Promise<number> =>
  count(`SELECT count(*)::int AS n FROM audit.announced_purges_v1 WHERE tenant = $1`);
const purged = (): Promise<number> =>
  count(`SELECT count(*)::int AS n FROM audit.entries e WHERE tenant = $1
    AND NOT EXISTS (SELECT FROM audit.payloads p WHERE p.tenant = e.tenant AND p.number = e.number)`);
const faults = async (): Promise<string[]> =>
  (await muster.verify()).findings
    // Rows of users and groups have the moments of their events, which this test has moved.
    .filter(({ rule }) => ['entry', 'tree', 'checkpoint'].includes(rule))
    .map(({ detail }) => detail);

beforeAll(async () => {
  directory = await muster.newDirectory('Contoso');
  const made = (resource: object): Promise<Answer['body']> => done(directory.scim('POST', '/Users', resource));
  await muster.deleteForGood(directory.id);
  ada = (await made({ userName: 'ada@example.org', displayName: 'Ada', title: 'Countess' })).id;
  mary = (await made({ userName: 'mary@example.org', displayName: 'Mary Somerville' })).id;
  await done(directory.scim('DELETE', `/Users/${mary}`));
  group = (await done(directory.scim('POST', '/Groups', { displayName: 'Analysts', members: [{ value: ada }] }))).id;
  await entriesOfAll(muster.owner);
  await daysLater(KEEP_DAYS + 2);
  await vi.waitFor(async () => expect(await announcements()).toBe(1), { timeout: 20_000 });
  then = new Date().toISOString();
  await done(
    directory.scim('PATCH', `/Users/${ada}`, { Operations: [{ op: 'replace', path: 'title', value: 'Lady' }] }),
  );
  const grace = (await made({ userName: 'grace@example.org' })).id as string;
  await done(
    directory.scim('PATCH', `/Groups/${group}`, {
      Operations: [{ op: 'add', path: 'members', value: [{ value: grace }] }],
    }),
  );
  await entriesOfAll(muster.owner);
  expect(await purged()).toBe(0);
  await daysLater(2);
  await vi.waitFor(async () => expect(await purged()).toBeGreaterThan(4), { timeout: 20_000 });
  then = new Date(Date.parse(then) - 2 * 86_400_000).toISOString();
  await done(admin('POST', `/users/${ada}/archive`, { reason: 'asked for' }));
  await entriesOfAll(muster.owner);
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('the log is as it should be, and nothing goes that is not announced', async () => {
  expect(await faults()).toEqual([]);
  const { items } = await audit(`/entries?tenant=${directory.tenant}&action=audit.purge-announced`);
  expect(items).toMatchObject([
    {
      action: 'audit.purge-announced',
      actor: { id: 'audit' },
      sentence: expect.stringMatching(
        /^What the entries before number \d+ say has been kept for 365 days \(AUDIT_KEEP_DAYS\), and is purged a day from now: their digests stay\.$/,
      ),
    },
  ]);
  expect(await purged()).toBe(Number(/number (\d+)/.exec(items[0].sentence)![1]));
});

it('lists and histories say what was purged, and show what was not', async () => {
  const { items } = await audit(`/subjects/${ada}/history`);
  expect(items.map(({ action, values }: Answer['body']) => [action, values])).toEqual([
    ['user.created', 'purged'],
    ['user.changed', 'shown'],
    ['user.archived', 'shown'],
  ]);
  expect(items[0]).toMatchObject({
    sentence: 'What this event said has been purged; its digest is kept.',
    changes: [],
  });
  // Nobody can say any more what the title was.
  expect(items[1].changes).toEqual([{ attribute: 'title', after: 'Lady' }]);
  expect(JSON.stringify(items)).not.toContain('Countess');
  const list = await audit(`/entries?subject=${group}`);
  expect(list.items.at(-1)).toMatchObject({
    action: 'group.created',
    sentence: expect.stringMatching(/has been purged/),
  });
});

it('a state begins with what is known, and says what cannot be known', async () => {
  expect(await audit(`/subjects/${ada}/state?at=${then}`)).toMatchObject({
    state: 'unknown',
    version: 1,
    isComplete: false,
    purgedUntil: expect.any(String),
    attributes: {},
  });
  const last = await audit(`/subjects/${ada}/state`);
  expect(last).toMatchObject({ state: 'archived', isComplete: false, purgedUntil: expect.any(String) });
  expect(last.attributes.title).toBe('Lady');
  expect(last.attributes.displayName).toBe(undefined);
  expect(await audit(`/subjects/${group}/state`)).toMatchObject({ state: 'active', memberCount: 1, isComplete: false });
  // The type of an event stays.
  expect(await audit(`/subjects/${mary}/state`)).toMatchObject({
    state: 'deleted',
    isComplete: true,
    purgedUntil: null,
  });
  const { out } = await cli('audit', 'state', 'ada@example.org', '--at', then);
  expect(out).toMatch(/there, and nobody can say any more whether archived or not/);
  expect(out).toMatch(/What happened until \S+ \S+ UTC was purged\./);
});

it('exports verify without what was purged, and its announcement explains that', async () => {
  writeFileSync(at('muster.key'), (await cli('audit', 'key', '--tenant', directory.tenant)).out);
  const exported = async (name: string, ...args: string[]): Promise<string> => {
    expect(await cli('audit', 'export', '--tenant', directory.tenant, '--out', at(name), ...args)).toMatchObject({
      code: 0,
    });
    const { code, out } = await cli('audit', 'verify', at(name), '--key', at('muster.key'));
    expect([code, out]).toEqual([0, out]);
    return out;
  };
  expect(await exported('whole', '--csv')).toMatch(
    /what \d+ others said was purged, as entry \d+ announces \(kept for 365 days\), and only their leaves are left\./,
  );
  expect(readFileSync(at('whole', 'entries.csv'), 'utf8').split('\r\n')[1]).toMatch(/,purged,$/);
  expect(await exported('range', '--from', '0', '--to', '5')).toMatch(/what 5 others said was purged/);
  expect(await exported('person', '--person', ada)).toMatch(/what 1 other said was purged/);
  expect(await exported('absence', '--person', ada, '--absence')).toMatch(/happened to the person/);

  const verifyChanged = async (name: string, file: string, change: (text: string) => string): Promise<string> => {
    const copy = `${name}-${Math.random()}`;
    cpSync(at(name), at(copy), { recursive: true });
    writeFileSync(at(copy, file), change(readFileSync(at(name, file), 'utf8')));
    const { code, out } = await cli('audit', 'verify', at(copy), '--key', at('muster.key'));
    expect([code, out]).toEqual([1, out]);
    return out;
  };
  const lines = readFileSync(at('whole', 'entries.jsonl'), 'utf8').trimEnd().split('\n');
  const kept = lines.findIndex((line) => line.includes('"payload":{'));
  const without = (line: string): string => line.replace(/,"payload":\{.*$/, ',"payload":null}');
  expect(
    await verifyChanged('whole', 'entries.jsonl', () => `${lines.with(kept, without(lines[kept]!)).join('\n')}\n`),
  ).toMatch(new RegExp(`entry ${kept}: what it says is missing, and no entry announces that it was purged`));
  const head = (change: (purge: string) => string | null) => (text: string) => {
    const read = JSON.parse(text) as { purge: string };
    return JSON.stringify({ ...read, purge: change(read.purge) });
  };
  expect(
    await verifyChanged(
      'range',
      'export.json',
      head(() => null),
    ),
  ).toMatch(/entry 0: what it says is missing/);
  expect(
    await verifyChanged(
      'range',
      'export.json',
      head((purge) => purge.replace(/before\\":\d+/, 'before\\":99999')),
    ),
  ).toMatch(/what export\.json has of this announcement of a purge is not in the tree that was signed/);
  expect(
    await verifyChanged(
      'range',
      'export.json',
      head((purge) => purge.replace('"audit"', '"group"')),
    ),
  ).toMatch(/the announcement of a purge in export\.json is none: it is no announcement of a purge/);
});

it('a person whose key is gone is shown as erased in an export, which verifies', async () => {
  const grace = (
    await done(directory.scim('POST', '/Users', { userName: 'hopper@example.org', displayName: 'Hopper' }))
  ).id;
  await entriesOfAll(muster.owner);
  await muster.owner.query('DELETE FROM keys.persons WHERE person = $1', [grace]);
  expect(await cli('audit', 'export', '--tenant', directory.tenant, '--out', at('erased'), '--csv')).toMatchObject({
    code: 0,
  });
  const [text, csv] = ['entries.jsonl', 'entries.csv'].map((file) => readFileSync(at('erased', file), 'utf8'));
  expect(text).not.toContain('Hopper');
  const line = text!.split('\n').find((one) => one.includes(`"stream":"${grace}"`));
  expect(JSON.parse(line!)).toMatchObject({ payload: { personal: expect.any(String) }, values: null });
  expect(csv!.split('\r\n').find((one) => one.includes(grace))).toMatch(/,erased$/);
  const { code, out } = await cli('audit', 'verify', at('erased'), '--key', at('muster.key'));
  expect(out).toMatch(/Of 1 the person was erased/);
  expect(out).toMatch(/All of this is proved\./);
  expect(code).toBe(0);
});
