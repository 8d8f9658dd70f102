import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMuster } from '../support/muster.js';

/** `directory check` as built, in a process of its own, against a running Muster. */
describe('directory check', { timeout: 180_000 }, () => {
  const muster = startMuster({ settings: { PUBLIC_URL: 'https://elsewhere.example.net:8443/below' } });
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'muster-check-'));
    const { adminPort, apiKey } = muster.server;
    const url = muster.scimUrl.replace('/api/scim/v2', '');
    writeFileSync(
      join(folder, 'runtime.json'),
      JSON.stringify({ url, adminUrl: `http://127.0.0.1:${adminPort}`, apiKey }),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const check = (...args: string[]): Promise<{ code: number; stdout: string }> =>
    promisify(execFile)(process.execPath, ['dist/apps/cli/src/main.js', 'directory', 'check', ...args], {
      env: { ...process.env, DATA_DIR: folder, MUSTER_URL: '', MUSTER_API_KEY: '' },
      maxBuffer: 16 * 1_048_576,
    }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
    );
  const users = async (tenant: string): Promise<number> =>
    Number((await muster.owner.query('SELECT count(*) FROM identity.users WHERE tenant = $1', [tenant])).rows[0].count);

  /** The states of the directories that checks were made in. */
  const scratches = async (): Promise<string[]> => {
    const { rows } = await muster.owner.query(
      "SELECT d.status FROM directory.directories d JOIN directory.tenants t ON t.id = d.tenant WHERE t.name = 'Conformance checks'",
    );
    return rows.map(({ status }) => status);
  };

  it('finds nothing wrong with directories as they are made, and touches nobody of their tenant', async () => {
    const before = await muster.newDirectory('As made', undefined, 'entra');
    const { code, stdout } = await check('As made', '--json');
    const found = JSON.parse(stdout) as { group: string; name: string; isExpected: boolean; passed: boolean }[];
    expect(found.filter(({ isExpected, passed }) => isExpected && !passed)).toEqual([]);
    expect(code).toBe(0);
    expect(Object.keys(Object.groupBy(found, ({ group }) => group))).toEqual([
      'gallery',
      'validator',
      'entra',
      'okta',
      'interop',
    ]);
    expect(await users(before.tenant)).toBe(0);
  });

  it('says of a strict directory what its clients meet, though the cases send less than it asks for', async () => {
    const { id } = await muster.newDirectory('Strict', undefined, 'strict');
    await muster.admin('PATCH', `/directories/${id}`, { scope: 'title eq "Sales"' });
    const { code, stdout } = await check('Strict');
    expect(stdout).toMatch(/Interoperability: (\d+) of \1 passed/);
    expect(code).toBe(0);
  });

  it('checks a directory whose settings name groups of its own and its tenant of Entra', async () => {
    const { id, scim } = await muster.newDirectory('Names its own', undefined, 'entra');
    const group = await scim('POST', '/Groups', { displayName: 'Admins' });
    const changed = await muster.admin('PATCH', `/directories/${id}`, {
      groupRoles: { [group.body.id]: 'Admin' },
      entraTenantId: 'b3f1a6de-5b0c-4f6e-9d3b-0c8f1e2a7d94',
    });
    expect(changed.status, JSON.stringify(changed.body)).toBe(200);
    const { code, stdout } = await check('Names its own');
    expect(stdout).toMatch(/Microsoft Entra ID: (\d+) of \1 passed/);
    expect(code).toBe(0);
  });

  it('runs under the settings of the directory, and says which step found what', async () => {
    const { id, tenant } = await muster.newDirectory('Changes titles', undefined, 'scim');
    const schema = { id: 'urn:example:hr:2.0:User', name: 'HR', attributes: [{ name: 'badge', type: 'string' }] };
    await muster.admin('PUT', `/schemas/${schema.id}`, { ...schema, tenant });
    await muster.admin('PATCH', `/directories/${id}`, {
      attributeMapping: [
        { target: 'title', expression: 'Append([title], "!")' },
        { target: `${schema.id}:badge`, expression: '[title]' },
      ],
    });
    const { code, stdout } = await check('Changes titles');
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /atomic-patch: .*\n.*step 3, GET \/Users\/.*\n.*title of the body is "before!" instead of "before"/,
    );
    expect(stdout).toMatch(/Okta: \d+ of \d+ passed, which a directory of the kind scim need not pass/);
    // It can be run again, and leaves no token that works behind.
    expect((await check('Changes titles')).code).toBe(1);
    expect(new Set(await scratches())).toEqual(new Set(['disconnected']));
    // The schema stays in the tenant for checks, and is nothing that another directory has done wrong.
    expect((await check('As made')).code).toBe(0);
  });

  it('leaves no token that works behind where the settings of the directory cannot be taken', async () => {
    const { id } = await muster.newDirectory('From another time', undefined, 'okta');
    await muster.owner.query('UPDATE directory.directories SET settings = $2 WHERE id = $1', [
      id,
      JSON.stringify({ attributeMapping: [{ target: 'title', expression: 'NoLongerThere([title])' }] }),
    ]);
    expect((await check('From another time')).code).toBe(1);
    expect(new Set(await scratches())).toEqual(new Set(['disconnected']));
  });
});
