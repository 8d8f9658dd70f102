import pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { EFFECTIVE_MEMBERS } from '#contracts';
import { uuidv7 } from '#runtime';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer } from '../support/muster.js';

const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const ADSCIM = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const BASE = 'https://scim.example.org/api/scim/v2';
/** Until another service has heard of it. */
const SOON = { timeout: 30_000 };

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    // A setting of a directory counts with the next request: a token is looked up for each.
    const muster = startMuster({ log, settings: { TOKEN_CACHE_MS: '0' } });
    const { admin, scim: request } = muster;

    const searched = (resources: 'Users' | 'Groups', filter: string, rest = '', client = request): Promise<Answer> =>
      client('GET', `/${resources}?filter=${encodeURIComponent(filter)}${rest}`);
    const newUser = async (client = request, rest: object = {}): Promise<string> => {
      const { status, body } = await client('POST', '/Users', { userName: `${uuidv7()}@example.org`, ...rest });
      expect(status).toBe(201);
      return body.id;
    };
    const newUsers = (count: number): Promise<string[]> => Promise.all(Array.from({ length: count }, () => newUser()));
    const newGroup = async (
      members: readonly string[] = [],
      client = request,
      displayName = `Group ${uuidv7()}`,
    ): Promise<string> => {
      const { status, body } = await client('POST', '/Groups', {
        schemas: [GROUP],
        displayName,
        members: members.map((value) => ({ value })),
      });
      expect(status, JSON.stringify(body)).toBe(201);
      return body.id;
    };
    const patchGroup = (id: string, ...operations: object[]): Promise<Answer> =>
      request('PATCH', `/Groups/${id}`, { schemas: [PATCH_OP], Operations: operations });
    const add = (...ids: string[]): object => ({
      op: 'Add',
      path: 'members',
      value: ids.map((value) => ({ $ref: null, value })),
    });
    const remove = (...ids: string[]): object => ({
      op: 'Remove',
      path: 'members',
      value: ids.map((value) => ({ $ref: null, value })),
    });
    const membersOf = async (id: string, client = request): Promise<string[]> =>
      ((await client('GET', `/Groups/${id}`)).body.members ?? [])
        .map(({ value }: { value: string }) => value)
        .toSorted();
    const groupsOf = async (id: string, client = request): Promise<[string, string][]> =>
      ((await client('GET', `/Users/${id}`)).body.groups ?? [])
        .map(({ value, type }: { value: string; type: string }) => [value, type])
        .toSorted();

    describe("Entra's life of a group", () => {
      it('is found, made, filled, checked, emptied, renamed and deleted', async () => {
        const displayName = `Sales ${uuidv7()}`;
        const find = () => searched('Groups', `displayName eq "${displayName}"`, '&excludedAttributes=members');
        expect(await find()).toMatchObject({ status: 200, body: { totalResults: 0, Resources: [] } });
        const made = await request('POST', '/Groups', {
          schemas: [GROUP, ADSCIM],
          displayName,
          externalId: displayName,
          meta: { resourceType: 'Group' },
        });
        const { id } = made.body;
        expect(made).toMatchObject({
          status: 201,
          body: {
            schemas: [GROUP],
            displayName,
            externalId: displayName,
            meta: { resourceType: 'Group', version: 'W/"1"' },
          },
        });
        expect(made.headers.get('etag')).toBe('W/"1"');
        expect(made.headers.get('location')).toBe(`${BASE}/Groups/${id}`);
        expect(made.headers.get('content-type')).toMatch(/^application\/scim\+json/);
        expect((await find()).body).toMatchObject({
          totalResults: 1,
          itemsPerPage: 1,
          startIndex: 1,
          Resources: [{ id, displayName }],
        });
        expect((await searched('Groups', `externalId eq "${displayName}"`)).body.Resources).toMatchObject([{ id }]);

        const [ada, bob, eve] = (await newUsers(3)) as [string, string, string];
        const added = await patchGroup(id, add(ada), add(bob.toUpperCase()));
        expect([added.status, added.body, added.headers.get('etag')]).toEqual([204, undefined, 'W/"2"']);
        expect((await patchGroup(id, { op: 'add', path: 'members', value: [{ value: eve }] })).status).toBe(204);
        const read = await request('GET', `/Groups/${id}`);
        expect(read.headers.get('content-type')).toMatch(/^application\/scim\+json/);
        expect(read.body.members).toHaveLength(3);
        expect(read.body.members).toEqual(
          expect.arrayContaining(
            [ada, bob, eve].map((value) => ({
              value,
              $ref: `${BASE}/Users/${value}`,
              type: 'User',
              display: expect.stringMatching(/@example\.org$/),
            })),
          ),
        );
        expect((await find()).body.Resources[0]).not.toHaveProperty('members');
        expect((await request('GET', `/Groups/${id}?excludedAttributes=members`)).body).toMatchObject({
          id,
          displayName,
        });
        expect((await request('GET', `/Groups/${id}?excludedAttributes=members`)).body).not.toHaveProperty('members');
        expect(
          (await searched('Groups', `displayName eq "${displayName.toUpperCase()}"`)).body.Resources[0].members,
        ).toHaveLength(3);

        const other = await newUser();
        for (const [filter, hits] of [
          [`id eq "${id}" and members eq "${ada}"`, 1],
          [`members eq "${ada}" and id eq "${id}"`, 1],
          [`members eq "${other}" and id eq "${id}"`, 0],
          [`id eq "${id}" and members.value eq "${bob}"`, 1],
          [`id eq "${id}" and members eq "${bob.toUpperCase()}"`, 1],
          [`id eq "${id}" and members[value eq "${bob}" and type eq "User"]`, 1],
        ] as const) {
          expect((await searched('Groups', filter, '&excludedAttributes=members')).body.totalResults, filter).toBe(
            hits,
          );
        }

        expect((await patchGroup(id, remove(ada))).status).toBe(204);
        expect((await patchGroup(id, { op: 'remove', path: `members[value eq "${bob}"]` })).status).toBe(204);
        expect(await membersOf(id)).toEqual([eve]);
        expect((await patchGroup(id, { op: 'Replace', path: 'displayName', value: `${displayName}!` })).status).toBe(
          204,
        );
        expect((await find()).body.totalResults).toBe(0);
        expect((await request('DELETE', `/Groups/${id}`)).status).toBe(204);
        for (const method of ['GET', 'DELETE']) expect((await request(method, `/Groups/${id}`)).status).toBe(404);
        expect(await newGroup([], request, `${displayName}!`)).not.toBe(id);
      });

      it('adding twice and removing a non-member change nothing and are no errors', async () => {
        const [ada, bob] = (await newUsers(2)) as [string, string];
        const id = await newGroup([ada]);
        for (const operation of [
          add(ada),
          remove(bob),
          { op: 'remove', path: `members[value eq "${bob}"]` },
          remove('no uuid'),
        ]) {
          const { status, headers } = await patchGroup(id, operation);
          expect([status, headers.get('etag')], JSON.stringify(operation)).toEqual([204, 'W/"2"']);
        }
        expect(await membersOf(id)).toEqual([ada]);
      });

      it('a PATCH that asks for attributes is answered with the group', async () => {
        const [ada] = (await newUsers(1)) as [string];
        const id = await newGroup();
        const patched = await request('PATCH', `/Groups/${id}?attributes=displayName,members`, {
          Operations: [add(ada)],
        });
        expect(patched).toMatchObject({ status: 200, body: { id, members: [{ value: ada }] } });
        expect(patched.headers.get('etag')).toBe('W/"2"');
        expect(patched.body).not.toHaveProperty('meta');
        expect(
          (await request('PATCH', `/Groups/${id}?attributes=members.value`, { Operations: [add(ada)] })).body.members,
        ).toEqual([{ value: ada }]);
        expect(
          (await request('PATCH', `/Groups/${id}?excludedAttributes=members`, { Operations: [add(ada)] })).status,
        ).toBe(204);
      });

      it('30 member PATCHes at the same time lose nobody', async () => {
        const id = await newGroup();
        const people = await newUsers(30);
        const answers = await Promise.all(people.map((person) => patchGroup(id, add(person))));
        expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(204));
        expect(await membersOf(id)).toEqual(people.toSorted());
        await Promise.all(people.slice(0, 15).map((person) => patchGroup(id, remove(person))));
        expect(await membersOf(id)).toEqual(people.slice(15).toSorted());
      });

      it('of two groups of one name that come at the same time one is made', async () => {
        const displayName = `Twice ${uuidv7()}`;
        const answers = await Promise.all(['', ''].map(() => request('POST', '/Groups', { displayName })));
        expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409]);
        expect(answers.find(({ status }) => status === 409)!.body).toMatchObject({
          scimType: 'uniqueness',
          detail: expect.stringContaining(displayName),
        });
      });
    });

    it('a group whose name only looks like that of another one of its directory is refused', async () => {
      const displayName = `Sales North ${uuidv7()}`;
      const id = await newGroup([], request, displayName);
      const other = await newGroup();
      for (const look of [
        `${displayName} `,
        displayName.replace('s N', 's  \u00a0n'),
        `\u200b${displayName}`,
        displayName.replace('S', 'Ｓ'),
      ]) {
        const taken = { status: 409, body: { scimType: 'uniqueness', detail: expect.stringContaining(id) } };
        expect(await request('POST', '/Groups', { displayName: look }), look).toMatchObject(taken);
        expect(await patchGroup(other, { op: 'replace', path: 'displayName', value: look })).toMatchObject(taken);
      }
      expect(await request('POST', '/Groups', { displayName: ' \u200b' })).toMatchObject({
        status: 400,
        body: { scimType: 'invalidValue' },
      });
      // Its own name it may write as it likes, and it is found as it was sent.
      expect((await patchGroup(id, { op: 'replace', path: 'displayName', value: `${displayName} ` })).status).toBe(204);
      expect((await searched('Groups', `displayName eq "${displayName} "`)).body.Resources).toMatchObject([
        { id, displayName: `${displayName} ` },
      ]);
      expect((await request('DELETE', `/Groups/${id}`)).status).toBe(204);
      await newGroup([], request, displayName);
    });

    describe('a group', () => {
      it('changes as a whole or not at all', async () => {
        const [ada] = (await newUsers(1)) as [string];
        const id = await newGroup();
        const before = (await request('GET', `/Groups/${id}`)).body;
        expect(
          (await patchGroup(id, { op: 'replace', path: 'displayName', value: 'After' }, add(ada), add(uuidv7())))
            .status,
        ).toBe(400);
        expect((await request('GET', `/Groups/${id}`)).body).toEqual(before);
      });

      it('has an ETag that If-Match and If-None-Match are held against; members count', async () => {
        const [ada] = (await newUsers(1)) as [string];
        const id = await newGroup();
        const write = (ifMatch: string, operation: object) =>
          request('PATCH', `/Groups/${id}`, { Operations: [operation] }, { 'if-match': ifMatch });
        expect((await write('W/"7"', add(ada))).status).toBe(412);
        expect((await write('W/"1"', add(ada))).status).toBe(204);
        expect(await write('W/"1"', remove(ada))).toMatchObject({
          status: 412,
          body: { detail: expect.stringContaining('W/"2"') },
        });
        expect((await write('*', remove(ada))).headers.get('etag')).toBe('W/"3"');
        const read = (ifNoneMatch: string) =>
          request('GET', `/Groups/${id}`, undefined, { 'if-none-match': ifNoneMatch });
        const unchanged = await read('W/"3"');
        expect([unchanged.status, unchanged.body, unchanged.headers.get('etag')]).toEqual([304, undefined, 'W/"3"']);
        expect((await read('W/"2"')).status).toBe(200);
        const displayName = `Put ${uuidv7()}`;
        expect((await request('PUT', `/Groups/${id}`, { displayName }, { 'if-match': 'W/"2"' })).status).toBe(412);
        expect((await request('PUT', `/Groups/${id}`, { displayName }, { 'if-match': 'W/"3"' })).status).toBe(200);
        expect((await request('DELETE', `/Groups/${id}`, undefined, { 'if-match': 'W/"3"' })).status).toBe(412);
        expect((await request('DELETE', `/Groups/${id}`, undefined, { 'if-match': 'W/"4"' })).status).toBe(204);
      });

      it('is replaced by a PUT, members and all; the same once more changes nothing', async () => {
        const [ada, bob, eve] = (await newUsers(3)) as [string, string, string];
        const id = await newGroup([ada, bob]);
        const displayName = `Put ${uuidv7()}`;
        const body = {
          schemas: [GROUP],
          id,
          displayName,
          externalId: 'e1',
          members: [{ value: bob }, { value: eve, display: 'Eve' }, { value: bob }],
        };
        const replaced = await request('PUT', `/Groups/${id}`, body);
        expect(replaced).toMatchObject({ status: 200, body: { id, displayName, externalId: 'e1' } });
        expect(replaced.body.members.map(({ value }: { value: string }) => value).toSorted()).toEqual(
          [bob, eve].toSorted(),
        );
        expect((await request('PUT', `/Groups/${id}`, body)).headers.get('etag')).toBe(replaced.headers.get('etag'));
        const emptied = await request('PUT', `/Groups/${id}`, { displayName });
        expect(emptied.body).not.toHaveProperty('members');
        expect(emptied.body).not.toHaveProperty('externalId');
        expect((await request('PUT', `/Groups/${uuidv7()}`, { displayName: 'x' })).status).toBe(404);
      });

      it('is sorted, paged and searched by POST, with its members', async () => {
        const { id, scim: client } = await muster.newDirectory('Stranger');
        await muster.deleteForGood(id);
        const ada = await newUser(client, { displayName: 'b', title: 'Dr' });
        for (const name of ['b', 'C', 'a', 'D']) await newGroup([ada], client, name);
        const names = ({ body }: Answer): string[] =>
          body.Resources.map(({ displayName }: { displayName: string }) => displayName);
        expect(names(await client('GET', '/Groups?sortBy=displayName'))).toEqual(['a', 'b', 'C', 'D']);
        expect(
          names(await client('GET', '/Groups?sortBy=displayName&sortOrder=descending&startIndex=2&count=2')),
        ).toEqual(['C', 'b']);
        expect(names(await client('GET', '/Groups'))).toEqual(['b', 'C', 'a', 'D']);
        const found = await client('POST', '/Groups/.search', {
          filter: 'displayName gt "b"',
          sortBy: 'displayName',
          attributes: ['displayName', 'members.value'],
          count: 1,
        });
        expect(found).toMatchObject({
          status: 200,
          body: {
            totalResults: 2,
            startIndex: 1,
            itemsPerPage: 1,
            Resources: [{ displayName: 'C', members: [{ value: ada }] }],
          },
        });
        expect(found.body.Resources[0].members[0]).not.toHaveProperty('type');
        expect(await client('GET', '/Groups?sortBy=members.value')).toMatchObject({
          status: 400,
          body: { scimType: 'invalidValue', detail: expect.stringContaining('members') },
        });

        // At the root users come first, then groups, and pages go over both.
        const root = (body: object) => client('POST', '/.search', body);
        const kinds = ({ body }: Answer): string[] =>
          body.Resources.map(({ meta }: { meta: { resourceType: string } }) => meta.resourceType);
        const both = await root({ filter: 'displayName eq "b"' });
        expect([both.body.totalResults, kinds(both), both.body.Resources[1].members[0].value]).toEqual([
          2,
          ['User', 'Group'],
          ada,
        ]);
        const pages = await Promise.all(
          [1, 2, 3, 4, 5, 6].map((startIndex) => root({ startIndex, count: 1, excludedAttributes: ['members'] })),
        );
        expect(pages.map(({ body }) => [body.totalResults, body.startIndex, body.itemsPerPage])).toEqual(
          [1, 2, 3, 4, 5, 6].map((startIndex) => [5, startIndex, startIndex > 5 ? 0 : 1]),
        );
        expect(pages.flatMap(kinds)).toEqual(['User', 'Group', 'Group', 'Group', 'Group']);
        expect(kinds(await root({ startIndex: 1, count: 3 }))).toEqual(['User', 'Group', 'Group']);
        expect((await root({ count: 0 })).body).toMatchObject({ totalResults: 5, itemsPerPage: 0, Resources: [] });
        // A type that has not got the attribute has no hit.
        expect(kinds(await root({ filter: 'title eq "Dr"' }))).toEqual(['User']);
        expect(kinds(await root({ filter: `members eq "${ada}"` }))).toEqual(['Group', 'Group', 'Group', 'Group']);
        expect(await root({ filter: 'nope eq 1' })).toMatchObject({ status: 400, body: { scimType: 'invalidFilter' } });
        expect((await client('GET', '/Groups?count=0')).body).toEqual({
          schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
          totalResults: 4,
          startIndex: 1,
          itemsPerPage: 0,
          Resources: [],
        });
      });

      it('contains groups, but never itself', async () => {
        const [a, b, c] = [await newGroup(), await newGroup(), await newGroup()];
        expect((await patchGroup(a, add(b))).status).toBe(204);
        expect((await patchGroup(b, add(c))).status).toBe(204);
        expect((await request('GET', `/Groups/${a}`)).body.members).toEqual([
          { value: b, $ref: `${BASE}/Groups/${b}`, type: 'Group', display: expect.stringMatching(/^Group /) },
        ]);
        for (const [id, member] of [
          [a, a],
          [b, a],
          [c, a],
        ] as const) {
          expect(await patchGroup(id, add(member))).toMatchObject({
            status: 400,
            body: { scimType: 'invalidValue', detail: expect.stringContaining(member) },
          });
        }
        // Both at once would go round.
        const [x, y] = [await newGroup(), await newGroup()];
        const answers = await Promise.all([patchGroup(x, add(y)), patchGroup(y, add(x))]);
        expect(answers.map(({ status }) => status).toSorted()).toEqual([204, 400]);
        expect((await request('DELETE', `/Groups/${b}`)).status).toBe(204);
        expect(await membersOf(a)).toEqual([]);
        expect((await patchGroup(c, add(a))).status).toBe(204);
      });

      it('of 5,000 members is made by PATCHes of 1,000 and read back whole, each exactly once', async () => {
        const { tenant, id: directory } = muster.server.directory;
        const people = Array.from({ length: 5_000 }, () => uuidv7());
        // As identity would have written them, in a moment.
        await muster.owner.query(
          `INSERT INTO identity.users (tenant, id, directory, version, created, last_modified, resource, user_name_folded, folded)
           SELECT $1, id, $2, 1, now(), now(), jsonb_build_object('userName', id, 'active', true), id::text, '{}' FROM unnest($3::uuid[]) AS id`,
          [tenant, directory, people],
        );
        const displayName = `Everybody ${uuidv7()}`;
        const [id, small] = [
          await newGroup([], request, displayName),
          await newGroup(people.slice(0, 1), request, `${displayName}, nearly`),
        ];
        for (let at = 0; at < people.length; at += 1_000)
          expect((await patchGroup(id, add(...people.slice(at, at + 1_000)))).status).toBe(204);
        expect(await membersOf(id)).toEqual(people.toSorted());
        const listed = await searched('Groups', `displayName sw "${displayName}"`);
        expect(new Map(listed.body.Resources.map((group: any) => [group.id, group.members.length]))).toEqual(
          new Map([
            [id, 5_000],
            [small, 1],
          ]),
        );
        const { rows } = await muster.owner.query(
          `SELECT max(jsonb_array_length(to_jsonb(e)->'data'->'added')) AS most FROM "group".events e WHERE stream = $1`,
          [id],
        );
        expect(rows[0].most).toBe(1_000);
        // Pages of those who may act, by key.
        const found: string[] = [];
        for (let last = '00000000-0000-0000-0000-000000000000', full = true; full;) {
          const page = await muster.owner.query<{ member: string }>(
            `SELECT member FROM ${EFFECTIVE_MEMBERS}($1, $2, $3, 1500)`,
            [tenant, id, last],
          );
          found.push(...page.rows.map(({ member }) => member));
          full = page.rows.length === 1_500;
          last = found.at(-1)!;
        }
        expect(found).toEqual(people.toSorted());
        expect((await patchGroup(id, { op: 'replace', path: 'members', value: [{ value: people[0] }] })).status).toBe(
          204,
        );
        expect(await membersOf(id)).toEqual([people[0]]);
      }, 60_000);
    });

    describe('a user', () => {
      it('shows the groups that it is in, directly and through others, wherever it is shown', async () => {
        const ada = await newUser(request, { displayName: 'Ada' });
        const [team, division] = [await newGroup([ada], request, `Team ${ada}`), await newGroup()];
        await patchGroup(division, add(team));
        const groups = [
          { value: team, $ref: `${BASE}/Groups/${team}`, display: `Team ${ada}`, type: 'direct' },
          { value: division, $ref: `${BASE}/Groups/${division}`, display: expect.any(String), type: 'indirect' },
        ];
        const sorted = ({ body }: Answer): any[] =>
          body.groups.toSorted((a: any, b: any) => (a.type < b.type ? -1 : 1));
        expect(sorted(await request('GET', `/Users/${ada}`))).toEqual(groups);
        expect(
          sorted(
            await request('PATCH', `/Users/${ada}`, { Operations: [{ op: 'replace', path: 'title', value: 'Dr' }] }),
          ),
        ).toEqual(groups);
        expect(sorted(await request('PUT', `/Users/${ada}`, { userName: `${ada}@example.org`, groups: [] }))).toEqual(
          groups,
        );
        const listed = (await searched('Users', `groups.value eq "${team}"`)).body;
        expect(sorted({ body: listed.Resources[0] } as Answer)).toEqual(groups);
        for (const [filter, hits] of [
          [`groups eq "${division}"`, 1],
          [`groups[value eq "${division}" and type eq "direct"]`, 0],
          [`groups[value eq "${team}" and type eq "direct"]`, 1],
          [`groups.display eq "TEAM ${ada}"`, 1],
          [`groups.value eq "${uuidv7()}"`, 0],
          [`id eq "${ada}" and groups pr`, 1],
          [`id eq "${ada}" and not (groups pr)`, 0],
        ] as const) {
          expect((await searched('Users', filter)).body.totalResults, filter).toBe(hits);
        }
        expect(
          (await request('GET', `/Users/${ada}?attributes=groups.value`)).body.groups.map((group: object) =>
            Object.keys(group),
          ),
        ).toEqual([['value'], ['value']]);
        expect((await request('GET', `/Users/${ada}?excludedAttributes=groups`)).body).not.toHaveProperty('groups');
        await patchGroup(team, remove(ada));
        expect((await request('GET', `/Users/${ada}`)).body).not.toHaveProperty('groups');
      });

      it('cannot write its groups', async () => {
        const ada = await newUser();
        const team = await newGroup();
        expect(
          await request('PATCH', `/Users/${ada}`, {
            Operations: [{ op: 'add', path: 'groups', value: [{ value: team }] }],
          }),
        ).toMatchObject({ status: 400, body: { scimType: 'mutability' } });
        expect(await membersOf(team)).toEqual([]);
      });

      it('gets no 304 when it is shown with groups: memberships do not change its version', async () => {
        const ada = await newUser();
        const read = (query = '') => request('GET', `/Users/${ada}${query}`, undefined, { 'if-none-match': 'W/"1"' });
        expect((await read()).status).toBe(304);
        await newGroup([ada]);
        expect(await read()).toMatchObject({ status: 200, body: { groups: [{ type: 'direct' }] } });
        expect((await read('?attributes=groups')).status).toBe(200);
        expect((await read('?excludedAttributes=groups')).status).toBe(304);
      });

      it('that is deleted leaves its groups', async () => {
        const [ada, bob] = (await newUsers(2)) as [string, string];
        const { scim: client } = await muster.newDirectory('Sibling', muster.server.directory.tenant);
        const [mine, other] = [await newGroup([ada, bob]), await newGroup([ada], client)];
        await muster.deleteForGood();
        expect((await request('DELETE', `/Users/${ada}`)).status).toBe(204);
        await vi.waitFor(
          async () => expect([await membersOf(mine), await membersOf(other, client)]).toEqual([[bob], []]),
          SOON,
        );
        await muster.deleteForGood(undefined, null);
        expect(await patchGroup(mine, add(ada))).toMatchObject({
          status: 400,
          body: { scimType: 'invalidValue', detail: expect.stringContaining(ada) },
        });
        const { rows } = await muster.owner.query<{ data: object; actor: string }>(
          'SELECT data, actor FROM "group".events WHERE stream = $1 ORDER BY version DESC LIMIT 1',
          [mine],
        );
        expect(rows).toMatchObject([{ actor: 'group', data: { added: [], removed: [{ type: 'User', value: ada }] } }]);
      });

      it('that is archived stays a member and is shown as one, without effect', async () => {
        const { tenant } = muster.server.directory;
        const [ada, bob, eve] = (await newUsers(3)) as [string, string, string];
        const team = await newGroup([ada, bob]);
        const division = await newGroup([eve, team, bob]);
        const effective = async (group: string): Promise<string[]> =>
          (
            await muster.owner.query<{ member: string }>(`SELECT member FROM ${EFFECTIVE_MEMBERS}($1, $2, $3, 10)`, [
              tenant,
              group,
              '00000000-0000-0000-0000-000000000000',
            ])
          ).rows.map(({ member }) => member);
        expect(await effective(division)).toEqual([ada, bob, eve].toSorted());
        const switchTo = (active: boolean) =>
          request('PATCH', `/Users/${ada}`, { Operations: [{ op: 'Replace', path: 'active', value: active }] });
        expect((await switchTo(false)).body.groups).toHaveLength(2);
        expect(await membersOf(team)).toEqual([ada, bob].toSorted());
        expect(await groupsOf(ada)).toEqual(
          [
            [team, 'direct'],
            [division, 'indirect'],
          ].toSorted(),
        );
        expect([await effective(team), await effective(division)]).toEqual([[bob], [bob, eve].toSorted()]);
        await switchTo(true);
        expect(await effective(team)).toEqual([ada, bob].toSorted());
      });
    });

    describe('an owner', () => {
      it('of another directory sees nothing, and its names are its own', async () => {
        const { scim: client } = await muster.newDirectory('Another sibling', muster.server.directory.tenant);
        const ada = await newUser();
        const displayName = `Own ${uuidv7()}`;
        const id = await newGroup([ada], request, displayName);
        for (const method of ['GET', 'DELETE'] as const)
          expect((await client(method, `/Groups/${id}`)).status).toBe(404);
        expect((await client('PATCH', `/Groups/${id}`, { Operations: [remove(ada)] })).status).toBe(404);
        expect((await client('PUT', `/Groups/${id}`, { displayName })).status).toBe(404);
        expect((await searched('Groups', `displayName eq "${displayName}"`, '', client)).body.totalResults).toBe(0);
        const theirs = await newGroup([ada], client, displayName);
        // A user of the tenant may be a member anywhere; each directory sees its own groups of it.
        expect(await groupsOf(ada)).toEqual([[id, 'direct']]);
        expect(await membersOf(theirs, client)).toEqual([ada]);
        expect((await searched('Users', `groups.value eq "${theirs}"`)).body.totalResults).toBe(0);
      });

      it('of another tenant sees nothing, and its users and groups are nobody here', async () => {
        const { scim: client } = await muster.newDirectory('Stranger');
        const [ada, stranger] = [await newUser(), await newUser(client)];
        const displayName = `Secret ${uuidv7()}`;
        const [id, strange] = [await newGroup([ada], request, displayName), await newGroup([], client)];
        for (const method of ['GET', 'DELETE'] as const)
          expect((await client(method, `/Groups/${id}`)).status).toBe(404);
        for (const filter of [`displayName eq "${displayName}"`, `id eq "${id}"`, `members eq "${ada}"`]) {
          expect((await searched('Groups', filter, '', client)).body.totalResults, filter).toBe(0);
        }
        expect((await searched('Users', `groups.value eq "${id}"`, '', client)).body.totalResults).toBe(0);
        expect(
          (await client('POST', '/.search', { filter: `displayName eq "${displayName}"` })).body.totalResults,
        ).toBe(0);
        for (const foreign of [stranger, strange])
          expect(await patchGroup(id, add(foreign))).toMatchObject({
            status: 400,
            body: { detail: expect.stringContaining(foreign) },
          });
      });

      it('that is the administrators shows local groups to directories only where a setting says so; read-only', async () => {
        const { scim: client, id: directory, tenant } = await muster.newDirectory('Stranger');
        const ada = await newUser(client);
        const {
          body: { id: local },
        } = await admin('POST', '/groups', { displayName: 'Local', members: [ada], tenant });
        const count = async (): Promise<number[]> =>
          Promise.all([
            searched('Groups', 'displayName eq "Local"', '', client),
            searched('Users', `groups.value eq "${local}"`, '', client),
            client('GET', '/Groups'),
          ]).then((answers) => answers.map(({ body }) => body.totalResults));
        expect(await count()).toEqual([0, 0, 0]);
        expect((await client('GET', `/Groups/${local}`)).status).toBe(404);
        expect((await client('DELETE', `/Groups/${local}`)).status).toBe(404);
        expect(await groupsOf(ada, client)).toEqual([]);
        expect((await admin('PATCH', `/directories/${directory}`, { offerLocalGroups: true })).status).toBe(200);
        expect(await count()).toEqual([1, 1, 1]);
        expect(await membersOf(local, client)).toEqual([ada]);
        expect(await groupsOf(ada, client)).toEqual([[local, 'direct']]);
        for (const [method, body] of [
          ['PATCH', { Operations: [remove(ada)] }],
          ['PUT', { displayName: 'x' }],
          ['DELETE', undefined],
        ] as const) {
          expect(await client(method, `/Groups/${local}`, body), method).toMatchObject({
            status: 409,
            body: { detail: expect.stringContaining('administrators') },
          });
        }
        expect((await client('POST', '/Groups', { displayName: 'local', members: [{ value: local }] })).status).toBe(
          201,
        );
      });
    });

    describe('a poison command', () => {
      it('gets its dead letter and its 500; its neighbours succeed', async () => {
        const { tenant, id: directory } = muster.server.directory;
        const existing = await newGroup();
        const poison = (type: string, command: object): { id: string } =>
          ({
            id: uuidv7(),
            type,
            source: 'test',
            subject: 's',
            time: new Date().toISOString(),
            tenant,
            directory,
            correlationId: 'c',
            causationId: null,
            data: { actor: 'test', expiresAt: '2099-01-01T00:00:00.000Z', command },
          }) as never;
        const bad = [
          poison('muster.group.create.v1', {
            type: 'CreateGroup',
            groupId: uuidv7(),
            resource: { displayName: 'a\0b' },
            members: [],
          }),
          poison('muster.group.create.v1', {
            type: 'CreateGroup',
            groupId: 'no uuid',
            resource: { displayName: `Poison ${uuidv7()}` },
            members: [],
          }),
          poison('muster.group.create.v1', { type: 'CreateGroup', groupId: uuidv7() }),
          poison('muster.group.patch.v1', { type: 'PatchGroup', groupId: existing, ifMatch: null }),
          poison('muster.group.patch.v1', { type: 'PatchGroup', groupId: existing, ifMatch: null, operations: [null] }),
          poison('muster.group.patch.v1', {
            type: 'PatchGroup',
            groupId: existing,
            ifMatch: null,
            operations: [{ op: 'add', path: 'members', value: [{ value: [existing] }] }],
          }),
          poison('muster.group.replace.v1', {
            type: 'ReplaceGroup',
            groupId: existing,
            resource: null,
            members: 7,
            ifMatch: null,
          }),
          poison('muster.group.patch.v99', { type: 'PatchGroup' }),
        ];
        const make = () =>
          Array.from({ length: 4 }, () => request('POST', '/Groups', { displayName: `Neighbour ${uuidv7()}` }));
        const neighbours = make();
        await muster.server.log.publish('group.commands', bad as never);
        for (const { status } of await Promise.all([...neighbours, ...make()])) expect(status).toBe(201);
        const { rows } = await muster.owner.query<{ command_id: string; code: string }>(
          'SELECT command_id, outcome->>\'code\' AS code FROM "group".outcomes WHERE command_id = ANY ($1)',
          [bad.map(({ id }) => id)],
        );
        const codes = new Map(rows.map(({ command_id, code }) => [command_id, code]));
        // One of them can only be told that the member has no id.
        expect(bad.map(({ id }, index) => codes.get(id) ?? `${index} has no outcome`)).toEqual(
          bad.map((_, index) => (index === 5 ? 'invalidValue' : 'internal')),
        );
      }, 60_000);
    });

    describe('a restart', () => {
      it('between the deletion of a user and the news of it loses nothing', async () => {
        const { scim: client } = await muster.newDirectory('Stranger');
        const ada = await newUser(client);
        const team = await newGroup([ada], client);
        // Nobody can hear of the events of this tenant.
        const lock = new pg.Client({ connectionString: muster.database });
        await lock.connect();
        await lock.query('BEGIN; LOCK "group".consumed, "group".events IN ACCESS EXCLUSIVE MODE');
        expect((await client('DELETE', `/Users/${ada}`)).status).toBe(204);
        let isStopped = false;
        const stopped = muster.stop().then(() => (isStopped = true));
        await vi.waitFor(async () => {
          await lock.query(
            `SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND relation IN ('"group".consumed'::regclass, '"group".events'::regclass)`,
          );
          expect(isStopped).toBe(true);
        }, SOON);
        await stopped;
        const { rows } = await lock.query('SELECT 1 FROM "group".members WHERE member = $1', [ada]);
        await lock.query('COMMIT');
        await lock.end();
        expect(rows, 'still a member').toHaveLength(1);
        await muster.start();
        await vi.waitFor(async () => expect(await membersOf(team, client)).toEqual([]), SOON);
      }, 120_000);
    });
  });
}
