import { beforeAll, describe, expect, it } from 'vitest';
import { roleSeal, roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { parseSearch, STANDARD, USER, type Resource } from '#scim';
import { Cursors } from '../../apps/gateway/src/read/cursors.js';
import { userRow } from '../../apps/identity/src/user-rows.projection.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer, type Directory } from '../support/muster.js';
import { INSERT_USERS } from '../support/random-resources.js';

/** RFC 9865 over HTTP. That a walk by cursor finds what one by startIndex does: test/lists.int.spec.ts. */
const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';
const USERS = 20_000;
const WALKS: readonly [string, Record<string, string>][] = [
  ['in the order of creation', { count: '200' }],
  ['in the order of a name', { sortBy: 'displayName', count: '1000' }],
  ['from the last name to the first', { sortBy: 'displayName', sortOrder: 'descending', count: '1000' }],
];

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    // A setting of a directory counts with the next request: a token is looked up for each.
    const muster = startMuster({ log, settings: { TOKEN_CACHE_MS: '0' } });
    /** With 7 users and 3 groups; the other two: of the same tenant, and of another. */
    let directory: Directory;
    let sibling: Directory;
    let stranger: Directory;

    const list = (of: Directory, path: string, parameters: Record<string, string>): Promise<Answer> =>
      of.scim('GET', `${path}?${new URLSearchParams(parameters)}`);
    const search = (of: Directory, path: string, parameters: object): Promise<Answer> =>
      of.scim('POST', `${path}/.search`, { schemas: [SEARCH], ...parameters });

    type Ask = (cursor: string) => Promise<Answer>;
    const by =
      (path: string, parameters: Record<string, string>, of = directory): Ask =>
      (cursor) =>
        list(of, path, { ...parameters, cursor });
    /** The bodies of all pages. */
    const walk = async (ask: Ask): Promise<any[]> => {
      const pages = [];
      for (let cursor: string | undefined = ''; cursor !== undefined; cursor = pages.at(-1).nextCursor) {
        const { status, body } = await ask(cursor);
        if (status !== 200) throw new Error(JSON.stringify(body));
        pages.push(body);
      }
      return pages;
    };
    const found = (pages: readonly any[], name: string): string[] =>
      pages.flatMap(({ Resources }) => Resources.map((resource: any) => resource[name]));

    beforeAll(async () => {
      directory = await muster.newDirectory('Okta');
      sibling = await muster.newDirectory('Sibling', directory.tenant);
      stranger = await muster.newDirectory('Stranger');
      for (let index = 0; index < 7; index++)
        await directory.scim('POST', '/Users', {
          userName: `user-${index}`,
          ...(index % 2 ? { title: index % 4 === 1 ? 'Fellow' : 'Abbot' } : {}),
        });
      for (const displayName of ['Readers', 'Writers', 'Thinkers'])
        await directory.scim('POST', '/Groups', { displayName });
    }, 180_000);

    describe('a walk', () => {
      it('is begun with an empty cursor, has a nextCursor on each page but the last, and counts all on each', async () => {
        const pages = await walk(by('/Users', { count: '3' }));
        expect(found(pages, 'userName')).toEqual([
          'user-0',
          'user-1',
          'user-2',
          'user-3',
          'user-4',
          'user-5',
          'user-6',
        ]);
        expect(pages.map(({ itemsPerPage, totalResults }) => [itemsPerPage, totalResults])).toEqual([
          [3, 7],
          [3, 7],
          [1, 7],
        ]);
        for (const { nextCursor, ...page } of pages) {
          expect(Object.keys(page).sort()).toEqual(['Resources', 'itemsPerPage', 'schemas', 'totalResults']);
          if (nextCursor !== undefined) expect(nextCursor).toMatch(/^[\w-]{20,300}$/);
        }
        // `?cursor&count=3` is what RFC 9865 §2 shows.
        expect((await directory.scim('GET', '/Users?cursor&count=3')).body).toMatchObject({
          nextCursor: expect.any(String) as unknown,
          itemsPerPage: 3,
        });
        // The last page may be full.
        expect((await walk(by('/Users', { count: '7' }))).length).toBe(1);
        expect(
          (await walk(by('/Users', { filter: 'userName eq "user-3"', count: '1' }))).map(
            ({ totalResults }) => totalResults,
          ),
        ).toEqual([1]);
        expect(
          (await walk(by('/Users', { filter: 'userName eq "nobody"' }))).map(({ totalResults, Resources }) => [
            totalResults,
            Resources,
          ]),
        ).toEqual([[0, []]]);
      });

      it.each([
        [
          '/Users',
          { filter: 'title pr', sortBy: 'title', sortOrder: 'descending', count: '2' },
          'userName',
          ['user-1', 'user-5', 'user-3'],
        ],
        [
          '/Users',
          { sortBy: 'title', count: '2' },
          'userName',
          ['user-3', 'user-1', 'user-5', 'user-0', 'user-2', 'user-4', 'user-6'],
        ],
        [
          '/Users',
          { sortBy: 'title', sortOrder: 'descending', count: '2' },
          'userName',
          ['user-0', 'user-2', 'user-4', 'user-6', 'user-1', 'user-5', 'user-3'],
        ],
        ['/Groups', { sortBy: 'displayName', count: '1' }, 'displayName', ['Readers', 'Thinkers', 'Writers']],
        ['/Groups', { count: '2', excludedAttributes: 'members' }, 'displayName', ['Readers', 'Writers', 'Thinkers']],
      ])(
        'through %s with %j goes in the order that was asked for, as a POST to /.search does',
        async (path, parameters, name, names) => {
          const pages = await walk(by(path, parameters));
          expect(found(pages, name)).toEqual(names);
          expect(pages.length).toBe(Math.ceil(names.length / Number(parameters.count)));
          expect(
            found(
              await walk((cursor) =>
                search(directory, path, { ...parameters, count: Number(parameters.count), cursor }),
              ),
              name,
            ),
          ).toEqual(names);
        },
      );

      it.each([1, 2, 3, 7, 9, 10, 100])(
        'at the root goes through the users and then the groups, %i at a time',
        async (count) => {
          const pages = await walk((cursor) =>
            search(directory, '', { cursor, count, attributes: ['userName', 'displayName'] }),
          );
          expect(
            pages.flatMap(({ Resources }) =>
              Resources.map(({ userName, displayName }: any) => userName ?? displayName),
            ),
          ).toEqual([
            'user-0',
            'user-1',
            'user-2',
            'user-3',
            'user-4',
            'user-5',
            'user-6',
            'Readers',
            'Writers',
            'Thinkers',
          ]);
          expect(pages.map(({ totalResults, itemsPerPage }) => [totalResults, itemsPerPage])).toEqual(
            Array.from({ length: Math.ceil(10 / count) }, (_, page) => [10, Math.min(count, 10 - page * count)]),
          );
        },
      );

      it('at the root leaves out the type that has not the attribute', async () => {
        expect(
          found(
            await walk((cursor) => search(directory, '', { cursor, count: 2, filter: 'userName sw "user-"' })),
            'userName',
          ),
        ).toHaveLength(7);
        expect(
          found(
            await walk((cursor) =>
              search(directory, '', { cursor, count: 1, filter: 'members eq null', sortBy: 'displayName' }),
            ),
            'displayName',
          ),
        ).toEqual(['Readers', 'Thinkers', 'Writers']);
      });

      it('may be asked for its number only, and goes on with the count that it was begun with', async () => {
        for (const path of ['/Users', '/Groups', '']) {
          const { body } = await search(directory, path, { cursor: '', count: 0 });
          expect(body).toEqual({
            schemas: expect.any(Array) as unknown,
            totalResults: { '/Users': 7, '/Groups': 3, '': 10 }[path],
            itemsPerPage: 0,
            Resources: [],
          });
        }
        const { body } = await list(directory, '/Users', { cursor: '', count: '3' });
        expect((await list(directory, '/Users', { cursor: body.nextCursor })).body.itemsPerPage).toBe(3);
      });

      it('is not begun by who does not ask for it', async () => {
        expect((await list(directory, '/Users', { count: '3' })).body).toMatchObject({
          startIndex: 1,
          itemsPerPage: 3,
        });
        expect((await list(directory, '/Users', { count: '3' })).body).not.toHaveProperty('nextCursor');
      });

      it('is advertised as it is', async () => {
        expect((await directory.scim('GET', '/ServiceProviderConfig')).body.pagination).toEqual({
          cursor: true,
          index: true,
          defaultPaginationMethod: 'index',
          defaultPageSize: 100,
          maxPageSize: 1_000,
          cursorTimeout: 3_600,
        });
      });
    });

    describe('a cursor', () => {
      const first = async (parameters: Record<string, string> = {}, path = '/Users'): Promise<string> =>
        (await by(path, { count: '2', ...parameters })('')).body.nextCursor;
      const refused = (answer: Answer, scimType: string, detail: RegExp): void => {
        expect(answer).toMatchObject({
          status: 400,
          body: {
            schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
            status: '400',
            scimType,
            detail: expect.stringMatching(detail) as unknown,
          },
        });
      };

      it('is for one list of one directory', async () => {
        const cursor = await first();
        const none = /none of this list.*empty cursor/s;
        const others: Record<string, string>[] = [
          { filter: 'title pr' },
          { sortBy: 'title' },
          { sortBy: 'id', sortOrder: 'descending' },
        ];
        for (const parameters of others)
          refused(await list(directory, '/Users', { ...parameters, cursor }), 'invalidCursor', none);
        refused(
          await list(directory, '/Users', {
            cursor: await first({ sortBy: 'title' }),
            sortBy: 'title',
            sortOrder: 'descending',
          }),
          'invalidCursor',
          none,
        );
        refused(
          await list(directory, '/Users', { cursor: await first({ filter: 'title pr' }), filter: 'nickName pr' }),
          'invalidCursor',
          none,
        );
        refused(await list(directory, '/Groups', { cursor }), 'invalidCursor', none);
        refused(await list(directory, '/Users', { cursor: await first({}, '/Groups') }), 'invalidCursor', none);
        refused(await search(directory, '', { cursor }), 'invalidCursor', none);
        refused(await list(sibling, '/Users', { cursor }), 'invalidCursor', none);
        refused(await list(stranger, '/Users', { cursor }), 'invalidCursor', none);
        // The attributes that are shown of each resource are no part of it.
        expect((await list(directory, '/Users', { cursor, attributes: 'userName' })).body.Resources[0]).toMatchObject({
          userName: 'user-2',
        });
      });

      it('ends when its directory may see more or less', async () => {
        const cursor = await first();
        const offer = (offerExistingUsers: boolean): Promise<Answer> =>
          muster.admin('PATCH', `/directories/${directory.id}`, { offerExistingUsers });
        expect((await offer(true)).status).toBe(200);
        refused(await list(directory, '/Users', { cursor }), 'invalidCursor', /settings/);
        await offer(false);
        expect((await list(directory, '/Users', { cursor })).status).toBe(200);
      });

      it('that was cut off, changed or made up is refused, without a difference', async () => {
        const cursor = await first();
        const others = [
          cursor.slice(0, -1),
          cursor.slice(1),
          `${cursor}A`,
          `${cursor.slice(0, -1)}${cursor.endsWith('A') ? 'B' : 'A'}`,
          `${cursor[0] === 'A' ? 'B' : 'A'}${cursor.slice(1)}`,
          cursor.toLowerCase(),
          'x',
          '0',
          ' ',
          '%00',
          'null',
          'A'.repeat(5_000),
          'ü',
          "' OR 1=1 --",
          Buffer.from('{"id":"0"}').toString('base64url'),
        ];
        const answers = await Promise.all(others.map((other) => list(directory, '/Users', { cursor: other })));
        for (const answer of answers) refused(answer, 'invalidCursor', /none of this list/);
        expect(new Set(answers.map(({ body }) => body.detail)).size).toBe(1);
      });

      it('comes with the count of the first page, without startIndex, and as one string', async () => {
        const cursor = await first();
        refused(await list(directory, '/Users', { cursor, count: '3' }), 'invalidCount', /count=2/);
        refused(await list(directory, '/Users', { cursor: '', count: 'many' }), 'invalidCount', /"many"/);
        refused(await list(directory, '/Users', { cursor, count: '1.5' }), 'invalidCount', /"1.5"/);
        refused(await list(directory, '/Users', { cursor, startIndex: '1' }), 'invalidCursor', /startIndex/);
        refused(await list(directory, '/Users', { cursor: '', startIndex: '3' }), 'invalidCursor', /startIndex/);
        refused(await directory.scim('GET', `/Users?cursor=${cursor}&cursor=${cursor}`), 'invalidCursor', /one string/);
        refused(await search(directory, '/Users', { cursor: 5 }), 'invalidCursor', /one string/);
        refused(await search(directory, '', { cursor: '', startIndex: 1 }), 'invalidCursor', /startIndex/);
      });

      it('of an hour ago has expired, whichever gateway gave it', async () => {
        const cursors = new Cursors(
          roleSeal(roleUrl(muster.database, 'gateway'), 'gateway', 'cursor'),
          0,
          () => Date.now() - 3_601_000,
        );
        const scope = {
          tenant: directory.tenant,
          directory: directory.id,
          seesUnmanaged: false,
          seesLocalGroups: false,
          definitions: STANDARD,
        };
        const { search: asked } = cursors.resume(
          scope,
          '/Users',
          'User',
          parseSearch(USER, { cursor: '', count: '2' }, { defaultCount: 100, maxCount: 1_000 }),
        );
        const { nextCursor } = cursors.place(asked, 7, { type: 'User', position: { id: uuidv7(), key: null } }) as {
          nextCursor: string;
        };
        refused(await list(directory, '/Users', { cursor: nextCursor }), 'expiredCursor', /3600 seconds/);
        refused(await list(sibling, '/Users', { cursor: nextCursor }), 'invalidCursor', /none of this list/);
      });

      it('is good after a restart', async () => {
        const cursor = await first();
        await muster.stop();
        await muster.start();
        expect(found([(await list(directory, '/Users', { cursor })).body], 'userName')).toEqual(['user-2', 'user-3']);
      }, 120_000);
    });

    describe('through 20,000 users, while others are deleted and made,', () => {
      let large: Directory;
      const there = new Set<string>();
      const leaving: string[] = [];

      beforeAll(async () => {
        large = await muster.newDirectory('Large');
        const users = Array.from({ length: USERS + USERS / 10 }, (_, index) => {
          const id = uuidv7();
          if (index % 11 === 5) leaving.push(id);
          else there.add(id);
          const at = new Date().toISOString();
          // A name that several have, or nobody.
          const displayName: Resource = index % 5 === 0 ? {} : { displayName: `Name ${(index * 7_919) % 1_000}` };
          return {
            id,
            directory: large.id,
            version: 1,
            created: at,
            lastModified: at,
            resource: { userName: `base-${index}`, ...displayName },
            withdrawnFrom: null,
            held: null,
            signIns: [],
            awaited: false,
            refused: [],
            before: null,
            mapping: null,
          };
        });
        await muster.owner.query(INSERT_USERS, [
          JSON.stringify(users.map((user) => userRow(large.tenant, user, USER))),
        ]);
        // Users who have no events cannot be kept as deleted ones.
        await muster.deleteForGood(large.id);
        leaving.sort(() => Math.random() - 0.5);
      }, 60_000);

      // Reads are the same on both logs.
      it.each(log === 'Kafka' ? WALKS.slice(0, 1) : WALKS)(
        'a walk %s returns whoever is there throughout exactly once',
        async (_order, parameters) => {
          let walking = true;
          const done = { deleted: 0, made: 0 };
          const write = async (name: string): Promise<void> => {
            for (let index = 0; walking && leaving.length > 0; index++) {
              const answers = await Promise.all([
                large.scim('DELETE', `/Users/${leaving.pop()!}`),
                large.scim('POST', '/Users', {
                  userName: `${name}-${index}`,
                  displayName: `Name ${Math.floor(Math.random() * 1_000)}`,
                }),
              ]);
              expect(answers.map(({ status }) => status)).toEqual([204, 201]);
              done.deleted++;
              done.made++;
            }
          };
          const writers = ['a', 'b'].map((name) => write(`${name}-${parameters.count}-${uuidv7()}`));
          const pages = await walk(by('/Users', { ...parameters, attributes: 'displayName' }, large)).finally(() => {
            walking = false;
          });
          await Promise.all(writers);
          const ids = found(pages, 'id');
          expect(new Set(ids).size).toBe(ids.length);
          expect(ids.filter((id) => there.has(id)).length).toBe(there.size);
          expect(there.size).toBe(USERS);
          // Or it would have been a walk like any other.
          expect(done.deleted).toBeGreaterThan(20);
        },
        120_000,
      );
    });
  });
}
