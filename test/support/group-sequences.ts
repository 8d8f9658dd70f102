import fc from 'fast-check';
import { GROUP, parsePatch } from '#scim';
import type { GroupCommand } from '#contracts';
import type { GroupWorld } from './group-world.js';

const USERS = 4;
const GROUPS = 5;

/** Somebody, as an action names them: the n-th user, the n-th group, or an id that nobody has. */
export type Someone = { readonly user: number } | { readonly group: number } | 'nobody';

export type Operation =
  | { readonly what: 'add' | 'remove' | 'replace'; readonly whom: readonly Someone[] }
  /** `members[value eq "…" or …]` */
  | { readonly what: 'removeByFilter'; readonly whom: readonly Someone[] }
  | { readonly what: 'removeAll' }
  | { readonly what: 'removeGroups' }
  | { readonly what: 'rename'; readonly name: string };

interface Content {
  readonly source: number;
  readonly group: number;
  readonly name: string;
  readonly whom: readonly Someone[];
}

export type Action =
  | ({ readonly what: 'create' } & Content)
  | ({ readonly what: 'put' } & Content)
  | {
      readonly what: 'patch';
      readonly source: number;
      readonly group: number;
      readonly operations: readonly Operation[];
    }
  | { readonly what: 'delete'; readonly source: number; readonly group: number }
  /** A user is deleted by identity; later, which may be much later, group hears of it. */
  | { readonly what: 'vanish'; readonly user: number }
  | { readonly what: 'leave'; readonly user: number };

const someone: fc.Arbitrary<Someone> = fc.oneof(
  { arbitrary: fc.record({ user: fc.nat(USERS - 1) }), weight: 12 },
  { arbitrary: fc.record({ group: fc.nat(GROUPS - 1) }), weight: 16 },
  { arbitrary: fc.constant('nobody' as const), weight: 1 },
);
const whom = fc.array(someone, { maxLength: 3 });
const named = fc.array(someone, { minLength: 1, maxLength: 3 });
const name = fc.constantFrom('a', 'A', 'b', 'c', 'd', 'e', 'f');
/** Mostly the one who owns most; also the other directory, and an administrator. */
const source = fc.constantFrom(0, 0, 0, 0, 1, 2);
const group = fc.nat(GROUPS - 1);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    arbitrary: fc.record({
      what: fc.constantFrom('add' as const, 'add' as const, 'add' as const, 'remove' as const, 'replace' as const),
      whom,
    }),
    weight: 8,
  },
  { arbitrary: fc.record({ what: fc.constant('removeByFilter' as const), whom: named }), weight: 2 },
  { arbitrary: fc.record({ what: fc.constantFrom('removeAll' as const, 'removeGroups' as const) }), weight: 1 },
  { arbitrary: fc.record({ what: fc.constant('rename' as const), name }), weight: 2 },
);

/** So that there are groups to nest from the start. */
const BEGINNING: readonly Action[] = Array.from({ length: GROUPS }, (_, index) => ({
  what: 'create',
  source: [0, 0, 0, 1, 2][index]!,
  group: index,
  name: `g${index}`,
  whom: [],
}));

const anything: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { arbitrary: fc.record({ what: fc.constant('create' as const), source, group, name, whom }), weight: 5 },
    {
      arbitrary: fc.record({
        what: fc.constant('patch' as const),
        source,
        group,
        operations: fc.array(operation, { minLength: 1, maxLength: 3 }),
      }),
      weight: 10,
    },
    { arbitrary: fc.record({ what: fc.constant('put' as const), source, group, name, whom }), weight: 2 },
    { arbitrary: fc.record({ what: fc.constant('delete' as const), source, group }), weight: 3 },
    {
      arbitrary: fc.record({ what: fc.constantFrom('vanish' as const, 'leave' as const), user: fc.nat(USERS - 1) }),
      weight: 1,
    },
  ),
  { minLength: 1, maxLength: 40, size: '+1' },
);
export const actions = anything.map((sequence) => [...BEGINNING, ...sequence]);

