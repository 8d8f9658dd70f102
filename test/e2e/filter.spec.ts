import { beforeAll, describe, expect, it } from 'vitest';
import { startMuster, type Answer } from '../support/muster.js';

/** Filters, order and /.search over HTTP. That any filter finds what it should: test/filter-to-sql.int.spec.ts. */
const E = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const U = 'urn:ietf:params:scim:schemas:core:2.0:User';
const PEOPLE = [
  {
    userName: 'ada',
    displayName: 'Ada Lovelace',
    name: { familyName: 'Lovelace' },
    title: 'Countess',
    active: true,
    emails: [{ type: 'work', value: 'ada@x.org', primary: true }],
    department: 'Research',
  },
  {
    userName: 'Asa',
    displayName: 'ÅSA Öberg',
    name: { familyName: 'Öberg' },
    emails: [
      { type: 'home', value: 'b@home.org' },
      { type: 'work', value: 'asa@x.org', primary: true },
    ],
  },
  {
    userName: 'incir',
    displayName: 'İncir',
    name: { familyName: 'lovelace' },
    active: false,
    roles: [{ value: 'Admin' }],
    department: 'research',
  },
  { userName: 'zoe', displayName: 'ZOË', nickName: '' },
];

const { scim: request } = startMuster();
const ids: Record<string, string> = {};
const list = (parameters: Record<string, string>): Promise<Answer> =>
  request('GET', `/Users?${new URLSearchParams(parameters)}`);
const namesIn = ({ body }: Answer): string[] => body.Resources.map(({ userName }: { userName: string }) => userName);

beforeAll(async () => {
  for (const person of PEOPLE) ids[person.userName] = (await request('POST', '/Users', person)).body.id;
}, 60_000);

describe('a filter', () => {
  it.each<[string, string[]]>([
    ['userName eq "ASA"', ['Asa']],
    ['userName ne "asa"', ['ada', 'incir', 'zoe']],
    ['displayName co "LOVE"', ['ada']],
    ['displayName sw "åsa"', ['Asa']],
    ['displayName ew "Ë"', ['zoe']],
    ['displayName co "i\u0307"', ['incir']],
    ['displayName gt "b"', ['Asa', 'incir', 'zoe']],
    ['userName le "asa"', ['ada', 'Asa']],
    ['title pr', ['ada']],
    ['nickName pr', []],
    ['nickName eq ""', ['zoe']],
    ['name.familyName eq null', ['zoe']],
    ['name pr', ['ada', 'Asa', 'incir']],
    ['active eq false', ['incir']],
    ['active eq "False" or title pr', ['ada', 'incir']],
    ['not (active eq true) and userName pr', ['incir']],
    ['userName sw "a" and (title pr or not (emails co "HOME"))', ['ada']],
    ['emails[type eq "work" and value co "@X.org"]', ['ada', 'Asa']],
    ['emails[type eq "home"].value eq "asa@x.org"', []],
    ['emails[type eq "WORK"].value eq "ASA@x.org"', ['Asa']],
    ['emails.type eq "home" and emails.value eq "asa@x.org"', ['Asa']],
    ['emails eq "b@home.org"', ['Asa']],
    ['roles[value eq "ADMIN"]', ['incir']],
    [`${E}:department eq "research"`, ['ada', 'incir']],
    ['department eq "RESEARCH"', ['ada', 'incir']],
    [`${U}:userName eq "zoe"`, ['zoe']],
    [`schemas eq "${E}"`, ['ada', 'incir']],
    ['meta.resourceType eq "User"', ['ada', 'Asa', 'incir', 'zoe']],
    ['meta.version ne "W/\\"1\\""', ['incir']],
    ['meta.created lt "2020-01-01T00:00:00Z"', []],
    ['meta[created gt "2020-01-01T00:00:00+01:00" and resourceType eq "User"] and userName eq "ada"', ['ada']],
    ['groups pr', []],
    ['meta.location ew "/nothing"', []],
    ['id eq "nothing"', []],
    ['id co "-7"', ['ada', 'Asa', 'incir', 'zoe']],
  ])('%s finds %j', async (filter, names) => {
    const answer = await list({ filter });
    expect(answer.status).toBe(200);
    expect(namesIn(answer)).toEqual(names);
    expect(answer.body.totalResults).toBe(names.length);
    expect(namesIn(await request('POST', '/Users/.search', { filter }))).toEqual(names);
  });

  it('compares what a client was shown', async () => {
    const { body } = await request('GET', `/Users/${ids.ada}`);
    for (const filter of [
      `id eq "${body.id}"`,
      `meta.location eq "${body.meta.location}"`,
      `meta.created eq "${body.meta.created}" and userName eq "ada"`,
      `meta.lastModified ge "${body.meta.lastModified}" and meta.lastModified le "${body.meta.lastModified}" and id pr and userName eq "ada"`,
      `meta.created co "${body.meta.created.slice(0, 20)}" and userName eq "ada"`,
    ]) {
      expect(namesIn(await list({ filter })), filter).toEqual(['ada']);
    }
    // An id is compared exactly (RFC 7643 §3.1).
    expect((await list({ filter: `id eq "${body.id.toUpperCase()}"` })).body.totalResults).toBe(0);
  });

  it('follows a change', async () => {
    const operations = [{ op: 'replace', path: 'nickName', value: 'ZZ Top' }];
    expect((await request('PATCH', `/Users/${ids.zoe}`, { Operations: operations })).status).toBe(200);
    expect(namesIn(await list({ filter: 'nickName eq "zz TOP"' }))).toEqual(['zoe']);
    await request('PATCH', `/Users/${ids.zoe}`, { Operations: [{ op: 'replace', path: 'nickName', value: '' }] });
    expect(namesIn(await list({ filter: 'nickName eq "zz TOP"' }))).toEqual([]);
  });
});

