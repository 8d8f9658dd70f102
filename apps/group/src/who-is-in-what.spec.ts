import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fold } from '#scim';
import { MAX_MEMBERS_PER_EVENT } from './member-moves.js';
import {
  actions,
  castOf,
  idOf,
  play,
  type Cast,
  type Operation,
  type Step,
} from '../../../test/support/group-sequences.js';
import { GroupWorld } from '../../../test/support/group-world.js';

const SOURCES = ['entra', 'okta', null] as const;

const ids = (): (() => string) => {
  let count = 0;
  return () => `i${++count}`;
};

interface Group {
  readonly owner: string | null;
  name: string;
  /** Id → whether it is a group. */
  members: Map<string, boolean>;
}
type Groups = Map<string, Group>;

class Refused extends Error {}

/** Groups, as simply as it can be said: sets, each change done at once, everything looked at after each. */
class Model {
  groups: Groups = new Map();
  readonly users: Set<string>;

  constructor(users: readonly string[]) {
    this.users = new Set(users);
  }

  /** Tells whether the action was done. */
  take({ action, cast, sender, command }: Step): boolean {
    const before = this.groups;
    this.groups = structuredClone(before);
    try {
      if (action.what === 'vanish') this.users.delete(cast.users[action.user]!);
      else if (action.what === 'leave')
        for (const { members } of this.groups.values()) members.delete(cast.users[action.user]!);
      else if (action.what === 'create') {
        const group = { owner: sender, name: action.name, members: new Map<string, boolean>() };
        // Nothing can be a member of what is not there yet.
        for (const who of action.whom) this.add(group, idOf(who, cast));
        this.groups.set((command as { groupId: string }).groupId, group);
      } else {
        const id = (command as { groupId: string }).groupId;
        const group = this.groups.get(id);
        if (!group || group.owner !== sender) throw new Refused();
        if (action.what === 'delete') {
          this.groups.delete(id);
          for (const { members } of this.groups.values()) members.delete(id);
        } else if ('operations' in action) {
          for (const operation of action.operations) this.operate(group, operation, cast);
        } else {
          group.name = action.name;
          this.operate(group, { what: 'replace', whom: action.whom }, cast);
        }
      }
      const names = [...this.groups.values()].map(({ owner, name }) => `${owner} ${fold(name)}`);
      if (new Set(names).size < names.length) throw new Refused();
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.groups = before;
      return false;
    }
  }

  private operate(group: Group, operation: Operation, cast: Cast): void {
    const whom = 'whom' in operation ? operation.whom.map((who) => idOf(who, cast)) : [];
    if (operation.what === 'rename') group.name = operation.name;
    if (operation.what === 'removeAll') group.members.clear();
    if (operation.what === 'removeGroups')
      for (const [id, isGroup] of group.members) if (isGroup) group.members.delete(id);
    if (operation.what === 'remove' || operation.what === 'removeByFilter')
      for (const id of whom) group.members.delete(id);
    if (operation.what === 'replace')
      for (const id of group.members.keys()) if (!whom.includes(id)) group.members.delete(id);
    if (operation.what === 'add' || operation.what === 'replace') for (const id of whom) this.add(group, id);
  }

  private add(group: Group, id: string): void {
    if (group.members.has(id)) return;
    if (!this.users.has(id) && !this.groups.has(id)) throw new Refused();
    group.members.set(id, this.groups.has(id));
    if (hasCycle(this.groups)) throw new Refused();
  }
}

/** Takes away what contains no group until nothing can be taken: what is left goes round. */
const hasCycle = (groups: Groups): boolean => {
  const left = new Map([...groups].map(([id, { members }]) => [id, [...members.keys()]]));
  for (let size = -1; size !== left.size;) {
    size = left.size;
    for (const [id, members] of left) if (!members.some((member) => left.has(member))) left.delete(id);
  }
  return left.size > 0;
};

