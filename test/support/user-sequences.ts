import fc from 'fast-check';
import type { Json } from '#scim';
import { LOGIN_TYPES, type LoginType, type UserCommand } from '#contracts';
import type { Directory } from '../../apps/identity/src/user.js';
import { directory, type User, type UserWorld } from './user-world.js';

/** One source says this about somebody. */
export interface Described {
  /** The person whom the source means; nobody but the test knows. */
  readonly person: number;
  readonly userName: string;
  readonly email: string | null;
  /** A further e-mail, and what it is for. */
  readonly other: { readonly type: 'work' | 'home'; readonly value: string } | null;
  readonly externalId: string | null;
  readonly providerId: string;
  readonly hasRole: boolean;
}

export type Action = Described & {
  readonly source: 0 | 1;
  readonly loginType: LoginType;
  readonly active: boolean;
  readonly what:
    | 'create'
    | 'replace'
    | 'title'
    | 'rename'
    | 'deactivate'
    | 'reactivate'
    | 'tombstone'
    | 'mail'
    | 'promoteMail'
    | 'dropMail'
    | 'delete'
    | 'signIn'
    | 'unlink'
    | 'unlinkSignIn'
    | 'transfer';
};

const OFTEN = [
  'create',
  'create',
  'create',
  'replace',
  'title',
  'rename',
  'deactivate',
  'reactivate',
  'tombstone',
  'tombstone',
  'delete',
  'signIn',
  'signIn',
  'signIn',
] as const;

const actions = (described: fc.Arbitrary<Described>, what: readonly Action['what'][]): fc.Arbitrary<Action[]> =>
  fc.array(
    fc
      .tuple(
        described,
        fc.record({
          source: fc.constantFrom(0, 1),
          loginType: fc.constantFrom(...LOGIN_TYPES),
          active: fc.boolean(),
          what: fc.constantFrom(...what),
        }),
      )
      .map(([who, how]) => ({ ...who, ...how })),
    // By itself fast-check makes short ones, in which hardly any user exists yet.
    { minLength: 1, maxLength: 40, size: 'max' },
  );

/** Three people whom every source can tell apart, though each changes names. So it is known who is who. */
export const tellable: fc.Arbitrary<Action[]> = actions(
  fc
    .tuple(fc.nat(2), fc.nat(2), fc.boolean())
    .map(([person, name, upper]) => ({
      person,
      userName: `p${person}${upper ? 'A' : 'a'}${name}@x`,
      email: `p${person}@mail`,
      other: null,
      externalId: `e${person}`,
      providerId: `id${person}`,
      hasRole: false,
    })),
  OFTEN,
);

/**
 * People of whom sources say what they like: names, e-mails and ids that others have too, and administrators who step
 * in.
 */
export const muddled: fc.Arbitrary<Action[]> = actions(
  fc.record({
    person: fc.nat(2),
    userName: fc.constantFrom('a@x', 'A@x', 'b@x', 'c@x'),
    email: fc.constantFrom(null, null, 'm@mail', 'M@mail', 'n@mail'),
    other: fc.oneof(
      fc.constant(null),
      fc.record({
        type: fc.constantFrom('work' as const, 'home' as const),
        value: fc.constantFrom('m@mail', 'n@mail', 'N@mail'),
      }),
    ),
    externalId: fc.constantFrom(null, null, null, 'e1', 'e2', 'e3'),
    providerId: fc.constantFrom('id1', 'id2'),
    hasRole: fc.nat(9).map((die) => die === 0),
  }),
  [...OFTEN, 'mail', 'promoteMail', 'dropMail', 'unlink', 'unlinkSignIn', 'transfer'],
);

/** The settings of one directory: it is offered existing users, and e-mails are login names in it. */
const oneDirectory = fc.record({
  offerExistingUsers: fc.boolean(),
  emailIsLoginName: fc.constantFrom(false, false, true),
});
export const settings = fc.tuple(oneDirectory, oneDirectory);
/** The same, and whatever else a decision looks at: not all of it lets people be told apart. */
const anyDirectory = fc
  .tuple(
    oneDirectory,
    fc.record({
      externalIdIsProviderId: fc.constantFrom(true, true, false),
      createUsers: fc.constantFrom(true, true, true, false),
      updateUsers: fc.constantFrom(true, true, true, false),
      deactivateUsers: fc.constantFrom(true, true, true, false),
      deleteUsers: fc.constantFrom(true, true, true, false),
      deleteDeactivated: fc.constantFrom(true, false, false, false),
      refusal: fc.constantFrom('quiet' as const, 'error' as const),
    }),
  )
  .map(([some, more]) => ({ ...some, ...more }));
