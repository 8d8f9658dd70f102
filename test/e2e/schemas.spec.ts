import { beforeAll, describe, expect, it } from 'vitest';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Client, type Directory } from '../support/muster.js';

const U = 'urn:ietf:params:scim:schemas:extension:acme:2.0:User';
const G = 'urn:example:acme:Group';
const attributes = [
  { name: 'badge', type: 'string', description: 'The number on the badge' },
  { name: 'secret', type: 'string', caseExact: true },
  { name: 'level', type: 'integer' },
  { name: 'weight', type: 'decimal' },
  { name: 'isRemote', type: 'boolean' },
  { name: 'hireDate', type: 'dateTime' },
  { name: 'tags', type: 'string', multiValued: true },
  {
    name: 'desk',
    type: 'complex',
    subAttributes: [
      { name: 'building', type: 'string' },
      { name: 'floor', type: 'integer' },
    ],
  },
  {
    name: 'cards',
    type: 'complex',
    multiValued: true,
    subAttributes: [
      { name: 'value', type: 'string' },
      { name: 'type', type: 'string' },
      { name: 'primary', type: 'boolean' },
    ],
  },
];

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log });
    const { admin } = muster;
    /** Directories of the tenant that defines schemas, and of another. */
    let mine: Directory;
    let foreign: Directory;
    let tenant: string;

    const scim: Client = (...request) => mine.scim(...request);
    const patch = (id: string, ...Operations: object[]) =>
      scim('PATCH', `/Users/${id}`, { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations });
    const namesOf = async (query: string): Promise<string[]> => {
      const { status, body } = await scim('GET', `/Users?${query}`);
      expect(status, JSON.stringify(body)).toBe(200);
      return body.Resources.map(({ userName }: { userName: string }) => userName);
    };
    const found = (filter: string): Promise<string[]> => namesOf(`filter=${encodeURIComponent(filter)}`);
    const define = (urn: string, body: object) => admin('PUT', `/schemas/${urn}`, { name: 'Acme', tenant, ...body });
    let counter = 0;
    const unique = (): string => `u${++counter}@example.org`;

    beforeAll(async () => {
      tenant = (await admin('POST', '/tenants', { name: 'Acme' })).body.id;
      foreign = await muster.newDirectory('D');
      expect(await define(U, { attributes })).toMatchObject({
        status: 200,
        body: { tenant, resourceType: 'User', version: 1, schema: { id: U } },
      });
      expect(
        (
          await define(G, {
            resourceType: 'Group',
            attributes: [
              { name: 'costCode', type: 'string' },
              { name: 'displayName', type: 'string' },
            ],
          })
        ).status,
      ).toBe(200);
      // The gateway remembers what a token may for TOKEN_CACHE_MS; one that is new it looks up.
      mine = await muster.newDirectory('D', tenant);
    }, 180_000);

    const anna = {
      badge: 'Ab-1',
      secret: 'X',
      level: 3,
      weight: 1.5,
      isRemote: true,
      hireDate: '2024-03-01T08:00:00+01:00',
      tags: ['One', 'two'],
      desk: { building: 'B', floor: 2 },
    };

    it('a schema is shown in Schemas and ResourceTypes of its tenant, and in no other', async () => {
      expect((await scim('GET', `/Schemas/${U.toUpperCase()}`)).body).toMatchObject({
        id: U,
        name: 'Acme',
        attributes: {
          length: attributes.length,
          0: { name: 'badge', type: 'string', required: false, caseExact: false, mutability: 'readWrite' },
        },
        meta: { location: `https://scim.example.org/api/scim/v2/Schemas/${U}` },
      });
      const idsOf = async ({ scim }: Directory): Promise<string[]> =>
        (await scim('GET', '/Schemas')).body.Resources.map(({ id }: { id: string }) => id);
      const others = await idsOf(foreign);
      expect(await idsOf(mine)).toEqual(expect.arrayContaining([...others, U, G]));
      expect(others).not.toContain(U);
      expect((await foreign.scim('GET', `/Schemas/${U}`)).status).toBe(404);
      const extensionsOf = async ({ scim }: Directory, type: string): Promise<unknown> =>
        (await scim('GET', `/ResourceTypes/${type}`)).body.schemaExtensions;
      expect(await extensionsOf(mine, 'User')).toContainEqual({ schema: U, required: false });
      expect(await extensionsOf(mine, 'Group')).toEqual([{ schema: G, required: false }]);
      expect(await extensionsOf(foreign, 'User')).not.toContainEqual(expect.objectContaining({ schema: U }));
      expect(await extensionsOf(foreign, 'Group')).toEqual([]);
    });

    it('a user is made with it, its URN in schemas or not, in any case, and shows it', async () => {
      for (const [schemas, urn] of [
        [undefined, U],
        [['urn:ietf:params:scim:schemas:core:2.0:User', U], U],
        [[], U.toUpperCase()],
      ] as const) {
        const made = await scim('POST', '/Users', {
          ...(schemas ? { schemas } : {}),
          userName: unique(),
          [urn]: { ...anna, BADGE: 'Ab-1' },
        });
        expect(made).toMatchObject({ status: 201, body: { [U]: anna } });
        expect(made.body.schemas).toContain(U);
        expect((await scim('GET', `/Users/${made.body.id}`)).body).toEqual(made.body);
      }
      const plain = await scim('POST', '/Users', { userName: unique() });
      expect(plain.body.schemas).not.toContain(U);
      const flat = await scim('POST', '/Users', {
        userName: unique(),
        [`${U}:badge`]: 'F',
        [`${U}:manager`]: 'nobody knows this',
      });
      expect(flat).toMatchObject({ status: 201, body: { [U]: { badge: 'F' } } });
      const replaced = await scim('PUT', `/Users/${flat.body.id}`, { userName: flat.body.userName, [U]: { level: 4 } });
      expect(replaced.body[U]).toEqual({ level: 4 });
    });

    it('users are found, sorted and selected by its attributes, each by the rules of its type', async () => {
      const [low, high, none] = [unique(), unique(), unique()];
      const all = (filter: string): string => `(${filter}) and displayName eq "Sorted"`;
      await scim('POST', '/Users', {
        userName: low,
        displayName: 'Sorted',
        [U]: {
          ...anna,
          badge: 'zz',
          level: 9,
          hireDate: '2024-03-01T09:00:00+02:00',
          weight: -0.5,
          isRemote: false,
          cards: [
            { type: 'nfc', value: 'AA' },
            { value: 'c', primary: true },
          ],
        },
      });
      await scim('POST', '/Users', {
        userName: high,
        displayName: 'Sorted',
        [U]: {
          ...anna,
          badge: 'AÉ',
          level: 10,
          hireDate: '2024-03-01T07:30:00Z',
          tags: ['Three'],
          desk: { floor: 10 },
          cards: [{ type: 'qr', value: 'b' }],
        },
      });
      await scim('POST', '/Users', { userName: none, displayName: 'Sorted' });
      for (const [filter, expected] of [
        ['badge eq "ZZ"', [low]],
        ['badge co "é"', [high]],
        ['badge sw "Z"', [low]],
        ['badge pr', [low, high]],
        ['badge eq null', [none]],
        ['badge gt "b"', [low]],
        ['secret eq "X"', [low, high]],
        ['secret eq "x"', []],
        ['level gt 9', [high]],
        ['level ge 9', [low, high]],
        ['weight lt 0', [low]],
        ['isRemote eq false', [low]],
        ['hireDate eq "2024-03-01T08:00:00+01:00"', [low]],
        ['hireDate gt "2024-03-01T07:00:00Z"', [high]],
        ['hireDate sw "2024-03-01T09"', [low]],
        ['tags eq "THREE"', [high]],
        ['tags co "w"', [low]],
        ['desk.floor gt 9', [high]],
        ['desk pr', [low, high]],
        ['cards[type eq "NFC" and value eq "aa"]', [low]],
        ['cards.value eq "B"', [high]],
        ['cards[type eq "qr"].value sw "B"', [high]],
      ] as const) {
        const isNot = filter.startsWith('badge eq null');
        const text = filter.replace(/^/, `${U}:`);
        expect(await found(all(isNot ? `not (${U}:badge pr)` : text)), filter).toEqual(expected);
      }
      const sorted = (by: string, order = 'ascending'): Promise<string[]> =>
        namesOf(
          `filter=${encodeURIComponent('displayName eq "Sorted"')}&sortBy=${encodeURIComponent(by)}&sortOrder=${order}`,
        );
      expect(await sorted(`${U}:level`)).toEqual([low, high, none]);
      expect(await sorted(`${U}:level`, 'descending')).toEqual([none, high, low]);
      expect(await sorted(`${U}:badge`)).toEqual([high, low, none]);
      expect(await sorted(`${U}:hireDate`)).toEqual([low, high, none]);
      expect(await sorted(`${U}:desk.floor`)).toEqual([low, high, none]);
      expect(await sorted(`${U}:cards`)).toEqual([high, low, none]);
      const only = await scim(
        'GET',
        `/Users?filter=${encodeURIComponent(`${U}:level eq 10`)}&attributes=${U}:level,${U}:desk.floor`,
      );
      expect(only.body.Resources[0]).toEqual({
        schemas: expect.arrayContaining([U]),
        id: expect.any(String),
        [U]: { level: 10, desk: { floor: 10 } },
      });
      const without = await scim('POST', '/Users/.search', { filter: `${U}:level eq 10`, excludedAttributes: [U] });
      expect(without.body.Resources[0]).not.toHaveProperty([U]);
    });

    it('days that there are not are refused, and an empty text is a value of strings only', async () => {
      const {
        body: { id },
      } = await scim('POST', '/Users', { userName: unique(), [U]: anna });
      for (const value of [
        '2024-02-30T00:00:00Z',
        '2023-02-29T00:00:00Z',
        '2024-04-31T00:00:00',
        '2024-01-01T24:00:01Z',
        '2024-01-01T00:00:00+14:30',
      ]) {
        for (const operation of [
          { op: 'add', path: `${U}:hireDate`, value },
          { op: 'replace', value: { [U]: { hireDate: value } } },
        ]) {
          expect(await patch(id, operation), value).toMatchObject({
            status: 400,
            body: { scimType: 'invalidValue', detail: expect.stringContaining('hireDate') },
          });
        }
        expect((await scim('POST', '/Users', { userName: unique(), [U]: { hireDate: value } })).status).toBe(400);
        expect(
          (await scim('GET', `/Users?filter=${encodeURIComponent(`${U}:hireDate eq "${value}"`)}`)).body.scimType,
        ).toBe('invalidFilter');
      }
      expect(
        (await patch(id, { op: 'add', path: `${U}.hireDate`, value: '2024-02-29T24:00:00Z' })).body[U].hireDate,
      ).toBe('2024-02-29T24:00:00Z');
      const empty = {
        level: '',
        weight: '',
        isRemote: '',
        hireDate: '',
        tags: '',
        desk: { building: '', floor: '' },
        cards: '',
      };
      const made = await scim('POST', '/Users', { userName: unique(), [U]: { ...anna, ...empty, badge: '' } });
      expect(made).toMatchObject({ status: 201, body: { [U]: { badge: '', secret: 'X', desk: { building: '' } } } });
      expect(Object.keys(made.body[U]).toSorted()).toEqual(['badge', 'desk', 'secret']);
      const emptied = await patch(
        id,
        ...['level', 'weight', 'isRemote', 'hireDate', 'tags'].map((name) => ({
          op: name === 'level' ? 'add' : 'replace',
          path: `${U}:${name}`,
          value: name === 'tags' ? [''] : '',
        })),
        { op: 'replace', path: `${U}:desk`, value: { floor: '' } },
        { op: 'replace', path: 'title', value: 'Dr' },
      );
      expect(emptied).toMatchObject({ status: 200, body: { title: 'Dr' } });
      expect(emptied.body[U]).toEqual({ badge: 'Ab-1', secret: 'X', tags: [''], desk: { building: 'B' } });
      expect(
        await found(`${U}:hireDate eq "" and displayName eq null and userName eq "${made.body.userName}"`),
      ).toEqual([made.body.userName]);
      const listed = await patch(
        id,
        { op: 'Replace', path: `${U}:level`, value: [{ $ref: null, value: 7 }] },
        { op: 'add', path: `${U}:cards`, value: { cards: [{ value: 'c' }, { value: 'C' }] } },
      );
      expect(listed.body[U]).toMatchObject({ level: 7, cards: [{ value: 'C' }] });
      expect(await found(`${U}:cards[primary eq false] and userName eq "${listed.body.userName}"`)).toEqual([
        listed.body.userName,
      ]);
      // A name of it that there is not: it is not the schema that nobody knows.
      expect(await patch(id, { op: 'add', path: `${U}:nope`, value: 'x' })).toMatchObject({
        status: 400,
        body: { scimType: 'invalidPath' },
      });
    });

    it('it is patched in each form that clients send, and verify still finds the fold of the events', async () => {
      const {
        body: { id },
      } = await scim('POST', '/Users', { userName: unique() });
      const after = async (...operations: object[]): Promise<unknown> => {
        const { status, body } = await patch(id, ...operations);
        expect(status, JSON.stringify(body)).toBe(200);
        return body[U];
      };
      expect(
        await after(
          { op: 'Add', path: `${U}:badge`, value: 'A' },
          { op: 'Replace', path: `${U}:isRemote`, value: 'True' },
        ),
      ).toEqual({ badge: 'A', isRemote: true });
      expect(
        await after({ op: 'replace', value: { [`${U}:level`]: 2, [`${U}:desk.floor`]: 3, displayName: 'P' } }),
      ).toMatchObject({ badge: 'A', level: 2, desk: { floor: 3 } });
      expect(await after({ op: 'add', value: { [U]: { badge: 'B', tags: ['x'] } } })).toMatchObject({
        badge: 'B',
        tags: ['x'],
        level: 2,
      });
      expect(await after({ op: 'add', path: U, value: { weight: 2 } })).toMatchObject({ weight: 2 });
      expect(await after({ op: 'Add', path: `${U}:tags`, value: ['X', 'y'] })).toMatchObject({ tags: ['x', 'X', 'y'] });
      expect(await after({ op: 'Add', path: `${U}:cards[type eq "nfc"].value`, value: '1' })).toMatchObject({
        cards: [{ type: 'nfc', value: '1' }],
      });
      expect(await after({ op: 'Replace', path: `${U.toUpperCase()}:BADGE`, value: 'İI' })).toMatchObject({
        badge: 'İI',
      });
      expect(await found(`${U}:badge eq "i̇i"`)).toHaveLength(1);
      expect(
        await after(
          { op: 'remove', path: `${U}:cards[type eq "nfc"]` },
          { op: 'Remove', path: `${U}:tags`, value: ['y'] },
        ),
      ).toMatchObject({ tags: ['x', 'X'] });
      expect(await after({ op: 'remove', path: U })).toBeUndefined();
      expect((await patch(id, { op: 'add', path: U, value: { shoeSize: 1 } })).status).toBe(200);
    });

    it('a value of a wrong type is a 400 that names the path, and changes nothing', async () => {
      const { body: user } = await scim('POST', '/Users', { userName: unique(), [U]: { level: 1 } });
      for (const [name, value] of [
        ['badge', 7],
        ['level', '7'],
        ['level', 1.5],
        ['weight', 'heavy'],
        ['isRemote', 'yes'],
        ['hireDate', 'yesterday'],
        ['hireDate', '2024-13-01T00:00:00Z'],
        ['tags', 'one'],
        ['tags', [1]],
        ['desk', 'B'],
        ['desk', { floor: 'x' }],
        ['cards', { value: 'x', primary: 'perhaps' }],
      ] as const) {
        const path = `${U}:${name}`;
        const refused = { status: 400, body: { scimType: 'invalidValue', detail: expect.stringContaining(path) } };
        if (name !== 'cards')
          expect(await scim('POST', '/Users', { userName: unique(), [U]: { [name]: value } }), path).toMatchObject(
            refused,
          );
        expect(
          await scim('POST', '/Users', { userName: unique(), [path]: name === 'cards' ? [value] : value }),
          path,
        ).toMatchObject(refused);
        // A value of a list may be added without its list (RFC 7644 §3.5.2.1).
        expect(
          await patch(user.id, { op: 'replace', path: 'title', value: 'Dr' }, { op: 'replace', path, value }),
          path,
        ).toMatchObject(refused);
        expect(await patch(user.id, { op: 'add', value: { [path]: value } }), path).toMatchObject(refused);
      }
      expect((await scim('POST', '/Users', { userName: unique(), [U]: 'text' })).body.detail).toContain(U);
      expect((await scim('GET', `/Users/${user.id}`)).body).toEqual(user);
    });

    it('another tenant cannot filter by it, and what it sends of it is ignored', async () => {
      const made = await foreign.scim('POST', '/Users', { schemas: [U], userName: unique(), [U]: { level: 'wrong' } });
      expect(made.status).toBe(201);
      expect(made.body).not.toHaveProperty([U]);
      expect(
        (
          await foreign.scim('PATCH', `/Users/${made.body.id}`, {
            Operations: [{ op: 'add', path: `${U}:level`, value: 1 }],
          })
        ).body,
      ).not.toHaveProperty([U]);
      const filter = `filter=${encodeURIComponent(`${U}:level eq 1`)}`;
      expect(await foreign.scim('GET', `/Users?${filter}`)).toMatchObject({
        status: 400,
        body: { scimType: 'invalidFilter' },
      });
      expect((await scim('GET', `/Users?${filter}`)).status).toBe(200);
    });

    it('groups have attributes of their own too', async () => {
      const made = await scim('POST', '/Groups', {
        displayName: 'Extended',
        [G]: { costCode: 'K1' },
        [U]: { badge: 'no group has this' },
      });
      expect(made).toMatchObject({
        status: 201,
        body: { schemas: expect.arrayContaining([G]), [G]: { costCode: 'K1' } },
      });
      expect(made.body).not.toHaveProperty([U]);
      const changed = await scim('PATCH', `/Groups/${made.body.id}?attributes=${G}`, {
        Operations: [{ op: 'Replace', path: `${G}:costCode`, value: 'k2' }],
      });
      expect(changed).toMatchObject({ status: 200, body: { [G]: { costCode: 'k2' } } });
      expect((await scim('GET', `/Groups?filter=${encodeURIComponent(`${G}:costCode eq "K2"`)}`)).body).toMatchObject({
        totalResults: 1,
        Resources: [{ id: made.body.id }],
      });
      expect(
        (
          await scim('PATCH', `/Groups/${made.body.id}`, {
            Operations: [{ op: 'Replace', path: `${G}:costCode`, value: 2 }],
          })
        ).status,
      ).toBe(400);
    });

    it('the name of a group stays unique, though an attribute of the tenant is called displayName too', async () => {
      const bearer = await scim('POST', '/Groups', { displayName: 'Taken' });
      const other = await scim('POST', '/Groups', { displayName: 'Other' });
      const renamed = [
        { op: 'replace', path: 'displayName', value: 'taken' },
        { op: 'replace', path: `${G}:displayName`, value: 'Free' },
      ];
      for (const Operations of [renamed, renamed.toReversed()]) {
        expect(await scim('PATCH', `/Groups/${other.body.id}`, { Operations })).toMatchObject({
          status: 409,
          body: { scimType: 'uniqueness', detail: expect.stringContaining(bearer.body.id) },
        });
      }
      expect((await scim('GET', `/Groups?filter=${encodeURIComponent('displayName eq "taken"')}`)).body).toMatchObject({
        totalResults: 1,
        Resources: [{ id: bearer.body.id }],
      });
    });

    it('a bulk request takes it as single requests do', async () => {
      const bulk = {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        Operations: [
          {
            method: 'POST',
            path: '/Users',
            bulkId: 'a',
            data: { userName: unique(), [U]: { badge: 'Bulk', level: 5 } },
          },
          { method: 'POST', path: '/Users', bulkId: 'b', data: { userName: unique(), [U]: { level: 'five' } } },
          {
            method: 'POST',
            path: '/Groups',
            bulkId: 'c',
            data: { displayName: 'Bulk', [G]: { costCode: 'B' }, members: [{ value: 'bulkId:a' }] },
          },
        ],
      };
      const { status, body } = await scim('POST', '/Bulk', bulk);
      expect([status, body.Operations.map((one: { status: string }) => one.status)]).toEqual([
        200,
        ['201', '400', '201'],
      ]);
      expect(body.Operations[1].response.detail).toContain(`${U}:level`);
      expect(await found(`${U}:badge eq "bulk"`)).toHaveLength(1);
      expect(
        (await scim('GET', `/Groups?filter=${encodeURIComponent(`${G}:costCode eq "b"`)}`)).body.totalResults,
      ).toBe(1);
    });

    it('a schema gets more attributes; what values are stored by is kept, and a 409 says why', async () => {
      const { body: user } = await scim('POST', '/Users', { userName: unique(), [U]: { level: 1 } });
      expect(
        await define(U, {
          attributes: attributes.map((one) => (one.name === 'level' ? { ...one, type: 'string' } : one)),
        }),
      ).toMatchObject({ status: 409, body: { detail: expect.stringMatching(/level.*there may be values/) } });
      expect((await define(U, { attributes: attributes.slice(1) })).status).toBe(409);
      expect(await define(U, { attributes: [{ name: 'a b', type: 'string' }] })).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining('a b') },
      });
      expect((await define(U, { attributes, id: G })).status).toBe(400);
      expect((await define('urn:ietf:params:scim:schemas:core:2.0:User', { attributes })).status).toBe(400);
      expect((await define(U, { attributes, tenant: 'nobody' })).status).toBe(400);
      expect(await define(U, { attributes })).toMatchObject({ status: 200, body: { version: 1 } });
      expect(
        await define(U.toUpperCase().replace('URN', 'urn'), {
          attributes: [...attributes, { name: 'shift', type: 'string' }],
        }),
      ).toMatchObject({ status: 200, body: { version: 2, schema: { id: U } } });
      expect(
        (await admin('GET', `/schemas?tenant=${tenant}`)).body.items.map(({ version, schema: { id } }: any) => [
          id,
          version,
        ]),
      ).toEqual([
        [U, 2],
        [G, 1],
      ]);
      // TOKEN_CACHE_MS later at most, all tokens of the tenant know it.
      await expect
        .poll(async () => (await patch(user.id, { op: 'add', path: `${U}:shift`, value: 'Night' })).body[U], {
          timeout: 10_000,
        })
        .toEqual({ level: 1, shift: 'Night' });
      expect(await found(`${U}:shift eq "night"`)).toEqual([user.userName]);
    });

    it('each row is still the fold of its events, as verify sees it', async () => {
      const { compared, findings } = await muster.verify();
      expect(findings).toEqual([]);
      expect(compared['user rows']).toBeGreaterThan(5);
    });
  });
}
