import { describe, expect, it } from 'vitest';
import { uuidv7 } from '#runtime';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster } from '../support/muster.js';

const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error';
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const BASE = 'https://scim.example.org/api/scim/v2';

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const { scim: request } = startMuster({ log });
    const bulk = async (operations: readonly object[], rest: object = {}): Promise<any[]> => {
      const { status, headers, body } = await request('POST', '/Bulk', {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        ...rest,
        Operations: operations,
      });
      expect(status, JSON.stringify(body)).toBe(200);
      expect(headers.get('content-type')).toMatch(/^application\/scim\+json/);
      expect(body.schemas).toEqual(['urn:ietf:params:scim:api:messages:2.0:BulkResponse']);
      return body.Operations;
    };
    const idOf = ({ location }: { location: string }): string => location.slice(location.lastIndexOf('/') + 1);
    const statuses = (operations: readonly any[]): string[] => operations.map(({ status }) => status);
    let counter = 0;
    const unique = (): string => `bulk-${++counter}@example.org`;
    const user = (bulkId: string, data: object = {}): object => ({
      method: 'POST',
      path: '/Users',
      bulkId,
      data: { userName: unique(), ...data },
    });
    const group = (bulkId: string, ...members: string[]): object => ({
      method: 'POST',
      path: '/Groups',
      bulkId,
      data: { displayName: unique(), members: members.map((value) => ({ value })) },
    });
    const members = async (id: string): Promise<string[]> =>
      ((await request('GET', `/Groups/${id}`)).body.members ?? []).map(({ value }: any) => value).sort();

    it('makes users and a group of them in one request, wherever in it the group stands', async () => {
      const first = await bulk([user('a'), user('b'), group('g', 'bulkId:a', 'bulkId:b')]);
      const second = await bulk([group('g', 'bulkId:a', 'bulkId:b'), user('a'), user('b')]);
      for (const operations of [first, [second[1], second[2], second[0]]]) {
        expect(statuses(operations)).toEqual(['201', '201', '201']);
        const [a, b, g] = operations.map(idOf) as [string, string, string];
        expect(operations[0]).toEqual({
          location: `${BASE}/Users/${a}`,
          method: 'POST',
          bulkId: 'a',
          version: 'W/"1"',
          status: '201',
        });
        expect(await members(g)).toEqual([a, b].sort());
        const read = await request('GET', `/Groups/${g}`);
        expect(read.headers.get('etag')).toBe(operations[2].version);
      }
    });

    it('adds, replaces, changes and removes, with versions', async () => {
      const made = await Promise.all([1, 2, 3].map(() => request('POST', '/Users', { userName: unique() })));
      const [put, patched, deleted] = made.map(({ body }) => body.id) as [string, string, string];
      const operations = await bulk([
        user('qwerty'),
        { method: 'put', path: `/Users/${put}`, version: 'W/"1"', data: { userName: unique(), title: 'Put' } },
        {
          method: 'PATCH',
          path: `/Users/${patched}`,
          version: 'W/"1"',
          data: [{ op: 'add', path: 'nickName', value: 'Patched' }],
        },
        { method: 'DELETE', path: `/Users/${deleted}`, version: 'W/"1"' },
        {
          method: 'PATCH',
          path: '/Users/bulkId:qwerty',
          bulkId: 'echo',
          data: { Operations: [{ op: 'add', path: 'manager', value: 'bulkId:qwerty' }] },
        },
      ]);
      const id = idOf(operations[0]);
      expect(operations).toEqual([
        { location: `${BASE}/Users/${id}`, method: 'POST', bulkId: 'qwerty', version: 'W/"1"', status: '201' },
        { location: `${BASE}/Users/${put}`, method: 'PUT', version: 'W/"2"', status: '200' },
        { location: `${BASE}/Users/${patched}`, method: 'PATCH', version: 'W/"2"', status: '200' },
        { location: `${BASE}/Users/${deleted}`, method: 'DELETE', status: '204' },
        { location: `${BASE}/Users/${id}`, method: 'PATCH', bulkId: 'echo', version: 'W/"2"', status: '200' },
      ]);
      expect((await request('GET', `/Users/${patched}`)).body.nickName).toBe('Patched');
      expect((await request('GET', `/Users/${deleted}`)).status).toBe(404);
      expect((await request('GET', `/Users/${id}`)).body[ENTERPRISE]).toEqual({
        manager: expect.objectContaining({ value: id }),
      });
    });

    it('answers each failure with its error and goes on; what refers to it is not carried out', async () => {
      const {
        body: { id, userName },
      } = await request('POST', '/Users', { userName: unique() });
      const nobody = uuidv7();
      const operations = await bulk([
        user('taken', { userName }),
        group('g', 'bulkId:taken'),
        { method: 'PUT', path: `/Users/${id}`, version: 'W/"7"', data: { userName } },
        { method: 'DELETE', path: `/Users/${nobody}` },
        group('h', 'bulkId:never'),
        user('fine'),
      ]);
      expect(operations.slice(0, 5)).toEqual([
        {
          method: 'POST',
          bulkId: 'taken',
          status: '409',
          response: {
            schemas: [ERROR],
            status: '409',
            scimType: 'uniqueness',
            detail: expect.stringContaining(userName),
          },
        },
        {
          method: 'POST',
          bulkId: 'g',
          status: '409',
          response: { schemas: [ERROR], status: '409', detail: expect.stringContaining('bulkId:taken') },
        },
        {
          location: `${BASE}/Users/${id}`,
          method: 'PUT',
          status: '412',
          response: { schemas: [ERROR], status: '412', detail: expect.stringContaining('W/"1"') },
        },
        {
          location: `${BASE}/Users/${nobody}`,
          method: 'DELETE',
          status: '404',
          response: { schemas: [ERROR], status: '404', detail: expect.stringContaining(nobody) },
        },
        {
          method: 'POST',
          bulkId: 'h',
          status: '400',
          response: {
            schemas: [ERROR],
            status: '400',
            scimType: 'invalidValue',
            detail: expect.stringContaining('never'),
          },
        },
      ]);
      expect(operations[5].status).toBe('201');
    });

    it('ends after failOnErrors errors and leaves the rest undone', async () => {
      const last = unique();
      const operations = [user('a'), user('bad', { active: 'maybe' }), user('b', { userName: last })];
      expect(statuses(await bulk(operations, { failOnErrors: 1 }))).toEqual(['201', '400']);
      expect(
        (await request('GET', `/Users?filter=${encodeURIComponent(`userName eq "${last}"`)}`)).body.totalResults,
      ).toBe(0);
      const again = await bulk(operations, { failOnErrors: 2 });
      expect(statuses(again)).toEqual(['409', '400']);
      expect(statuses(await bulk(operations))).toEqual(['409', '400', '201']);
    });

    it('resolves people who refer to each other in a circle, and refuses groups that would contain themselves', async () => {
      const manager = (value: string): object => ({ [ENTERPRISE]: { manager: { value } } });
      const operations = await bulk([
        user('a', manager('bulkId:b')),
        user('b', manager('bulkId:a')),
        user('self', manager('bulkId:self')),
        group('g', 'bulkId:a', 'bulkId:b'),
        group('x', 'bulkId:y'),
        group('y', 'bulkId:x'),
        group('z', 'bulkId:y'),
      ]);
      expect(statuses(operations)).toEqual(['201', '201', '201', '201', '409', '409', '409']);
      const [a, b, self] = operations.map((operation) => (operation.location ? idOf(operation) : '')) as [
        string,
        string,
        string,
      ];
      for (const [id, of] of [
        [a, b],
        [b, a],
        [self, self],
      ] as const) {
        const { headers, body } = await request('GET', `/Users/${id}`);
        expect(body[ENTERPRISE].manager.value).toBe(of);
        expect(operations.find(({ location }) => location?.endsWith(id)).version).toBe(headers.get('etag'));
      }
      expect(operations[4].response).toMatchObject({
        status: '409',
        detail: expect.stringContaining('contain itself'),
      });
    });

    it('leaves nothing of a circle in which one fails', async () => {
      const {
        body: { userName: taken },
      } = await request('POST', '/Users', { userName: unique() });
      const userName = unique();
      const operations = await bulk([
        user('a', { userName, manager: 'bulkId:b' }),
        user('b', { userName: taken, manager: 'bulkId:a' }),
      ]);
      expect(statuses(operations)).toEqual(['409', '409']);
      expect(
        (await request('GET', `/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}`)).body.totalResults,
      ).toBe(0);
    });

    it('decides in the order of the request also where writes are under way together', async () => {
      const [userName, other] = [unique(), unique()];
      const same = await bulk(Array.from({ length: 100 }, (_, index) => user(`${index}`, { userName })));
      expect(statuses(same)).toEqual(['201', ...Array<string>(99).fill('409')]);
      const {
        body: { id },
      } = await request('POST', '/Users', { userName: other });
      const rename = (value: string): object => ({
        method: 'PATCH',
        path: `/Users/${id}`,
        data: { Operations: [{ op: 'replace', path: 'userName', value }] },
      });
      expect(
        statuses(
          await bulk([
            user('a', { userName: other }),
            rename(unique()),
            user('b', { userName: other }),
            rename(other),
            { method: 'DELETE', path: `/Users/${id}` },
          ]),
        ),
      ).toEqual(['409', '200', '201', '409', '204']);
    });

    it('takes as many operations and bytes as it says, and refuses more with a 413 that names the limit', async () => {
      const { maxOperations, maxPayloadSize, supported } = (await request('GET', '/ServiceProviderConfig')).body.bulk;
      expect(supported).toBe(true);
      const count = (maxOperations as number) - 1;
      const made = await bulk([
        ...Array.from({ length: count }, (_, index) => user(`${index}`)),
        group('all', ...Array.from({ length: count }, (_, index) => `bulkId:${index}`)),
      ]);
      expect(made).toHaveLength(maxOperations);
      expect(new Set(statuses(made))).toEqual(new Set(['201']));
      expect(await members(idOf(made[count]))).toHaveLength(count);

      const tooMany = await request('POST', '/Bulk', {
        Operations: Array.from({ length: maxOperations + 1 }, () => ({})),
      });
      expect(tooMany).toMatchObject({
        status: 413,
        body: { schemas: [ERROR], status: '413', detail: expect.stringContaining(`maxOperations (${maxOperations})`) },
      });
      const tooLong = await request('POST', '/Bulk', `{"Operations":[{"method":"${'x'.repeat(maxPayloadSize)}"}]}`);
      expect(tooLong).toMatchObject({
        status: 413,
        body: {
          schemas: [ERROR],
          status: '413',
          detail: expect.stringContaining(`maxPayloadSize of ${maxPayloadSize}`),
        },
      });
      const [long, fine] = await bulk([
        user('long', { nickName: 'x'.repeat(1_048_576) }),
        user('fine', { title: 'x'.repeat(60_000) }),
      ]);
      expect([long.status, fine.status]).toEqual(['413', '201']);
      expect(long.response.detail).toContain('1048576 bytes');
      const text = 'x'.repeat(65_000);
      expect(
        new Set(
          statuses(
            await bulk(Array.from({ length: 60 }, (_, index) => user(`${index}`, { nickName: text, title: text }))),
          ),
        ),
      ).toEqual(new Set(['201']));
    }, 120_000);
  });
}
