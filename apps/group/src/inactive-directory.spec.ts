import { expect, it } from 'vitest';
import type { GroupCommand } from '#contracts';
import { accepted, refused } from '../../../test/support/decisions.js';
import { GroupWorld } from '../../../test/support/group-world.js';

const create: GroupCommand = { type: 'CreateGroup', groupId: 'g', resource: { displayName: 'Staff' }, members: ['u'] };
const remove: GroupCommand = { type: 'DeleteGroup', groupId: 'g', ifMatch: null };
const AT = '2026-01-01T00:00:00.000Z';

/** The group `g` of the directory `d`, which has this status now. */
const world = (status: 'active' | 'disabled' | 'disconnected'): GroupWorld => {
  const before = new GroupWorld(['u']);
  before.send('d', create);
  const now = new GroupWorld(['u'], [], AT, { d: status });
  for (const [id, group] of before.groups) now.groups.set(id, group);
  for (const [id, members] of before.members) now.members.set(id, members);
  return now;
};

it.each(['disabled', 'disconnected'] as const)('a directory that is %s changes no group', (status) => {
  for (const command of [remove, { ...create, groupId: 'h', resource: { displayName: 'Other' } }])
    expect(refused(world(status).decide('d', command))).toMatchObject({
      code: 'forbidden',
      detail: expect.stringContaining(`is ${status}`),
    });
  expect(accepted(world('active').decide('d', remove))).toHaveLength(1);
});

it('who is deleted leaves the groups of every directory', () => {
  const leave: GroupCommand = { type: 'LeaveGroups', memberId: 'u' };
  expect(accepted(world('disabled').decide('d', leave))).toHaveLength(1);
});

it('an administrator deletes the groups of a directory only while its identity provider is disconnected', () => {
  expect(accepted(world('disconnected').decide(null, remove))).toMatchObject([{ events: [{ type: 'GroupDeleted' }] }]);
  for (const status of ['active', 'disabled'] as const)
    expect(refused(world(status).decide(null, remove)).code).toBe('conflict');
  const rename: GroupCommand = {
    type: 'PatchGroup',
    groupId: 'g',
    operations: [{ op: 'replace', path: 'displayName', value: 'X' }],
    ifMatch: null,
  };
  expect(refused(world('disconnected').decide(null, rename)).code).toBe('conflict');
});
