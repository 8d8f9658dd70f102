import { describe, expect, it } from 'vitest';
import { PRESETS, type UserCommand, type UserEvent } from '#contracts';
import type { Json } from '#scim';
import { accepted, refused } from '../../../test/support/decisions.js';
import { directory, UserWorld } from '../../../test/support/user-world.js';
import type { Directory } from './user.js';

const STRICT = PRESETS.strict;
const NAME = { givenName: 'Ada', familyName: 'Byron' };
const WORK = [{ type: 'work', value: 'ada@mail' }];
type Attributes = Readonly<Record<string, Json>>;
const COMPLETE: Attributes = { name: NAME, emails: WORK };

const create = (rest: Attributes = COMPLETE): UserCommand => ({
  type: 'CreateUser',
  userId: 'u',
  resource: { userName: 'ada@x', active: true, ...rest },
});
const patch = (path: string, value: Json): UserCommand => ({
  type: 'PatchUser',
  userId: 'u',
  operations: [{ op: 'replace', path, value }],
  ifMatch: null,
});
const remove = (path: string): UserCommand => ({
  type: 'PatchUser',
  userId: 'u',
  operations: [{ op: 'remove', path }],
  ifMatch: null,
});
const put = (rest: Attributes): UserCommand => ({
  type: 'ReplaceUser',
  userId: 'u',
  resource: { userName: 'ada@x', ...rest },
  ifMatch: null,
});

/** The world after what happened before the directory asked for anything. */
const world = (past: readonly UserCommand[], settings: Partial<Directory> = STRICT): UserWorld => {
  const [first, now] = [{}, settings].map((of) => new UserWorld([directory('d', of)]));
  for (const command of past) {
    const { userId, events } = accepted(first!.send('d', command));
    now!.apply(userId!, events);
  }
  return now!;
};
const when = (of: UserWorld, command: UserCommand): string[] =>
  accepted(of.send('d', command)).events.map(({ type }: UserEvent) => type);
const whyNot = (of: UserWorld, command: UserCommand): string => {
  const { code, detail } = refused(of.decide('d', command));
  expect(code).toBe('invalidValue');
  return detail;
};

describe('a directory that asks for attributes', () => {
  it('makes a user who has them', () => {
    expect(when(world([]), create())).toEqual(['UserCreated']);
  });

  it.each([
    ['name.givenName', { name: { familyName: 'Byron' }, emails: WORK }],
    ['name.familyName', { name: { givenName: 'Ada', familyName: '' }, emails: WORK }],
    ['emails[type eq "work"].value', { name: NAME, emails: [{ type: 'home', value: 'ada@home' }] }],
    ['name.givenName, name.familyName and emails[type eq "work"].value', {}],
  ])('makes nobody without %s, and names it', (paths, rest) => {
    expect(whyNot(world([]), create(rest))).toMatch(`The directory "Directory d" asks for ${paths}, which`);
    expect(whyNot(world([]), create({ ...rest, active: false }))).toMatch(`asks for ${paths},`);
  });

  it('looks at what its mapping makes', () => {
    const attributeMapping = [
      { target: 'name.givenName', expression: '"Ada"' },
      { target: 'name.familyName', expression: '"Byron"' },
    ];
    expect(when(world([], { ...STRICT, attributeMapping }), create({ emails: WORK }))[0]).toBe('UserCreated');
  });

  it.each([
    ['a PATCH', remove('name.familyName')],
    ['a PATCH with an empty text', patch('name.familyName', '')],
    ['a PUT', put({ name: { givenName: 'Ada' }, emails: WORK })],
  ])('lets none of them be taken away, by %s', (_how, command) => {
    expect(whyNot(world([create()]), command)).toMatch('asks for name.familyName, which');
  });

  it('leaves a user who lacks one already as it is where a PATCH does not touch it, and takes one that brings it', () => {
    const of = world([create({ emails: WORK })]);
    expect(when(of, patch('title', 'Dr'))).toEqual(['UserChanged']);
    expect(when(of, patch('title', 'Dr'))).toEqual([]);
    expect(when(of, patch('name.givenName', 'Ada'))).toEqual(['UserChanged']);
    expect(whyNot(of, remove('emails'))).toMatch('asks for emails[type eq "work"].value, which');
  });

  it('asks a PUT for all of them, because it says all that the user shall have', () => {
    expect(whyNot(world([create({ emails: WORK })]), put({ emails: WORK, title: 'Dr' }))).toMatch('name.givenName and');
    expect(when(world([create({ emails: WORK })]), put(COMPLETE))).toEqual(['UserChanged']);
  });

  it('never keeps anybody in for lacking one, and lets nobody back in without', () => {
    const lacks = world([create({})]);
    expect(when(lacks, patch('active', false))).toEqual(['UserChanged', 'UserDeactivated']);
    expect(when(lacks, patch('title', 'Dr'))).toEqual(['UserChanged']);
    expect(whyNot(lacks, patch('active', true))).toMatch('asks for name.givenName, name.familyName and');
    expect(whyNot(lacks, { ...create({}), userId: 'new' } as UserCommand)).toMatch('asks for');
    expect(when(world([create()]), put({ active: false }))).toEqual(['UserChanged', 'UserDeactivated']);
    expect(when(world([create({})]), { type: 'DeleteUser', userId: 'u', ifMatch: null })).toContain('UserWithdrawn');
  });

  it('asks nothing of a user who is held: a scope may leave out those who lack something', () => {
    const settings = { ...STRICT, scope: 'emails[type eq "work"].value pr', refusal: 'quiet' } as const;
    const of = world([], settings);
    expect(when(of, create({ name: NAME }))).toEqual(['UserCreated', 'UserDeactivated']);
    expect(when(of, remove('name.familyName'))).toEqual(['UserChanged']);
    expect(whyNot(of, patch('emails', WORK))).toMatch('asks for name.familyName, which');
  });
});

describe('unknown roles', () => {
  const roles = (...values: readonly string[]): Json => values.map((value) => ({ value }));

  it('are kept where nothing else is set', () => {
    expect(when(world([], {}), create({ roles: roles('Writer') }))).toEqual(['UserCreated']);
  });

  it('are refused with their name and the roles that there are', () => {
    const detail = /^roles.value: "Writer" is not among .* others than ReadOnly, User, Admin and EnterpriseAdmin\.$/;
    expect(whyNot(world([]), create({ ...COMPLETE, roles: roles('admin', 'Writer') }))).toMatch(detail);
    expect(whyNot(world([create()]), patch('roles', roles('Writer')))).toMatch(detail);
    expect(whyNot(world([create()]), put({ ...COMPLETE, roles: roles('Writer') }))).toMatch(detail);
    expect(when(world([create()]), patch('roles', roles('ADMIN')))).toEqual(['UserChanged']);
  });

  it('that a user has already stay where a PATCH brings no other, and go with a user who is archived', () => {
    const of = (): UserWorld => world([create({ ...COMPLETE, roles: roles('Writer') })]);
    expect(when(of(), patch('title', 'Dr'))).toEqual(['UserChanged']);
    expect(when(of(), patch('roles', roles('Writer', 'User')))).toEqual(['UserChanged']);
    expect(whyNot(of(), patch('roles', roles('Writer', 'Reader')))).toMatch('"Reader" is not');
    expect(when(of(), put({ active: false, roles: roles('Reader') }))).toEqual(['UserChanged', 'UserDeactivated']);
  });
});
