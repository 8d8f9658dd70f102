import { describe, expect, it } from 'vitest';
import { Rejected } from './error.js';
import { renderResource, type Resource } from './resource.js';
import { COMMON_ATTRIBUTES, ENTERPRISE_USER_URN as E, USER, USER_URN } from './schema.js';
import { parseSelection } from './selection.js';

const resource: Resource = {
  userName: 'ada',
  active: true,
  name: { givenName: 'Ada', familyName: 'Lovelace' },
  emails: [{ value: 'a@x', type: 'work' }, { type: 'home' }],
  [E]: { department: 'D', manager: { value: 'm', $ref: 'https://x' } },
};
const meta = { resourceType: 'User', created: 'c', lastModified: 'l', location: 'https://x/1', version: 'W/"1"' };
const always = { schemas: [USER_URN, E], id: '1' };

const shown = (attributes?: string, excludedAttributes?: string): object =>
  renderResource(
    USER,
    resource,
    { id: '1', created: 'c', lastModified: 'l', location: 'https://x/1', version: 1 },
    parseSelection(USER, attributes, excludedAttributes),
  );

describe('attributes', () => {
  it.each<[string, object]>([
    ['userName', { userName: 'ada' }],
    ['USERNAME , active', { userName: 'ada', active: true }],
    ['id', {}],
    ['nope', {}],
    ['__proto__,constructor', {}],
    ['name', { name: resource.name! }],
    ['name.givenName', { name: { givenName: 'Ada' } }],
    ['emails.value', { emails: [{ value: 'a@x' }] }],
    ['emails.display', {}],
    ['emails[type eq "work"]', { emails: resource.emails! }],
    ['emails[value eq "a,b"].value,userName', { emails: [{ value: 'a@x' }], userName: 'ada' }],
    ['emails[[', {}],
    ['emails,emails.value', { emails: resource.emails! }],
    [E, { [E]: resource[E]! }],
    [`${E}:department`, { [E]: { department: 'D' } }],
    ['department', { [E]: { department: 'D' } }],
    [`${E}:manager.value`, { [E]: { manager: { value: 'm' } } }],
    [`${USER_URN}:userName`, { userName: 'ada' }],
    ['meta', { meta }],
    ['meta.version', { meta: { version: 'W/"1"' } }],
    ['title', {}],
    [`${E}.department`, { [E]: { department: 'D' } }],
    [`${USER_URN}.userName`, { userName: 'ada' }],
    [`${E}:`, { [E]: resource[E]! }],
    [USER_URN, { userName: 'ada', active: true, name: resource.name!, emails: resource.emails!, meta }],
    [`${USER_URN},${E}`, { ...resource, meta }],
  ])('%s shows these and what is always shown', (attributes, expected) => {
    expect(shown(attributes)).toEqual({ ...always, ...expected });
  });
});

describe('excludedAttributes', () => {
  const without = (...names: string[]): object =>
    Object.fromEntries(Object.entries({ ...resource, meta }).filter(([name]) => !names.includes(name)));
  it.each<[string, object]>([
    ['userName', without('userName')],
    ['emails[type eq "work"]', without()],
    ['id', without()],
    ['schemas', without()],
    ['nope', without()],
    ['groups,members', without()],
    ['name', without('name')],
    ['name.givenName', { ...without(), name: { familyName: 'Lovelace' } }],
    ['name.givenName,name.familyName', without('name')],
    ['emails.type', { ...without(), emails: [{ value: 'a@x' }] }],
    ['emails.value', { ...without(), emails: [{ type: 'work' }, { type: 'home' }] }],
    [E, without(E)],
    ['meta', without('meta')],
    [USER_URN, { [E]: resource[E]! }],
    [USER_URN.toLowerCase(), { [E]: resource[E]! }],
    [`${E}.manager`, { ...without(), [E]: { department: 'D' } }],
    [`${E}:manager.$ref`, { ...without(), [E]: { department: 'D', manager: { value: 'm' } } }],
  ])('%s leaves these out, but never what is always shown', (excluded, expected) => {
    expect(shown(undefined, excluded)).toEqual({ ...always, ...expected });
  });
});

it('empty parameters select everything', () => {
  expect(parseSelection(USER)).toBeUndefined();
  expect(parseSelection(USER, '', '')).toBeUndefined();
});

it('both parameters at once are refused', () => {
  expect(() => parseSelection(USER, 'userName', 'name')).toThrow(Rejected);
  expect(() => parseSelection(USER, 'userName', 'name')).toThrow(/both/);
});

it('leaves the resource as it was', () => {
  const before = structuredClone(resource);
  shown('name.givenName,emails.value');
  shown(undefined, 'name.givenName,emails.value');
  expect(resource).toEqual(before);
});

it('a list of attributes has a limit, into which all that there are fit', () => {
  const all = [
    [...COMMON_ATTRIBUTES, ...USER.schema.attributes],
    ...USER.extensions.map(({ attributes }) => attributes),
  ]
    .flat()
    .flatMap(({ name, subAttributes }) => [name, ...(subAttributes ?? []).map((part) => `${name}.${part.name}`)])
    .map((name) => `${E}:${name}`)
    .join();
  for (const parameters of [[all], [undefined, all]]) expect(shown(...parameters)).toBeDefined();
  for (const parameters of [[`${all},`.repeat(4)], [undefined, `${all},`.repeat(4)]])
    expect(() => shown(...parameters)).toThrow(/limit is 16384/);
});
