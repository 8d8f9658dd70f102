import { expect, it } from 'vitest';
import { effectOf, isEffect } from './effects.js';

const changed = (added: readonly string[], removed: readonly string[]): object => ({
  type: 'GroupMembersChanged',
  added,
  removed,
});

it.each([
  ['no event', [], 'nothing'],
  ['a change', [{ type: 'UserChanged' }], 'update'],
  ['a change that deactivates', [{ type: 'UserChanged' }, { type: 'UserDeactivated' }], 'disable'],
  ['an attribute mapping of somebody new', [{ type: 'AttributesMapped' }, { type: 'UserCreated' }], 'create'],
  ['a deletion that is kept', [{ type: 'UserWithdrawn' }], 'delete'],
  ['a link of somebody who comes back', [{ type: 'UserReactivated' }, { type: 'UserLinked' }], 'link'],
  ['members who came', [changed(['a'], [])], 'add members'],
  ['members who went', [changed([], ['a'])], 'remove members'],
  ['members who came and went', [changed(['a'], ['b'])], 'change members'],
  ['an event of another owner', [{ type: 'TenantRenamed' }], 'update'],
])('%s: the event that says most is the effect', (_what, events, effect) => {
  expect(effectOf(events)).toBe(effect);
  expect(isEffect(effect)).toBe(true);
});

it('any other text is no effect', () => {
  for (const text of ['dance', '', null, undefined, 1]) expect(isEffect(text)).toBe(false);
});
