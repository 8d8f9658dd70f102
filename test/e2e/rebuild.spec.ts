import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { roleUrl } from '#event-store';
import type { OwnerDefinition } from '#owner';
import { masterKeySource, uuidv7 } from '#runtime';
import { OWNERS } from '../../apps/muster/src/owners.js';
import { chosen, ownerNamed, rebuildOwner } from '../../apps/muster/src/rebuild.js';
import { cleanEnvironment } from '../bench/installation.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster } from '../support/muster.js';
import { query } from '../support/postgres.js';
import { recordUsers } from '../support/recorded-users.js';

vi.setConfig({ testTimeout: 120_000 });

/** As built. */
const PROGRAM = 'dist/apps/muster/src/rebuild.js';
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

it('says in one line what is wrong with how it was called', async () => {
  const program = (...args: string[]): Promise<object> =>
    promisify(execFile)(process.execPath, [PROGRAM, ...args], { env: cleanEnvironment() }).then(
      (output) => ({ ...output, code: 0 }),
      (error: object) => error,
    );
  expect(await program('nobody')).toMatchObject({
    code: 64,
    stderr: `There is no owner nobody. The owners are ${OWNERS.map(({ name }) => name).join(', ')}.\n`,
  });
  expect(await program()).toMatchObject({ code: 64, stderr: expect.stringMatching(/^Name one owner, or say --all/) });
  expect(await program('--none')).toMatchObject({ code: 64 });
  expect(await program('--help')).toMatchObject({ code: 0, stdout: expect.stringMatching(/Exit code 0 = /) });
});

