import { beforeAll, describe, expect, it, vi } from 'vitest';
import { uuidv7 } from '#runtime';
import { newProgram } from '../../apps/cli/src/commands.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Directory } from '../support/muster.js';

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const DEPARTMENT = `${ENTERPRISE}:department`;
const SCOPE = 'department eq "Sales" and emails[type eq "work"].value pr';
/** As Entra sends it without aadOptscim062020. */
const patch = (...operations: (readonly [path: string, value: unknown])[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: operations.map(([path, value]) => ({ op: 'Replace', path, value })),
});
const newPerson = (department: string) => {
  const name = `${uuidv7()}@example.org`;
  return {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', ENTERPRISE],
    userName: name,
    externalId: uuidv7(),
    active: true,
    emails: [{ type: 'work', value: name, primary: true }],
    [ENTERPRISE]: { department },
  };
};

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`a scope, on the ${log} log`, () => {
    const muster = startMuster({ log });
    let entra: Directory;
    let okta: Directory;
    beforeAll(async () => {
      entra = await muster.newDirectory('Entra', undefined, 'entra');
      okta = await muster.newDirectory('Okta', entra.tenant, 'okta');
    });
    const set = ({ id }: Directory, settings: object) => muster.admin('PATCH', `/directories/${id}`, settings);
    const lookUp = async (userName: string) =>
      (await entra.scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}`)).body;
    const shownToAdministrators = async (id: string) => (await muster.admin('GET', `/users/${id}`)).body;

    it('the cycle of Entra meets no error: out of scope on arrival, found again, in scope, out of scope', async () => {
      expect(await set(entra, { scope: SCOPE })).toMatchObject({ status: 200, body: { settings: { scope: SCOPE } } });
      const person = newPerson('Engineering');
      expect((await lookUp(person.userName)).totalResults).toBe(0);
      const created = await entra.scim('POST', '/Users', person);
      expect(created).toMatchObject({ status: 201, body: { ...person, active: false } });
      const { id } = created.body;
      expect(await entra.scim('GET', `/Users/${id}`)).toMatchObject({
        status: 200,
        body: { ...person, active: false },
      });
      expect(await lookUp(person.userName)).toMatchObject({ totalResults: 1, Resources: [{ id, active: false }] });
      // A full cycle sends what differs from the source again: it is a success that changes nothing.
      expect(await entra.scim('PATCH', `/Users/${id}`, patch(['active', 'True']))).toMatchObject({
        status: 200,
        headers: expect.anything(),
        body: { active: false, meta: { version: created.body.meta.version } },
      });
      expect(await shownToAdministrators(id)).toMatchObject({ state: 'archived', held: { reasons: ['scope'] } });

      expect(await entra.scim('PATCH', `/Users/${id}`, patch([DEPARTMENT, 'Sales']))).toMatchObject({
        status: 200,
        body: { active: true, [ENTERPRISE]: { department: 'Sales' } },
      });
      expect(await shownToAdministrators(id)).toMatchObject({ state: 'active', held: null });

      expect(await entra.scim('PATCH', `/Users/${id}`, patch([DEPARTMENT, 'Support']))).toMatchObject({
        status: 200,
        body: { active: false, [ENTERPRISE]: { department: 'Support' } },
      });
      expect(await lookUp(person.userName)).toMatchObject({ totalResults: 1, Resources: [{ id, active: false }] });

      const { rows } = await muster.owner.query<{ type: string; data: Record<string, unknown> }>(
        'SELECT type, data FROM identity.events WHERE stream = $1 ORDER BY version',
        [id],
      );
      const held = { reasons: ['scope'], active: true };
      expect(rows.map(({ type, data }) => [type.split('.')[2], data.held])).toEqual([
        ['created', held],
        ['deactivated', undefined],
        ['changed', null],
        ['reactivated', undefined],
        ['changed', held],
        ['deactivated', undefined],
      ]);
      const { rows: directories } = await muster.owner.query(
        'SELECT version FROM directory.directories_v1 WHERE id = $1',
        [entra.id],
      );
      expect(rows.every(({ data }) => data.directoryVersion === directories[0].version)).toBe(true);
      expect((await muster.verify()).findings).toEqual([]);
    });

    it('users who are there are judged at the next write, also after the scope has changed', async () => {
      await set(entra, { scope: null });
      const { body: user } = await entra.scim('POST', '/Users', newPerson('Engineering'));
      expect(user.active).toBe(true);
      await set(entra, { scope: SCOPE });
      expect((await entra.scim('GET', `/Users/${user.id}`)).body.active).toBe(true);
      expect((await entra.scim('PATCH', `/Users/${user.id}`, patch(['title', 'Dr']))).body.active).toBe(false);
      await set(entra, { scope: 'department eq "Engineering"' });
      expect((await entra.scim('PATCH', `/Users/${user.id}`, patch(['active', 'True']))).body.active).toBe(true);
      await set(entra, { scope: SCOPE });
    });

    it('a dry run says whom the scope would hold, and why', async () => {
      const dryRun = (request: object) => muster.admin('POST', `/directories/${entra.id}/dry-run`, request);
      const hold = { reason: 'scope', detail: expect.stringContaining(SCOPE) };
      const asked = await dryRun({ method: 'POST', path: '/Users', body: newPerson('Engineering') });
      expect(asked).toMatchObject({
        status: 200,
        body: {
          decisions: [
            {
              events: [{ event: { type: 'UserCreated', held: { reasons: ['scope'] } } }, {}],
              explanation: { holds: [hold] },
            },
          ],
          response: { status: 201, body: { active: false } },
        },
      });
      const { body: user } = await entra.scim('POST', '/Users', newPerson('Engineering'));
      const request = { method: 'PATCH', path: `/Users/${user.id}`, body: patch(['active', true]) };
      expect((await dryRun(request)).body.decisions).toMatchObject([{ events: [], explanation: { holds: [hold] } }]);
      const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined);
      vi.stubEnv('MUSTER_URL', `http://127.0.0.1:${muster.server.adminPort}`);
      vi.stubEnv('MUSTER_API_KEY', muster.server.apiKey);
      try {
        const body = JSON.stringify(request.body);
        await newProgram().parseAsync(['directory', 'dry-run', entra.id, `PATCH ${request.path}`, '--body', body], {
          from: 'user',
        });
        expect(printed.mock.calls.flat().join('\n')).toMatch(/^ {2}held {6}scope: The user is not in the scope of /m);
        printed.mockClear();
        await newProgram().parseAsync(['user', 'show', user.id], { from: 'user' });
        expect(printed.mock.calls.flat().join('\n')).toContain(
          'the user is not in the scope of the directory (--scope)',
        );
      } finally {
        printed.mockRestore();
        vi.unstubAllEnvs();
      }
    });

    it('others get a 403 for somebody new, with the filter; whoever leaves the scope is archived', async () => {
      await set(okta, { scope: SCOPE });
      expect(await okta.scim('POST', '/Users', newPerson('Engineering'))).toMatchObject({
        status: 403,
        body: { detail: expect.stringContaining(SCOPE) },
      });
      const { body: user } = await okta.scim('POST', '/Users', newPerson('Sales'));
      const left = await okta.scim('PATCH', `/Users/${user.id}`, patch([DEPARTMENT, 'Support']));
      expect(left).toMatchObject({ status: 200, body: { active: false } });
    });

    it('an administrator who restores a user lets it in, and the next cycle leaves it so', async () => {
      const { body: user } = await entra.scim('POST', '/Users', newPerson('Engineering'));
      await muster.admin('POST', `/users/${user.id}/restore`);
      const again = await entra.scim('PATCH', `/Users/${user.id}`, patch(['active', 'True'], ['title', 'Dr']));
      expect(again).toMatchObject({ status: 200, body: { active: true, title: 'Dr' } });
      expect(await shownToAdministrators(user.id)).toMatchObject({ state: 'active', held: { letIn: true } });
      expect((await muster.verify()).findings).toEqual([]);
    });

    it('a strict directory asks for names, a work e-mail and roles that there are: each missing one is a 400 that names it', async () => {
      const strict = await muster.newDirectory('Strict', entra.tenant, 'strict');
      const person = { ...newPerson('Sales'), name: { givenName: 'Ada', familyName: 'Byron' } };
      const refusal = (detail: RegExp) => ({
        status: 400,
        body: { scimType: 'invalidValue', detail: expect.stringMatching(detail) },
      });
      expect(await strict.scim('POST', '/Users', { ...person, name: { givenName: 'Ada' }, emails: [] })).toMatchObject(
        refusal(/asks for name\.familyName and emails\[type eq "work"\]\.value, which/),
      );
      expect(await strict.scim('POST', '/Users', { ...person, roles: [{ value: 'Writer' }] })).toMatchObject(
        refusal(/^roles\.value: "Writer" is not among/),
      );
      const { status, body: user } = await strict.scim('POST', '/Users', person);
      expect(status).toBe(201);
      const path = `/Users/${user.id}`;
      expect(await strict.scim('PATCH', path, patch(['name.givenName', '']))).toMatchObject(
        refusal(/asks for name\.givenName, which/),
      );
      expect(await strict.scim('PUT', path, { ...person, name: undefined })).toMatchObject(
        refusal(/asks for name\.givenName and name\.familyName, which/),
      );
      expect(await strict.scim('PATCH', path, patch(['title', 'Dr']))).toMatchObject({ status: 200 });
      expect((await strict.scim('PATCH', path, patch(['active', false]))).body).toMatchObject({ active: false });
      for (const [wrong, detail] of [
        ['givenName', /^requiredAttributes: "givenName" cannot be asked for: there is no such attribute/],
        ['groups', /^requiredAttributes: "groups" cannot be asked for: no identity provider writes it/],
      ] as const)
        expect(await set(strict, { requiredAttributes: [wrong] })).toMatchObject({
          status: 400,
          body: { detail: expect.stringMatching(detail) },
        });
      const { body: shown } = await muster.admin('GET', `/directories/${strict.id}`);
      expect(shown.presets).toEqual(['requiredAttributes', 'unknownRoles']);
      expect(await set(strict, { requiredAttributes: null, unknownRoles: null })).toMatchObject({ status: 200 });
      expect(
        (await strict.scim('POST', '/Users', { ...newPerson('Sales'), roles: [{ value: 'Writer' }] })).status,
      ).toBe(201);
    });

    it('what the userName is and the claim that it is compared with are saved with a warning where they contradict each other', async () => {
      const { body } = await set(okta, { userNameSource: 'other' });
      expect(body.warnings).toEqual([expect.stringMatching(/userNameSource.*upnClaim/)]);
      const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined);
      vi.stubEnv('MUSTER_URL', `http://127.0.0.1:${muster.server.adminPort}`);
      vi.stubEnv('MUSTER_API_KEY', muster.server.apiKey);
      try {
        await newProgram().parseAsync(['directory', 'set', okta.id, '--upn-claim', 'preferred_username'], {
          from: 'user',
        });
        expect(printed.mock.calls.flat().join('\n')).toMatch(/^ {2}Warning: userNameSource.*upnClaim/m);
      } finally {
        printed.mockRestore();
        vi.unstubAllEnvs();
      }
      expect((await set(okta, { upnClaim: 'oid' })).body.warnings).toEqual([]);
      await set(okta, { upnClaim: null, userNameSource: null });
    });

    it('a filter that cannot be a scope is a 400 with the place and with what was expected', async () => {
      for (const [scope, detail] of [
        ['department eq', /^scope: Expected a value, not the end, at character 14 of the filter/],
        ['shoeSize eq "44"', /^scope: There is no attribute named "shoeSize", at character 1 /],
        ['groups.value eq "x"', /^scope: Expected an attribute that the identity provider writes, .* at character 1 /],
        [Array(50).fill('title pr').join(' or '), /^scope: More than 40 comparisons, at character 487 /],
        ['x'.repeat(2_001), /^scope must be a text of at most 2000 characters/],
      ] as const)
        expect(await set(entra, { scope })).toMatchObject({
          status: 400,
          body: { detail: expect.stringMatching(detail) },
        });
    });
  });
}