const asText = (groups: Groups): string[] =>
  [...groups].map(
    ([id, { owner, name, members }]) =>
      `${id} of ${owner} is ${name}: ${[...members]
        .map(([member, isGroup]) => `${member}${isGroup ? '*' : ''}`)
        .toSorted()
        .join()}`,
  );
const worldAsText = (world: GroupWorld): string[] =>
  asText(
    new Map(
      [...world.groups].map(([id, { directory, resource }]) => [
        id,
        {
          owner: directory,
          name: String(resource.displayName),
          members: new Map(world.membersOf(id).map(({ type, value }) => [value, type === 'Group'])),
        },
      ]),
    ),
  );

/** Group and member, as texts. */
const pairs = (groups: Groups): Set<string> =>
  new Set([...groups].flatMap(([id, { members }]) => [...members.keys()].map((member) => `${id}>${member}`)));

it('random sequences from two directories and an administrator do what sets would do, and events say exactly what changed', () => {
  const reached = { nested: 0, refused: 0, groupLeft: 0, userLeft: 0, renamed: 0 };
  fc.assert(
    fc.property(actions, fc.boolean(), (sequence, sees) => {
      const newId = ids();
      const cast = castOf(newId);
      const world = new GroupWorld(cast.users, sees ? ['entra'] : []);
      const model = new Model(cast.users);
      play(world, SOURCES, sequence, cast, newId, (step) => {
        const before = model.groups;
        const done = model.take(step);
        if (!step.result) return;
        const { outcome, happened } = step.result;
        expect(outcome.status, step.action.what).toBe(done ? 'done' : 'rejected');
        expect(worldAsText(world)).toEqual(asText(model.groups));
        expect(hasCycle(model.groups)).toBe(false);
        for (const { id, memberCount } of world.groups.values()) expect(memberCount).toBe(world.membersOf(id).length);

        const moves = happened.flatMap(({ id, events }) =>
          events.flatMap((event) => {
            if (event.type !== 'GroupMembersChanged') return [];
            expect(event.added.length + event.removed.length).toBeLessThanOrEqual(MAX_MEMBERS_PER_EVENT);
            return [
              ...event.added.map(({ value }) => ({ pair: `${id}>${value}`, isNew: true })),
              ...event.removed.map(({ value }) => ({ pair: `${id}>${value}`, isNew: false })),
            ];
          }),
        );
        const [then, now] = [pairs(before), pairs(model.groups)];
        // The members of a group that is deleted are not named.
        const gone = step.command?.type === 'DeleteGroup' ? `${step.command.groupId}>` : null;
        expect(
          moves
            .filter(({ isNew }) => isNew)
            .map(({ pair }) => pair)
            .toSorted(),
        ).toEqual([...now].filter((pair) => !then.has(pair)).toSorted());
        expect(
          moves
            .filter(({ isNew }) => !isNew)
            .map(({ pair }) => pair)
            .toSorted(),
        ).toEqual([...then].filter((pair) => !now.has(pair) && !(gone && pair.startsWith(gone))).toSorted());

        if (!done) reached.refused++;
        if (
          [...model.groups.values()].some(({ members }) =>
            [...members].some(([id]) => [...(model.groups.get(id)?.members.values() ?? [])].includes(true)),
          )
        )
          reached.nested++;
        if (step.command?.type === 'DeleteGroup' && happened.length > 1) reached.groupLeft++;
        if (step.command?.type === 'LeaveGroups' && happened.length > 0) reached.userLeft++;
        if (happened.some(({ events }) => events.some(({ type }) => type === 'GroupChanged'))) reached.renamed++;
      });
      for (const { members } of model.groups.values())
        for (const id of members.keys())
          expect(model.groups.has(id) || model.users.has(id), 'nobody is a member').toBe(true);
    }),
    { numRuns: 300 },
  );
  for (const [what, count] of Object.entries(reached)) expect(count, what).toBeGreaterThan(10);
}, 60_000);