export const anySettings = fc.tuple(anyDirectory, anyDirectory);
export const directoriesOf = (
  ids: readonly [string, string],
  chosen: readonly [Partial<Directory>, Partial<Directory>],
): Directory[] => ids.map((id, index) => directory(id, chosen[index]));

/**
 * The command that an action is, and who sends it (null = an administrator). `target` is the user that its sender takes
 * for the person.
 */
export const commandOf = (
  action: Action,
  sources: readonly [string, string],
  target: string | undefined,
  newId: string,
): { sender: string | null; command: UserCommand } => {
  const { source, userName, email, other, externalId, providerId, loginType } = action;
  const sender = sources[source];
  const userId = target ?? newId;
  const patch = (...changes: [path: string, value: Json][]): { sender: string; command: UserCommand } => ({
    sender,
    command: {
      type: 'PatchUser',
      userId,
      ifMatch: null,
      operations: changes.map(([path, value]) => ({ op: 'replace', path, value })),
    },
  });
  const emails = [...(email === null ? [] : [{ type: 'work', value: email }]), ...(other === null ? [] : [other])];
  const resource = {
    userName,
    ...(emails.length === 0 ? {} : { emails }),
    ...(externalId === null ? {} : { externalId }),
    ...(action.hasRole ? { roles: [{ value: 'Admin' }] } : {}),
  };
  switch (action.what) {
    case 'create':
      return {
        sender,
        command: { type: 'CreateUser', userId: newId, resource: { ...resource, active: action.active } },
      };
    // A PUT that does not speak of active leaves it as it is.
    case 'replace':
      return {
        sender,
        command: {
          type: 'ReplaceUser',
          userId,
          ifMatch: null,
          resource: { ...resource, ...(action.active ? {} : { active: false }) },
        },
      };
    case 'signIn':
      return {
        sender,
        command: {
          type: 'RecordSignIn',
          userId: newId,
          loginType,
          providerId,
          upn: userName,
          email,
          displayName: null,
        },
      };
    case 'title':
      return patch(['title', `of ${userName}`]);
    case 'rename':
      return patch(
        ['userName', userName],
        ...(externalId === null ? [] : [['externalId', externalId] as [string, Json]]),
      );
    case 'mail':
      return patch(['emails[type eq "work"].value', email]);
    case 'promoteMail':
      return patch(['emails[type eq "home"].type', 'work']);
    case 'dropMail':
      return patch([`emails[value eq "${email ?? 'n@mail'}"]`, null]);
    case 'deactivate':
      return patch(['active', 'False']);
    case 'reactivate':
      return patch(['active', true], ['userName', userName]);
    case 'tombstone':
      return patch(
        ['userName', `${'0123456789abcdef'.repeat(2)}${userName}`],
        ['active', false],
        ['emails[type eq "work"].value', `${'0'.repeat(32)}${email ?? 'x@x'}`],
      );
    case 'delete':
      return { sender, command: { type: 'DeleteUser', userId, ifMatch: null } };
    case 'unlink':
      return { sender: null, command: { type: 'UnlinkUser', userId, signIn: null } };
    case 'unlinkSignIn':
      return {
        sender: null,
        command: { type: 'UnlinkUser', userId, signIn: { directory: sender, loginType, providerId } },
      };
    case 'transfer':
      return { sender: null, command: { type: 'TransferUser', userId, directoryId: sender } };
  }
};

export interface Step {
  readonly action: Action;
  readonly sender: string | null;
  readonly command: UserCommand;
  /** Before the command. */
  readonly before: ReadonlyMap<string, User>;
  readonly result: ReturnType<UserWorld['send']>;
}

/**
 * Does all actions. Each source remembers which user a person is, as Entra does; administrators and newcomers go by the
 * last one. `remembered` is what they remember of actions before.
 */
export const play = (
  world: UserWorld,
  sources: readonly [string, string],
  sequence: readonly Action[],
  newId: () => string,
  remembered: Map<string, string> = new Map(),
): Step[] =>
  sequence.map((action) => {
    const { source, person } = action;
    const target = remembered.get(`${source}/${person}`) ?? remembered.get(`${person}`);
    const { sender, command } = commandOf(action, sources, target, newId());
    const before = new Map(world.users);
    const result = world.send(sender, command);
    if (result.userId && action.what === 'create') remembered.set(`${source}/${person}`, result.userId);
    if (result.userId) remembered.set(`${person}`, result.userId);
    return { action, sender, command, before, result };
  });
