import { describe, expect, it } from 'vitest';
import type { MappingLine } from '#contracts';
import { startMuster } from '../support/muster.js';

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const MAPPING: readonly MappingLine[] = [
  { target: 'displayName', expression: 'Coalesce([displayName], Join(" ", [givenName], [surname]))' },
  { target: 'userName', expression: 'ToLower([userPrincipalName], )' },
  { target: 'nickName', expression: 'Left([surname], 3)', when: 'create' },
];

describe.each(['Postgres', 'Kafka'] as const)('the attribute mapping of a directory, on %s', (log) => {
  const muster = startMuster({ log });

  it('decides what is stored and shown of a user, from its creation on, and holds what verify compares', async () => {
    const { id, scim } = await muster.newDirectory('Maps');
    expect((await muster.admin('PATCH', `/directories/${id}`, { attributeMapping: MAPPING })).body).toMatchObject({
      settings: { attributeMapping: MAPPING },
      warnings: [],
    });
    const made = await scim('POST', '/Users', {
      schemas: [USER],
      userName: 'Ada@Maps.example',
      name: { givenName: 'Ada', familyName: 'Lovelace' },
    });
    expect(made).toMatchObject({
      status: 201,
      body: { userName: 'ada@maps.example', displayName: 'Ada Lovelace', nickName: 'Lov' },
    });
    const patched = await scim('PATCH', `/Users/${made.body.id}`, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'Replace', path: 'name.familyName', value: 'Byron' }],
    });
    expect(patched).toMatchObject({ status: 200, body: { displayName: 'Ada Byron', nickName: 'Lov' } });
    expect((await scim('GET', `/Users/${made.body.id}`)).body).toMatchObject({
      displayName: 'Ada Byron',
      userName: 'ada@maps.example',
    });
    expect((await scim('GET', '/Users?filter=userName eq "ADA@maps.example"')).body.totalResults).toBe(1);
    // Personal: the event says which attributes were sent, and which line wrote what.
    const { rows } = await muster.owner.query(
      "SELECT data FROM identity.events WHERE stream = $1 AND type = 'muster.user.attributes-mapped.v1' ORDER BY version",
      [made.body.id],
    );
    expect(rows.map(({ data }) => data)).toMatchObject([
      {
        attributes: ['userName', 'name', 'active'],
        mapped: [{ target: 'displayName', line: 1 }, { line: 2 }, { line: 3 }],
      },
      {
        attributes: ['name'],
        mapped: [
          { target: 'displayName', line: 1 },
          { target: 'userName', line: 2 },
        ],
      },
    ]);
    expect(JSON.stringify(rows)).not.toContain('Lovelace');
    const { version } = (
      await muster.owner.query<{ version: number }>('SELECT version FROM directory.directories WHERE id = $1', [id])
    ).rows[0]!;
    const line = (number: number): object => ({
      ...MAPPING[number - 1],
      line: number,
      when: MAPPING[number - 1]!.when ?? 'always',
      directory: id,
      directoryVersion: version,
    });
    expect((await muster.admin('GET', `/users/${made.body.id}`)).body.mappedBy).toEqual([line(1), line(2), line(3)]);
    // The line is shown as it was when it wrote.
    await muster.admin('PATCH', `/directories/${id}`, { attributeMapping: [] });
    expect((await muster.admin('GET', `/users/${made.body.id}`)).body.mappedBy).toEqual([line(1), line(2), line(3)]);
    await scim('PATCH', `/Users/${made.body.id}`, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'Replace', path: 'nickName', value: 'Countess' }],
    });
    expect((await muster.admin('GET', `/users/${made.body.id}`)).body.mappedBy).toEqual([]);
    expect((await muster.verify()).findings).toEqual([]);
  });

  it('is saved only if every expression can be used: where it is wrong is said by line and column', async () => {
    const { id } = await muster.newDirectory('Wrong');
    const refused = await muster.admin('PATCH', `/directories/${id}`, {
      attributeMapping: [MAPPING[0], { target: 'title', expression: 'Join(" ",\n  [givenName], Left([nobody], 3)' }],
    });
    expect(refused).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching(/attributeMapping, line 2, expression: .*line 2, column \d+.*expected/) },
    });
    for (const wrong of ['x', [{}], [{ target: 'title' }], [{ target: 'title', expression: '[title]', when: 'never' }]])
      expect((await muster.admin('PATCH', `/directories/${id}`, { attributeMapping: wrong })).status).toBe(400);
    expect((await muster.admin('GET', `/directories/${id}`)).body.settings.attributeMapping).toEqual([]);
    const warned = await muster.admin('PATCH', `/directories/${id}`, {
      attributeMapping: [{ target: 'nickName', expression: 'GUID()' }],
    });
    expect(warned).toMatchObject({
      status: 200,
      body: { warnings: [expect.stringMatching(/line 1.*on create only/)] },
    });
  });

  it('refuses a user for whom a line has no result, by naming the line', async () => {
    const { id, scim } = await muster.newDirectory('No result');
    await muster.admin('PATCH', `/directories/${id}`, {
      attributeMapping: [{ target: 'title', expression: 'CStr(CDate([title]))' }],
    });
    expect(await scim('POST', '/Users', { schemas: [USER], userName: 'a@maps.example', title: 'soon' })).toMatchObject({
      status: 400,
      body: { scimType: 'invalidValue', detail: expect.stringMatching(/Line 1 of the mapping, to title/) },
    });
    expect((await scim('GET', '/Users')).body.totalResults).toBe(0);
  });
});