describe('a list', () => {
  it.each<[string, string, string[]]>([
    ['userName', 'ascending', ['ada', 'Asa', 'incir', 'zoe']],
    ['userName', 'descending', ['zoe', 'incir', 'Asa', 'ada']],
    ['displayName', '', ['ada', 'incir', 'zoe', 'Asa']],
    // Users without a value are last, and first when descending; those with the same one are in the order of their
    // creation.
    ['name.familyName', 'ascending', ['ada', 'incir', 'Asa', 'zoe']],
    ['name.familyName', 'descending', ['zoe', 'Asa', 'ada', 'incir']],
    ['title', 'ascending', ['ada', 'Asa', 'incir', 'zoe']],
    ['emails', 'descending', ['incir', 'zoe', 'Asa', 'ada']],
    ['emails.type', 'ascending', ['ada', 'Asa', 'incir', 'zoe']],
    [`${E}:department`, 'ascending', ['ada', 'incir', 'Asa', 'zoe']],
    ['active', 'ascending', ['incir', 'ada', 'Asa', 'zoe']],
    ['meta.created', 'descending', ['zoe', 'incir', 'Asa', 'ada']],
  ])('by %s, %s, is ordered %j, also by pages', async (sortBy, sortOrder, names) => {
    expect(namesIn(await list({ sortBy, sortOrder }))).toEqual(names);
    const paged: string[] = [];
    for (const startIndex of ['1', '3'])
      paged.push(...namesIn(await list({ sortBy, sortOrder, startIndex, count: '2' })));
    expect(paged).toEqual(names);
  });

  it('is advertised as it is', async () => {
    expect((await request('GET', '/ServiceProviderConfig')).body).toMatchObject({
      sort: { supported: true },
      filter: { supported: true, maxResults: 1000 },
    });
  });
});

describe('/.search', () => {
  it.each(['/Users/.search', '/.search'])('%s answers a SearchRequest as GET does', async (path) => {
    const answer = await request('POST', path, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
      attributes: ['userName', 'name.familyName'],
      filter: 'name pr',
      sortBy: 'name.familyName',
      sortOrder: 'descending',
      startIndex: 2,
      count: 1,
    });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
      totalResults: 3,
      startIndex: 2,
      itemsPerPage: 1,
      Resources: [{ schemas: [U, E], id: ids.ada, userName: 'ada', name: { familyName: 'Lovelace' } }],
    });
    const without = await request('POST', path, {
      excludedAttributes: ['emails', 'meta', E],
      filter: 'userName eq "ada"',
    });
    expect(Object.keys(without.body.Resources[0]).sort()).toEqual([
      'active',
      'displayName',
      'id',
      'name',
      'schemas',
      'title',
      'userName',
    ]);
    expect((await request('POST', path, { count: 0 })).body).toMatchObject({
      totalResults: 4,
      itemsPerPage: 0,
      Resources: [],
    });
  });

  it.each<[string, string, unknown, number, string | undefined, RegExp]>([
    ['GET', '/Users/.search', undefined, 405, undefined, /POST/],
    ['PUT', '/.search', {}, 405, undefined, /POST/],
    ['POST', '/Users/.search', [], 400, 'invalidSyntax', /SearchRequest/],
    ['POST', '/Users/.search', { filter: 'userName' }, 400, 'invalidFilter', /at character 9/],
    ['POST', '/Users/.search', { sortBy: 'nope' }, 400, 'invalidValue', /nope/],
    ['GET', '/Users?sortBy=name', undefined, 400, 'invalidValue', /one of its parts/],
    ['GET', '/Users?filter=id+pr&filter=id+pr', undefined, 400, 'invalidValue', /one string/],
    ['GET', '/Users?filter=displayName+gt+null', undefined, 400, 'invalidFilter', /at character 13/],
  ])('%s %s with %j gets %i', async (method, path, body, status, scimType, detail) => {
    const answer = await request(method, path, body);
    expect(answer).toMatchObject({
      status,
      body: { status: String(status), detail: expect.stringMatching(detail) as unknown },
    });
    expect(answer.body.scimType).toBe(scimType);
  });
});
