import { describe, expect, it } from 'vitest';
import { Rejected } from './error.js';
import { pathName, USER } from './schema.js';
import { parseSearch, parseSearchRequest } from './search.js';

const limits = { defaultCount: 100, maxCount: 1_000 };
const search = (parameters: { readonly [name: string]: unknown }): ReturnType<typeof parseSearch> =>
  parseSearch(USER, parameters, limits);

describe('a search', () => {
  it('without parameters asks for the first page of everything', () => {
    expect(search({})).toEqual({
      filter: null,
      sort: null,
      selection: undefined,
      startIndex: 1,
      count: 100,
      cursor: null,
    });
  });

  it.each<[string, string | undefined, string, boolean]>([
    ['userName', undefined, 'userName', false],
    ['NAME.familyname', 'descending', 'name.familyName', true],
    ['meta.lastModified', 'Ascending', 'meta.lastModified', false],
    ['emails', '', 'emails.value', false],
    ['emails.type', undefined, 'emails.type', false],
    [
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department',
      undefined,
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department',
      false,
    ],
    ['manager', undefined, 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value', false],
  ])('by %s, %s, is ordered by %s', (sortBy, sortOrder, path, descending) => {
    const { sort } = search({ sortBy, sortOrder });
    expect([pathName(sort!.path), sort!.descending]).toEqual([path, descending]);
  });

  it('in a body has numbers and lists, its names in any case, and null for nothing', () => {
    const asked = parseSearchRequest(
      USER,
      {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
        attributes: ['userName', 'name.givenName'],
        excludedAttributes: null,
        filter: 'title pr',
        SORTBY: 'title',
        startIndex: 3,
        count: 0,
        strange: {},
      },
      limits,
    );
    expect(asked).toMatchObject({ filter: { kind: 'present' }, sort: { descending: false }, startIndex: 3, count: 0 });
    expect([...asked.selection!.paths]).toEqual(['userName', 'name.givenName']);
  });

  it('with a cursor, which may be empty, is paged by it, and says what it is of', () => {
    expect(search({ cursor: '', count: '7' })).toMatchObject({
      startIndex: 1,
      count: 7,
      cursor: { text: '', count: 7 },
    });
    expect(search({ cursor: null, startIndex: 2 })).toMatchObject({ startIndex: 2, cursor: null });
    const asked = (parameters: object): string => search({ cursor: 'x', ...parameters }).cursor!.asked;
    expect(asked({ attributes: 'id', sortOrder: 'Ascending', sortBy: '' })).toBe(asked({ count: 5 }));
    const different = [
      {},
      { filter: 'title pr' },
      { filter: 'nickName pr' },
      { sortBy: 'title' },
      { sortBy: 'title', sortOrder: 'descending' },
      { filter: 'title pr', sortBy: 'title' },
    ];
    expect(new Set(different.map(asked)).size).toBe(different.length);
  });

  it.each<[object, string, RegExp]>([
    [{ cursor: ['', ''] }, 'invalidCursor', /cursor must be one string/],
    [{ cursor: 5 }, 'invalidCursor', /cursor/],
    [{ cursor: '', startIndex: 1 }, 'invalidCursor', /startIndex/],
    [{ cursor: '', startIndex: [1] }, 'invalidCursor', /startIndex/],
    [{ cursor: '', count: 'x' }, 'invalidCount', /"x"/],
    [{ cursor: 'x', count: 1.5 }, 'invalidCount', /count/],
    [{ cursor: 'x', count: [1] }, 'invalidCount', /count/],
    [{ sortBy: 'nope' }, 'invalidValue', /"nope"/],
    [{ sortBy: 'name' }, 'invalidValue', /name one of its parts/],
    [{ sortBy: 'password' }, 'invalidValue', /"password"/],
    [{ sortBy: 'title', sortOrder: 'up' }, 'invalidValue', /sortOrder.*"up"/],
    [{ sortOrder: 'up' }, 'invalidValue', /sortOrder/],
    [{ filter: ['id pr', 'id pr'] }, 'invalidValue', /filter must be one string/],
    [{ filter: 5 }, 'invalidValue', /filter/],
    [{ filter: '' }, 'invalidFilter', /character 1/],
    [{ startIndex: 1.5 }, 'invalidValue', /startIndex/],
    [{ count: true }, 'invalidValue', /count/],
    [{ count: 1e21 }, 'invalidValue', /count/],
    [{ attributes: [5] }, 'invalidValue', /attributes/],
    [{ attributes: {} }, 'invalidValue', /attributes/],
    [{ attributes: ['id'], excludedAttributes: ['name'] }, 'invalidValue', /not both/],
    [{ schemas: 'x' }, 'invalidValue', /schemas/],
    [[], 'invalidSyntax', /SearchRequest/],
  ])('%j is refused', (body, code, detail) => {
    const refused = ((): unknown => {
      try {
        return parseSearchRequest(USER, body, limits);
      } catch (error) {
        return error;
      }
    })();
    expect(refused).toBeInstanceOf(Rejected);
    expect(refused).toMatchObject({ code, detail: expect.stringMatching(detail) as unknown });
  });
});