it('--all are those whose rows follow from their own events, and another one is told by name how its rows are checked', async () => {
  const [one] = OWNERS;
  const recorder: OwnerDefinition = { ...one!, name: 'recorder', fold: undefined };
  expect(chosen(undefined, true, [recorder, one!])).toEqual([one]);
  await expect(rebuildOwner('postgres://nowhere', { make: null } as never, recorder)).rejects.toThrow(
    /^No row of recorder follows from its own events.* npm run -s verify$/,
  );
});

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log });
    const { scim } = muster;

    const rebuilt = (owner: string, options: Parameters<typeof rebuildOwner>[3] = {}) =>
      rebuildOwner(
        muster.database,
        masterKeySource({ DATA_DIR: muster.environment.DATA_DIR! }),
        ownerNamed(owner),
        options,
      );
    const environment = (): NodeJS.ProcessEnv => ({
      ...cleanEnvironment(),
      DATA_DIR: muster.environment.DATA_DIR!,
      DATABASE_URL: muster.database,
    });
    const program = (...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> =>
      promisify(execFile)(process.execPath, [PROGRAM, ...args], { env: environment() }).then(
        (output) => ({ ...output, code: 0 }),
        (error: { stdout: string; stderr: string; code: number }) => error,
      );
    it('says in one line that the role of a service may not rebuild', async () => {
      await expect(
        rebuildOwner(
          roleUrl(muster.database, 'identity'),
          masterKeySource({ DATA_DIR: muster.environment.DATA_DIR! }),
          ownerNamed('directory'),
        ),
      ).rejects.toMatchObject({
        exitCode: 64,
        message: expect.stringMatching(/may not rebuild \(permission denied .*\)/),
      });
    });

    const findings = async (): Promise<string[]> =>
      (await muster.verify()).findings.map(({ rule, detail }) => `${rule} ${detail}`);
    const rowsOf = async (table: string, condition = 'true'): Promise<unknown[]> =>
      (
        await muster.owner.query<{ row: unknown }>(
          `SELECT to_jsonb(t) AS row FROM ${table} t WHERE ${condition} ORDER BY t::text COLLATE "C"`,
        )
      ).rows.map(({ row }) => row);
    /** The number of its statements that wait for a lock. */
    const waiting = (application: string) => async (): Promise<number> =>
      (
        await query(
          muster.database,
          `SELECT FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock' AND datname = current_database()`,
          [application],
        )
      ).length;
    const newUser = async (): Promise<string> => {
      const { status, body } = await scim('POST', '/Users', {
        userName: `${uuidv7()}@example.org`,
        title: 'Engineer',
        emails: [{ type: 'work', value: `${uuidv7()}@Example.org` }],
      });
      expect(status).toBe(201);
      return body.id;
    };
    const newGroup = async (...members: string[]): Promise<string> => {
      const { status, body } = await scim('POST', '/Groups', {
        displayName: `Group ${uuidv7()}`,
        members: members.map((value) => ({ value })),
      });
      expect(status).toBe(201);
      return body.id;
    };
    const patch = async (path: string, ...operations: object[]): Promise<number> =>
      (await scim('PATCH', path, { schemas: [PATCH_OP], Operations: operations })).status;
    const setTitle = (id: string, value: string): Promise<number> =>
      patch(`/Users/${id}`, { op: 'replace', path: 'title', value });

    it('lost users, names, groups and memberships come back row by row, and clients go on with them', async () => {
      const [kept, changed, archived, deleted] = [await newUser(), await newUser(), await newUser(), await newUser()];
      await setTitle(changed, 'Manager');
      await patch(`/Users/${archived}`, { op: 'replace', path: 'active', value: false });
      const inner = await newGroup(kept, deleted);
      const outer = await newGroup(inner, changed, archived);
      const gone = await newGroup(kept);
      await patch(`/Groups/${outer}`, { op: 'remove', path: `members[value eq "${changed}"]` });
      await muster.deleteForGood();
      await scim('DELETE', `/Users/${deleted}`);
      await scim('DELETE', `/Groups/${gone}`);
      await expect.poll(() => rowsOf('"group".members', `member = '${deleted}'`), { timeout: 30_000 }).toEqual([]);
      const tables = ['identity.users', 'identity.claims', '"group".groups', '"group".members', '"group".claims'];
      const all = async (): Promise<unknown[]> => {
        const found: unknown[] = [];
        for (const table of tables)
          found.push(await rowsOf(table, table.endsWith('claims') ? 'holder IS NOT NULL' : 'true'));
        return found;
      };
      const before = await all();
      // Without its trigger, which would delete memberships as those of a deleted group.
      await muster.owner.query(
        `BEGIN; SET LOCAL session_replication_role = 'replica'; ${tables.map((table) => `DELETE FROM ${table}`).join('; ')}; COMMIT`,
      );
      expect((await scim('GET', `/Users/${kept}`)).status).toBe(404);
      expect(await rebuilt('identity')).toMatchObject({ unfolded: 0, isStopped: false });
      expect(await rebuilt('group')).toMatchObject({ unfolded: 0, isStopped: false });
      expect(await all()).toEqual(before);
      expect(await findings()).toEqual([]);
      expect(await setTitle(kept, 'Director')).toBe(200);
      expect(await patch(`/Groups/${outer}`, { op: 'add', path: 'members', value: [{ value: changed }] })).toBe(204);
      expect((await scim('GET', `/Groups/${outer}`)).body.members).toHaveLength(3);
      expect(await findings()).toEqual([]);
    });

    it('lost tenants, directories, tokens and schemas come back row by row, and exchanged and surplus ones are mended', async () => {
      const { id: directory, token, tenant, scim: client } = await muster.newDirectory('Rebuilt');
      await muster.newDirectory('Second', tenant);
      expect((await muster.admin('PATCH', `/directories/${directory}`, { offerExistingUsers: true })).status).toBe(200);
      const schema = { tenant, name: 'Badge', attributes: [{ name: 'badge', type: 'string' }] };
      expect((await muster.admin('PUT', '/schemas/urn:example:badge:User', schema)).status).toBeLessThan(300);
      const tables = ['tenants', 'directories', 'tokens', 'schemas'].map((name) => `directory.${name}`);
      const all = async (): Promise<unknown[]> => {
        const found: unknown[] = [];
        for (const table of tables) found.push(await rowsOf(table));
        return found;
      };
      const before = await all();
      for (const table of tables) await muster.owner.query(`DELETE FROM ${table}`);
      expect((await findings()).length).toBeGreaterThanOrEqual(6);
      expect(await rebuilt('directory')).toMatchObject({ unfolded: 0, isStopped: false });
      expect(await all()).toEqual(before);
      // Unique values are exchanged, so that neither row can be written while the other one is there.
      await muster.owner.query(`
        UPDATE directory.tokens SET hash = hash || '-' WHERE tenant = '${tenant}';
        UPDATE directory.tokens t SET hash = left(o.hash, -1) FROM directory.tokens o WHERE t.tenant = '${tenant}' AND o.tenant = t.tenant AND o.id <> t.id;
        INSERT INTO directory.tokens SELECT gen_random_uuid(), tenant, directory, version, created, description, 'surplus', sealed, status, expires_at
          FROM directory.tokens WHERE tenant = '${tenant}' LIMIT 1`);
      expect(await findings()).toHaveLength(3);
      expect((await rebuilt('directory')).mended).toBeGreaterThanOrEqual(3);
      expect(await all()).toEqual(before);
      expect(await findings()).toEqual([]);
      expect(token).not.toBe('');
      expect((await client('GET', '/Users?count=1')).status).toBe(200);
    });

    it('rows that are wrong, missing or too many are mended while clients create, change and delete', async () => {
      const users = await Promise.all(Array.from({ length: 30 }, newUser));
      const groups = await Promise.all(Array.from({ length: 5 }, () => newGroup(...users.slice(0, 20))));
      let isOver = false;
      let requests = 0;
      const client = async (index: number): Promise<void> => {
        for (let turn = 0; !isOver; turn++) {
          const [user, group] = [users[(index + turn) % users.length]!, groups[turn % groups.length]!];
          const mine = await newUser();
          const answers = [
            await setTitle(user, `Title ${turn}`),
            await patch(`/Groups/${group}`, { op: 'add', path: 'members', value: [{ value: mine }, { value: user }] }),
            await patch(`/Groups/${group}`, { op: 'remove', path: `members[value eq "${mine}"]` }),
            (await scim('DELETE', `/Users/${mine}`)).status,
          ];
          expect(answers).toEqual([200, 204, 204, 204]);
          requests += 1 + answers.length;
        }
      };
      const clients = Promise.all([0, 7, 14, 21].map(client));
      try {
        for (let round = 0; round < 5; round++) {
          await muster.owner.query(`
            UPDATE identity.users SET resource = resource || '{"title": "Wrong", "nickName": "Wrong"}', folded = '{}';
            UPDATE "group".groups SET resource = resource || '{"nickName": "Wrong"}', external_id = 'wrong';
            DELETE FROM "group".members WHERE member IN (SELECT member FROM "group".members ORDER BY member LIMIT 5);
            INSERT INTO "group".members SELECT tenant, '${groups[0]}', gen_random_uuid(), 'U' FROM "group".groups WHERE id = '${groups[0]}'`);
          const before = requests;
          const results = [await rebuilt('identity'), await rebuilt('group')];
          for (const { mended, isStopped } of results) {
            expect(isStopped).toBe(false);
            expect(mended).toBeGreaterThan(0);
          }
          // Clients were served meanwhile, and go on.
          await expect.poll(() => requests, { timeout: 30_000 }).toBeGreaterThan(before);
        }
      } finally {
        isOver = true;
        await clients;
      }
      expect(await findings()).toEqual([]);
      expect(await rowsOf('identity.users', `resource->>'nickName' = 'Wrong'`)).toEqual([]);
    });

    it('a lane that had loaded a wrong row before it was mended loads again, and does not bring it back', async () => {
      const user = await newUser();
      // The lane does not remember a user of that length, so it loads the row.
      expect(await setTitle(user, 'x'.repeat(20_000))).toBe(200);
      await muster.owner.query(
        `UPDATE identity.users SET resource = resource || '{"nickName": "Wrong"}' WHERE id = $1`,
        [user],
      );
      // Both come to the position row and wait: the lane has loaded the wrong row by then, and the rebuild is first.
      await muster.owner.query('BEGIN; SELECT FROM identity.positions FOR UPDATE');
      const rebuilding = rebuilt('identity');
      let patching: Promise<number>;
      try {
        await expect.poll(waiting('muster-rebuild'), { timeout: 30_000, interval: 5 }).toBeGreaterThan(0);
        patching = setTitle(user, 'Director');
        await expect.poll(waiting('muster-identity'), { timeout: 30_000, interval: 5 }).toBeGreaterThan(0);
      } finally {
        await muster.owner.query('COMMIT');
      }
      expect((await rebuilding).mended).toBe(1);
      expect(await patching).toBe(200);
      expect((await rowsOf('identity.users', `id = '${user}'`))[0]).toMatchObject({
        resource: { title: 'Director' },
        version: 3,
      });
      expect(await findings()).toEqual([]);
    });

    it('a user who was deleted while memberships were lost leaves the groups that come back', async () => {
      const [user, other] = [await newUser(), await newUser()];
      const group = await newGroup(user, other);
      await muster.owner.query('DELETE FROM "group".members WHERE group_id = $1', [group]);
      expect((await scim('DELETE', `/Users/${user}`)).status).toBe(204);
      const drained = async (): Promise<boolean> =>
        (
          await muster.owner.query(
            `SELECT FROM "group".outcomes o WHERE o.outcome->'value' IS NOT NULL AND o.recorded_at >
             (SELECT max(recorded_at) FROM identity.events WHERE stream = $1)`,
            [user],
          )
        ).rowCount! > 0;
      await expect.poll(drained, { timeout: 30_000 }).toBe(true);
      await rebuilt('group');
      await expect
        .poll(() => rowsOf('"group".members', `group_id = '${group}'`), { timeout: 30_000 })
        .toMatchObject([{ member: other }]);
      expect(await findings()).toEqual([]);
    });

    it('killed at any moment it leaves a working installation, and the next one goes on', async () => {
      const masterKey = Buffer.from(readFileSync(join(muster.environment.DATA_DIR!, 'master.key'), 'utf8'), 'base64');
      const tenant = await recordUsers(muster.owner, masterKey, 3_000, 1);
      const wrong = async (): Promise<number> =>
        (
          await muster.owner.query(`SELECT FROM identity.users WHERE tenant = $1 AND resource->>'title' = 'Wrong'`, [
            tenant,
          ])
        ).rowCount!;
      for (let kills = 0; kills < 2; kills++) {
        await muster.owner.query(
          `UPDATE identity.users SET resource = resource || '{"title": "Wrong"}' WHERE tenant = $1`,
          [tenant],
        );
        const child = spawn(process.execPath, [PROGRAM, 'identity'], { env: environment() });
        await expect.poll(wrong, { timeout: 60_000, interval: 5 }).toBeLessThan(3_000);
        child.kill('SIGKILL');
        await once(child, 'close');
        expect(await setTitle(await newUser(), 'Director')).toBe(200);
      }
      const { stdout, code } = await program('identity');
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /^identity: [\d,]+ streams of [\d,]+ events replayed, [\d,]+ rows checked, [\d,]+ mended, in [\d.]+ s \([\d,]+ events\/s\)\.\n/,
      );
      expect(await wrong()).toBe(0);
      expect(await findings()).toEqual([]);
    });

    it('stopped by a signal it says so, and the next one goes on there', async () => {
      const user = await newUser();
      await muster.owner.query(`UPDATE identity.users SET folded = jsonb_build_object('title', 1) WHERE id = $1`, [
        user,
      ]);
      // It waits for the lane of the user, and so it is in the middle.
      await muster.owner.query('BEGIN; SELECT FROM identity.positions FOR UPDATE');
      const child = spawn(process.execPath, [PROGRAM, '--all'], { env: environment() });
      const closed = once(child, 'close');
      try {
        await expect.poll(waiting('muster-rebuild'), { timeout: 60_000, interval: 5 }).toBeGreaterThan(0);
        child.kill('SIGTERM');
      } finally {
        await muster.owner.query('COMMIT');
      }
      const [code] = await closed;
      expect(code).toBe(3);
      const { stdout, stderr, code: end } = await program('--all');
      expect({ stderr, end }).toEqual({ stderr: '', end: 0 });
      expect(stdout).toMatch(/^directory: .*identity: .*It went on where.*group: .*Come to its end\.\n$/s);
    });
  });
}