/** Two directories and an administrator. */
export type Sources = readonly [string, string, null];

/** The knowledge of a sequence while it is played: the ids of its users, and of its groups as they were made. */
export interface Cast {
  readonly users: readonly string[];
  readonly groups: Map<number, string>;
  readonly nobody: string;
}

export const castOf = (newId: () => string): Cast => ({
  users: Array.from({ length: USERS }, newId),
  groups: new Map(),
  nobody: newId(),
});

export const idOf = (who: Someone, { users, groups, nobody }: Cast): string =>
  who === 'nobody' ? nobody : 'user' in who ? users[who.user]! : (groups.get(who.group) ?? nobody);

/** The operation as clients send it; capitals and value lists are Entra's. */
const sent = (operation: Operation, cast: Cast): object => {
  switch (operation.what) {
    case 'add':
    case 'remove':
    case 'replace': {
      const value = operation.whom.map((who) => ({ value: idOf(who, cast).toUpperCase() }));
      return { op: operation.what === 'remove' ? 'Remove' : operation.what, path: 'members', value };
    }
    case 'removeByFilter':
      return {
        op: 'remove',
        path: `members[${operation.whom.map((who) => `value eq "${idOf(who, cast)}"`).join(' or ')}]`,
      };
    case 'removeAll':
      return { op: 'remove', path: 'members' };
    case 'removeGroups':
      return { op: 'remove', path: 'members[type eq "group"]' };
    case 'rename':
      return { op: 'Replace', path: 'displayName', value: operation.name };
  }
};

/** The command that an action is; null = identity, not group, does something. */
export const commandOf = (action: Action, cast: Cast, newId: string): GroupCommand | null => {
  switch (action.what) {
    case 'vanish':
      return null;
    case 'leave':
      return { type: 'LeaveGroups', memberId: cast.users[action.user]! };
    case 'create':
      return {
        type: 'CreateGroup',
        groupId: newId,
        resource: { displayName: action.name },
        members: action.whom.map((who) => idOf(who, cast)),
      };
    default: {
      const groupId = cast.groups.get(action.group) ?? cast.nobody;
      if (action.what === 'delete') return { type: 'DeleteGroup', groupId, ifMatch: null };
      if ('whom' in action) {
        return {
          type: 'ReplaceGroup',
          groupId,
          resource: { displayName: action.name },
          members: action.whom.map((who) => idOf(who, cast)),
          ifMatch: null,
        };
      }
      const { operations } = parsePatch(GROUP, {
        Operations: action.operations.map((operation) => sent(operation, cast)),
      });
      return { type: 'PatchGroup', groupId, operations, ifMatch: null };
    }
  }
};

export interface Step {
  readonly action: Action;
  /** As it was when the command was made. */
  readonly cast: Cast;
  readonly sender: string | null;
  readonly command: GroupCommand | null;
  readonly result: ReturnType<GroupWorld['send']> | null;
}

/**
 * Does all actions; users who vanished leave at the end, if they have not left before. A user who is there does not
 * leave.
 */
export const play = (
  world: GroupWorld,
  sources: Sources,
  sequence: readonly Action[],
  cast: Cast,
  newId: () => string,
  after: (step: Step) => void = () => undefined,
): Step[] => {
  const leaving: Action[] = cast.users.map((_, user) => ({ what: 'leave', user }));
  return [...sequence, ...leaving].flatMap((action): Step[] => {
    if (action.what === 'leave' && world.users.has(cast.users[action.user]!)) return [];
    const sender = 'source' in action ? sources[action.source]! : null;
    const then = { ...cast, groups: new Map(cast.groups) };
    const command = commandOf(action, cast, newId());
    if (action.what === 'vanish') world.users.delete(cast.users[action.user]!);
    const result = command && world.send(sender, command);
    if (command?.type === 'CreateGroup' && action.what === 'create' && result?.outcome.status === 'done')
      cast.groups.set(action.group, command.groupId);
    const step = { action, cast: then, sender, command, result };
    after(step);
    return [step];
  });
};
