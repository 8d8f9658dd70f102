import { describe, expect, it } from 'vitest';
import type { UserCommand, UserEvent } from '#contracts';
import { decide, evolve, type UserContext, type UserState } from './user.js';

const at = '2026-01-01T00:00:00.000Z';
const under = { directory: 'entra', directoryVersion: 1 };
const context: UserContext = { directory: { id: 'entra', version: 1 }, holderOf: (name) => (name === 'taken' ? 'somebody' : null) };
const given = (...events: UserEvent[]): UserState => events.reduce<UserState>((state, event) => evolve(state, event, 'u', at), null);
const created: UserEvent = { type: 'UserCreated', resource: { userName: 'ada', active: true }, ...under };
const patch = (path: string, value: string | boolean, ifMatch: number[] | null = null): UserCommand => ({
  type: 'PatchUser', userId: 'u', operations: [{ op: 'replace', path, value }], ifMatch,
});

describe('decide', () => {
  it.each<[string, UserState, UserCommand, UserEvent[]]>([
    ['a new user is created', null, { type: 'CreateUser', userId: 'u', resource: { userName: 'ada' } }, [{ type: 'UserCreated', resource: { userName: 'ada' }, ...under }]],
    ['a new user may be inactive', null, { type: 'CreateUser', userId: 'u', resource: { userName: 'ada', active: false } },
      [{ type: 'UserCreated', resource: { userName: 'ada', active: false }, ...under }, { type: 'UserDeactivated', ...under }]],
    ['a change names what changed', given(created), patch('title', 'Dr'), [{ type: 'UserChanged', changes: { title: 'Dr' }, ...under }]],
    ['no change is no event', given(created), patch('userName', 'ada'), []],
    ['active:false archives', given(created), patch('active', 'False'), [{ type: 'UserChanged', changes: { active: false }, ...under }, { type: 'UserDeactivated', ...under }]],
    ['a current If-Match passes', given(created), patch('title', 'Dr', [1]), [{ type: 'UserChanged', changes: { title: 'Dr' }, ...under }]],
    ['a deletion', given(created), { type: 'DeleteUser', userId: 'u', ifMatch: null }, [{ type: 'UserDeleted', ...under }]],
  ])('%s', (_rule, state, command, events) => {
    expect(decide(command, state, context)).toEqual(events);
  });

  it.each<[string, UserState, UserCommand, UserContext, string]>([
    ['a taken name', null, { type: 'CreateUser', userId: 'u', resource: { userName: 'TAKEN' } }, context, 'uniqueness'],
    ['a rename to a taken name', given(created), patch('userName', 'Taken'), context, 'uniqueness'],
    ['a user that is not there', null, patch('title', 'Dr'), context, 'notFound'],
    ["another directory's user", given(created), patch('title', 'Dr'), { ...context, directory: { id: 'okta', version: 1 } }, 'notFound'],
    ['a stale If-Match', given(created), patch('title', 'Dr', [7]), context, 'preconditionFailed'],
    ['a deleted user', given(created, { type: 'UserDeleted', ...under }), { type: 'DeleteUser', userId: 'u', ifMatch: null }, context, 'notFound'],
  ])('refuses %s', (_rule, state, command, where, code) => {
    expect(() => decide(command, state, where)).toThrow(expect.objectContaining({ code }));
  });
});

it('lastModified never goes back', () => {
  const later = evolve(given(created), { type: 'UserDeactivated', ...under }, 'u', '2025-01-01T00:00:00.000Z');
  expect(later?.lastModified).toBe(at);
  expect(later?.version).toBe(2);
});
