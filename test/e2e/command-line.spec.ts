import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMuster } from '../support/muster.js';

/**
 * `npm run cli` as built, in a process of its own. It speaks HTTP alone, so that the message log makes no difference.
 */
describe('the command line', { timeout: 60_000 }, () => {
  const muster = startMuster();
  let folder: string;

  interface Ended {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
  }
  const cli = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    promisify(execFile)(process.execPath, ['dist/apps/cli/src/main.js', ...args], {
      env: {
        ...process.env,
        DATA_DIR: folder,
        MUSTER_URL: `http://127.0.0.1:${muster.server.adminPort}`,
        MUSTER_API_KEY: muster.server.apiKey,
        ...environment,
      },
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }: Ended) => ({ code, stdout, stderr }),
    );
  /** The output of a command with --json. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each test says by what it expects what is in it
  const shown = async (...args: string[]): Promise<any> => {
    const { code, stdout, stderr } = await cli([...args, '--json']);
    expect({ code, stderr }, args.join(' ')).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout);
  };
  const said = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stderr }, args.join(' ')).toEqual({ code: 0, stderr: '' });
    return stdout.trimEnd();
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'muster-cli-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('makes a tenant, its directory and its tokens, and takes a token back', async () => {
    const tenant = await shown('tenant', 'create', 'Contoso');
    expect(await shown('tenant', 'list')).toContainEqual({
      id: tenant.id,
      name: 'Contoso',
      directories: 0,
      revealTokens: true,
    });
    const directory = await shown('directory', 'create', 'Contoso Entra', '--kind', 'okta', '--tenant', tenant.id);
    expect(directory).toMatchObject({ name: 'Contoso Entra', kind: 'okta', settings: { offerLocalGroups: false } });
    expect(await said('directory', 'list')).toContain(`Contoso Entra (okta)  ${directory.id}`);
    const changed = await shown('directory', 'set', directory.id, '--offer-local-groups', 'on');
    expect(changed.settings).toMatchObject({ offerLocalGroups: true, offerExistingUsers: false });
    const { id, token } = await shown('token', 'create', directory.id, '--description', 'second');
    expect(await said('directory', 'show', directory.id)).toMatch(new RegExp(`${id}  active, last used never  second`));
    const wellKnown = { authorization: `Bearer ${token}` };
    expect((await muster.scim('GET', '/Schemas', undefined, wellKnown)).status).toBe(200);
    await expect
      .poll(() => said('token', 'list', directory.id), { timeout: 20_000, interval: 500 })
      .toMatch(new RegExp(`last used never  Made .*\\n${id}  active, last used 20.+Z  second$`));
    expect(await said('token', 'revoke', id, '--yes')).toBe(`Token ${id} is revoked.`);
    expect(await said('directory', 'show', directory.id)).toMatch(new RegExp(`${id}  revoked, last used .+  second`));
  });

  it('says who would get which web role, before a group gives one, and then shows what gives it', async () => {
    const { id, scim } = await muster.newDirectory('Roles');
    const ada = (await scim('POST', '/Users', { userName: 'ada@roles', roles: [{ value: 'EnterpriseAdmin' }] })).body;
    const bob = (await scim('POST', '/Users', { userName: 'bob@roles' })).body;
    const members = [{ value: bob.id }];
    const admins = (await scim('POST', '/Groups', { displayName: 'Our admins', members })).body;
    const proposed = ['--group-roles', 'our ADMINS=Admin', '--role-ceiling', 'User'];
    expect(await said('directory', 'roles', id, ...proposed)).toBe(
      [
        'EnterpriseAdmin -> User: 1 user',
        'none -> User: 1 user',
        `  ada@roles  ${ada.id}  EnterpriseAdmin -> User`,
        `  bob@roles  ${bob.id}  none -> User`,
      ].join('\n'),
    );
    const sources = [{ group: admins.id, role: 'Admin', gives: 'User' }];
    expect((await shown('directory', 'roles', id, ...proposed)).items).toMatchObject([
      { from: 'EnterpriseAdmin' },
      { sources },
    ]);
    expect(await cli(['directory', 'roles', id])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('at least one'),
    });
    expect((await shown('directory', 'set', id, ...proposed)).settings.groupRoles).toEqual({ [admins.id]: 'Admin' });
    expect(await said('directory', 'roles', id, ...proposed)).toBe('User as before: 2 users');
    expect(await said('user', 'show', bob.id)).toMatch(
      new RegExp(`web role +User\\n +given by +the group Our admins  ${admins.id}: Admin, of which .* leaves User\\n`),
    );
  });

  it('shows where the first directory is reached and by which token', async () => {
    expect(await shown('directory', 'show')).toMatchObject({
      scimBaseUrl: 'https://scim.example.org/api/scim/v2',
      token: muster.token,
      tokenExpiresAt: null,
      password: muster.token,
      status: 'active',
    });
  });

  it('shows a directory without its token to whoever may not see that, and says why and what to do', async () => {
    const tenant = await shown('tenant', 'create', 'Discreet');
    const { id, scimBaseUrl } = await shown('directory', 'create', 'Discreet Entra', '--tenant', tenant.id);
    const withoutToken = { id, scimBaseUrl, token: null, password: null, userName: id };
    await shown('tenant', 'set', 'Discreet', '--reveal-tokens', 'off');
    expect(await shown('directory', 'show', 'Discreet Entra')).toMatchObject({
      ...withoutToken,
      notShown: expect.stringMatching(/rotate the token, or .*--reveal-tokens on/),
    });
    await shown('tenant', 'set', 'Discreet', '--reveal-tokens', 'on');
    const { key } = await shown('key', 'create', 'Reader', '--scopes', 'read', '--tenant', tenant.id);
    const { code, stdout } = await cli(['directory', 'show', id], { MUSTER_API_KEY: key });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}SCIM base URL {2}https.*\n[^]*^ {2}Token {10}\(not shown\)\n[^]*\(web\)\n/m);
    expect(stdout).toMatch(/^ {2}The token is not shown: The key "Reader" has the scope read, .* needs reveal: use /m);
    expect(stdout).not.toContain('muster_');
    const { key: blind } = await shown('key', 'create', 'Blind', '--scopes', 'manage', '--tenant', tenant.id);
    expect(await cli(['directory', 'show', id], { MUSTER_API_KEY: blind })).toMatchObject({ code: 1, stdout: '' });
    expect(await shown('directory', 'show', id)).not.toHaveProperty('notShown');
  });

  it('takes a directory through its life, by its name', async () => {
    await shown('directory', 'create', 'Short life', '--kind', 'entra');
    expect(await said('directory', 'show', 'short life')).toContain(
      '--external-id-is-provider-id off  (set by the kind entra)',
    );
    expect(await said('directory', 'guide', 'Short life')).toMatch(/^# Connect Short life\n[^]*Tenant URL/);
    expect(await shown('directory', 'rename', 'Short life', 'Shorter', '--reason', 'a typo')).toMatchObject({
      name: 'Shorter',
    });
    expect(await said('directory', 'disable', 'Shorter')).toMatch(/^Shorter \(entra\) .* disabled$/m);
    expect(await shown('directory', 'enable', 'Shorter')).toMatchObject({ status: 'active' });
    expect(await cli(['directory', 'move', 'Shorter', '--kind', 'okta'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('All tokens and OAuth clients of the directory "Shorter" are revoked.'),
    });
    expect(await shown('directory', 'move', 'Shorter', '--kind', 'okta', '--yes')).toMatchObject({
      kind: 'okta',
      password: expect.stringMatching(/^muster_/),
      settings: { externalIdIsProviderId: true },
    });
    expect((await cli(['directory', 'disconnect', 'Shorter'])).code).toBe(2);
    expect(await shown('directory', 'disconnect', 'Shorter', '--yes')).toMatchObject({ status: 'disconnected' });
    expect(await shown('directory', 'connect', 'Shorter')).toMatchObject({ status: 'active' });
    await said('directory', 'disconnect', 'Shorter', '--yes');
    await muster.owner.query(
      "UPDATE directory.directories SET disconnected_at = disconnected_at - interval '1 minute' WHERE name = 'Shorter'",
    );
    expect(await said('directory', 'delete', 'Shorter', '--yes')).toBe('The directory "Shorter" is deleted.');
  });

  it('makes a key, lists and shows it, and revokes it; the bootstrap key is told what it is for', async () => {
    const { id: tenant } = await shown('tenant', 'create', 'Fabrikam');
    const made = await shown('key', 'create', 'Ada', '--scopes', 'read,manage', '--tenant', 'fabrikam');
    expect(made).toMatchObject({ name: 'Ada', scopes: ['read', 'manage'], tenant, status: 'active', expiresAt: null });
    expect(await said('key', 'list')).toMatch(/^command line [^]*^Ada .* read,manage {2}tenant /m);
    expect((await shown('key', 'show', 'ada')).id).toBe(made.id);
    const byAda = await cli(['tenant', 'list'], { MUSTER_API_KEY: made.key });
    expect(byAda.stdout).toBe(`Fabrikam  ${tenant}  0 directories\n`);
    expect((await cli(['key', 'revoke', 'Ada'])).code).toBe(2);
    expect(await said('key', 'revoke', 'Ada', '--yes')).toBe(`The key ${made.id} is revoked.`);
    const bootstrap = { MUSTER_API_KEY: muster.bootstrapKey };
    expect(await cli(['tenant', 'list'], bootstrap)).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/only makes, lists and revokes keys.* key create/) as unknown,
    });
    expect((await cli(['key', 'list'], bootstrap)).code).toBe(0);
  });

  it('defines a schema from a file, lists and shows it', async () => {
    const id = 'urn:example:params:hr:1.0:User';
    const file = join(folder, 'hr.json');
    expect(await said('schema', 'list')).toBe('(none)');
    writeFileSync(file, JSON.stringify({ id, name: 'HR', attributes: [{ name: 'badge', type: 'string' }] }));
    expect(await said('schema', 'define', file)).toMatch(
      /^HR {2}urn:example:params:hr:1\.0:User {2}of User, version 1/,
    );
    expect(await shown('schema', 'list')).toHaveLength(1);
    expect((await shown('schema', 'show', id.toUpperCase())).attributes).toMatchObject([{ name: 'badge' }]);
  });

  it('makes and changes a local group, and tells the history of a user and of the group', async () => {
    const { id: ada } = (await muster.scim('POST', '/Users', { userName: 'ada@example.org' })).body;
    const { id: bob } = (await muster.scim('POST', '/Users', { userName: 'bob@example.org' })).body;
    const group = await shown('group', 'create', 'Works council', '--member', ada);
    expect(await shown('group', 'add', group.id, bob)).toMatchObject({ members: 2 });
    expect(await shown('group', 'remove', group.id, ada)).toMatchObject({ members: 1 });
    expect(await shown('group', 'rename', group.id, 'Council')).toMatchObject({ displayName: 'Council' });
    expect(await shown('group', 'members', group.id)).toEqual([{ id: bob, type: 'User' }]);
    expect(await said('group', 'list')).toContain(`Council  ${group.id}  1 member  local`);
    expect(await said('group', 'events', group.id)).toContain('members-changed');
    expect(await shown('user', 'events', ada)).toMatchObject([{ version: 1 }]);
    expect(await said('user', 'unlink', ada)).toBe(`Nobody manages the user ${ada} now.`);
    const { directory } = muster.server;
    expect(await said('user', 'transfer', ada, directory.id)).toContain(
      `belongs to the directory ${directory.id} now.`,
    );
    expect(await said('group', 'delete', group.id, '--yes')).toBe(`The group ${group.id} is deleted.`);
  });

  it('finds users by what they have and had, shows one, archives and restores it', async () => {
    const resource = { userName: 'joan@example.org', displayName: 'Joan Clarke', externalId: 'joan' };
    const { id } = (await muster.scim('POST', '/Users', resource)).body;
    const Operations = [{ op: 'Replace', path: 'displayName', value: 'Joan Murray' }];
    await muster.scim('PATCH', `/Users/${id}`, { Operations });
    expect(await shown('user', 'find', 'joan clarke')).toMatchObject([
      { id, userName: 'joan@example.org', state: 'active', matchedBy: 'formerDisplayName' },
    ]);
    expect(await said('user', 'find', 'Joan*')).toMatch(/^joan@example\.org {2}.*Joan Murray.* found by user name$/);
    expect(await shown('user', 'find', 'nobody')).toEqual([]);
    expect(await said('user', 'find', 'nobody')).toBe('(none: a * at the end finds what begins like that, "nobody*")');
    expect(await said('user', 'find', 'nobody*')).toBe('(none)');
    expect(await shown('user', 'show', 'joan')).toMatchObject({ id, attributes: { externalId: 'joan' } });
    const page = await said('user', 'show', 'Joan Murray');
    expect(page).toMatch(/^joan@example\.org\n {2}id +\S+\n {2}state +active\n/);
    expect(page).toContain('SCIM through Microsoft Entra ID');
    expect(await said('user', 'archive', 'joan', '--reason', 'laptop stolen')).toBe(`The user ${id} is archived.`);
    expect(await said('user', 'list', '--state', 'archived')).toContain(id);
    expect(await said('user', 'show', id)).toContain('archived by an administrator');
    expect(await said('user', 'restore', 'joan@example.org')).toBe(`The user ${id} is active again.`);
    expect(await said('user', 'events', 'joan')).toContain('because: laptop stolen');
    await muster.scim('DELETE', `/Users/${id}`);
    expect(await shown('user', 'find', 'joan@example.org')).toMatchObject([{ id, state: 'archived' }]);
    expect(await said('user', 'show', 'joan')).toContain('archived by its directory');
    expect(await cli(['user', 'show', 'nobody'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('Nobody is called "nobody", and nobody was.'),
    });
  });

  const NOBODY = '00000000-0000-7000-8000-000000000000';
  it.each([
    ['an id that is not there', ['user', 'transfer', NOBODY, NOBODY]],
    ['a URN that is not there', ['schema', 'show', 'urn:nobody']],
    ['something that is refused', ['directory', 'create', '']],
  ])('exit code 1, and one line that says why: %s', async (_what, args) => {
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^.{10,}\n$/);
  });

  it.each([
    ['nobody answers', { MUSTER_URL: 'http://127.0.0.1:1' }, 'Muster does not answer at http://127.0.0.1:1'],
    ['the key is wrong', { MUSTER_API_KEY: 'wrong' }, 'The key is not known'],
    ['nothing says where Muster is', { MUSTER_URL: '', MUSTER_API_KEY: '' }, 'Muster does not seem to run'],
  ])('exit code 1: %s', async (_what, environment, reason) => {
    expect(await cli(['tenant', 'list'], environment)).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(reason),
    });
  });

  it('exit code 1: MUSTER_URL leads to something else', async () => {
    const other = createServer((_request, response) => response.end('<html>Welcome</html>')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, stdout, stderr } = await cli(['tenant', 'list'], { MUSTER_URL: `http://127.0.0.1:${port}` });
    other.close();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe('The answer (200) does not come from the admin API of Muster: check MUSTER_URL.\n');
  });

  it.each([
    ['an unknown command', ['directory', 'forget']],
    ['an unknown option', ['tenant', 'list', '--all']],
    ['an argument that is missing', ['token', 'revoke']],
    ['a value that an option does not take', ['directory', 'set', NOBODY, '--offer-local-groups', 'maybe']],
    ['no setting to change', ['directory', 'set', NOBODY]],
    ['a kind that there is not', ['directory', 'create', 'Contoso', '--kind', 'google']],
    ['a file that is not there', ['schema', 'define', 'nowhere.json']],
    ['no command', []],
  ])('exit code 2 before anything is sent: %s', async (_what, args) => {
    const { code, stdout, stderr } = await cli(args, { MUSTER_URL: 'http://127.0.0.1:1' });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^(error: |Name at least one setting|nowhere\.json cannot be read|Usage: )/);
  });

  it('takes names for ids, and says which there are where none or several have one', async () => {
    const tenant = await shown('tenant', 'create', 'Named', '--reason', 'A branch');
    await shown('directory', 'create', 'Named Entra', '--tenant', 'named');
    await shown('group', 'create', 'Choir', '--tenant', 'Named');
    const renamed = await shown('group', 'rename', 'choir', 'Band', '--tenant', 'Named', '--reason', 'They play now');
    expect(renamed).toMatchObject({ displayName: 'Band', tenant: tenant.id });
    const events = await shown('group', 'events', renamed.id);
    expect(events[1].data.reason).toBe('They play now');
    expect(await said('group', 'events', renamed.id)).toContain('because: They play now');
    expect(await shown('directory', 'set', 'named entra', '--offer-local-groups', 'on')).toMatchObject({
      settings: { offerLocalGroups: true },
    });
    const unknown = await cli(['group', 'members', 'Choir', '--tenant', tenant.id]);
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toContain(`There is no group "Choir". There are:\n  ${renamed.id}  Band`);
    await shown('directory', 'create', 'named ENTRA');
    const several = await cli(['directory', 'show', 'Named Entra']);
    expect(several).toMatchObject({ code: 1, stderr: expect.stringMatching(/^There are 2 of the name "Named Entra"/) });
  });

  it('destroys nothing without --yes where nobody can be asked', async () => {
    const group = await shown('group', 'create', 'Kept');
    const asked = await cli(['group', 'delete', 'Kept']);
    expect(asked).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('add --yes') });
    expect(await shown('group', 'members', group.id)).toEqual([]);
    expect(await shown('group', 'delete', 'Kept', '--yes', '--reason', 'Nobody is in it')).toEqual({
      id: group.id,
      deleted: true,
    });
    expect((await shown('group', 'events', group.id)).at(-1).data.reason).toBe('Nobody is in it');
  });
});
