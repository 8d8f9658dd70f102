import {
  applyChanges,
  applyPatch,
  diffResource,
  fold,
  Rejected,
  requireSize,
  requireUniqueKey,
  uniqueKey,
  USER,
  type JsonObject,
  type Resource,
  type ResourceDefinition,
} from '#scim';
import type {
  AttributeChanges,
  Conditions,
  DecidedUnder,
  DirectorySettings,
  Matching,
  RecordedSignIn,
  SignIn,
  StoredValue,
  UserCommand,
  UserEvent,
  UserSnapshot,
} from '#contracts';
import {
  bringsTombstoneEmail,
  externalIdKey,
  externalIdOf,
  isActive,
  LOOKS_ALIKE,
  match,
  requireUnprivileged,
  signInKey,
  upnOf,
  withoutTombstone,
  workEmailOf,
  type BearersOf,
  type Candidate,
} from './matching.js';

/** A user as the fold of its events; null = there is none (never was, or deleted). */
export type UserState =
  | (Candidate & {
      readonly version: number;
      /** ISO 8601, UTC. */
      readonly created: string;
      readonly lastModified: string;
      /** The user as it was when nobody managed it yet: an unlink brings that back. */
      readonly before: Resource | null;
    })
  | null;
type User = NonNullable<UserState>;

/** A directory as it is when a batch is decided. */
export interface Directory extends DirectorySettings {
  readonly id: string;
  readonly version: number;
  readonly name: string;
}

/** A decision may look at this besides the user itself. */
export interface UserContext {
  /** The directory whose client sends the command; null = an administrator does. */
  readonly directory: string | null;
  /** The attributes that users of the tenant may have. */
  readonly definition: ResourceDefinition;
  /** Up to where a user may grow. */
  readonly maxResourceBytes: number;
  /** Within the tenant. */
  readonly directoryOf: (id: string) => Directory | null;
  readonly bearersOf: BearersOf<User>;
  /** The user who is meant by a CreateUser or RecordSignIn; null for the other commands, which name their user. */
  readonly matching: Matching | null;
}

/**
 * Finds the user who is meant by a command that does not say so: it is decided about the user in `result`. Throws
 * Rejected.
 */
export const matchingOf = (command: UserCommand, context: UserContext): Matching | null => {
  if (command.type !== 'CreateUser' && command.type !== 'RecordSignIn') return null;
  const { id: directory } = sender(context);
  if (command.type === 'RecordSignIn') requireUniqueKey('upn', command.upn);
  const person =
    command.type === 'CreateUser'
      ? { ...personOf(command.resource), signIn: null }
      : {
          externalId: null,
          userName: command.upn,
          upn: command.upn,
          email: command.email,
          signIn: signInOf(directory, command),
        };
  return match(
    { userId: command.userId, directory, ...person },
    context.bearersOf,
    (id) => context.directoryOf(id)?.name ?? id,
  );
};

/**
 * Returns the events that should happen. Reads nothing but its arguments; [] means that nothing changed. Throws
 * Rejected.
 */
export const decide = (command: UserCommand, state: UserState, context: UserContext): UserEvent[] => {
  switch (command.type) {
    case 'CreateUser': {
      const { matching } = context;
      const directory = sender(context);
      if (!state) {
        const resource = withoutTombstone(command.resource);
        requireSize(context.definition, null, resource, context.maxResourceBytes);
        requireFree(resource, null, directory, context);
        return created(resource, directory.id, matching, directory);
      }
      if (!matching || matching.rule === 'create')
        throw new Rejected('uniqueness', `A user with the id ${command.userId} exists already.`);
      return linked(state, command.resource, matching, directory, context);
    }
    case 'PatchUser': {
      const directory = sender(context);
      const user = visible(command.userId, state, directory);
      requireMatch(command, user.version);
      return written(
        user,
        applyPatch(context.definition, user.resource, command.operations, readOnlyOf(user)),
        directory,
        context,
      );
    }
    case 'ReplaceUser': {
      const directory = sender(context);
      const user = visible(command.userId, state, directory);
      requireMatch(command, user.version);
      // RFC 7644 §3.5.1: what is left out is removed. But not active: silence must not give back access.
      return written(
        user,
        { ...command.resource, active: command.resource.active ?? user.resource.active ?? true },
        directory,
        context,
      );
    }
    case 'DeleteUser': {
      const directory = sender(context);
      const user = visible(command.userId, state, directory);
      requireMatch(command, user.version);
      return [{ type: 'UserDeleted', ...under(directory) }];
    }
    case 'RecordSignIn': {
      const directory = sender(context);
      const matching = context.matching!;
      const { loginType, providerId } = command;
      const signedIn: UserEvent = { type: 'UserSignedIn', loginType, providerId, matching, ...under(directory) };
      if (state) return [signedIn];
      const resource = signedInResource(command);
      requireFree(resource, null, directory, context);
      return [...created(resource, null, matching, directory), signedIn];
    }
    case 'UnlinkUser': {
      const user = existing(command.userId, state);
      return command.signIn ? signInUnlinked(user, command.signIn, context) : unlinked(user, context);
    }
    case 'TransferUser': {
      const user = existing(command.userId, state);
      const directory = known(command.directoryId, context);
      if (user.directory === directory.id) return [];
      requireFreeEmail(user.resource, user, directory, context);
      return [{ type: 'UserTransferred', changes: withoutExternalId(user.resource), ...under(directory) }];
    }
    default:
      return unreachable(command);
  }
};

/**
 * Returns the state after an event that has happened. Never throws: history is a fact. `recordedAt` is ISO 8601, UTC.
 */
export const evolve = (state: UserState, event: UserEvent, id: string, recordedAt: string): UserState => {
  if (event.type === 'UserCreated') {
    return {
      id,
      directory: event.manager,
      version: 1,
      created: recordedAt,
      lastModified: recordedAt,
      resource: event.resource,
      signIns: [],
      before: null,
      refused: [],
      awaited: false,
    };
  }
  if (!state) return null;
  const version = state.version + 1;
  // The clock of the machine may go back; what a client is told does not.
  const lastModified = recordedAt > state.lastModified ? recordedAt : state.lastModified;
  const next = { ...state, version, lastModified };
  switch (event.type) {
    case 'UserChanged':
      return { ...next, resource: applyChanges(state.resource, event.changes), awaited: false };
    case 'UserDeactivated':
    case 'UserReactivated':
      return next;
    case 'UserDeleted':
      return null;
    case 'UserLinked':
      return {
        ...next,
        directory: event.directory,
        resource: applyChanges(state.resource, event.changes),
        awaited: false,
        before: state.directory === null ? state.resource : state.before,
        refused: state.refused.filter((key) => key !== event.directory),
      };
    case 'UserUnlinked':
      return {
        ...next,
        directory: null,
        resource: applyChanges(state.resource, event.changes),
        awaited: false,
        before: null,
        // Only a link that was found is a mistake when it is undone.
        refused:
          state.before === null || state.refused.includes(event.directory)
            ? state.refused
            : [...state.refused, event.directory],
      };
    case 'UserTransferred':
      return {
        ...next,
        directory: event.directory,
        resource: applyChanges(state.resource, event.changes),
        awaited: true,
        before: null,
        refused: state.refused.filter((key) => key !== event.directory),
      };
    // Clients see the same user as before, so the time of its last change stays.
    case 'UserSignedIn': {
      const signIn = signInOf(event.directory, event);
      const isKnown = state.signIns.some((one) => signInKey(one) === signInKey(signIn));
      return {
        ...state,
        version,
        signIns: isKnown ? state.signIns : [...state.signIns, signIn],
        refused: state.refused.filter((key) => key !== signInKey(signIn)),
      };
    }
    case 'SignInUnlinked': {
      const key = signInKey(signInOf(event.directory, event));
      return {
        ...state,
        version,
        signIns: state.signIns.filter((signIn) => signInKey(signIn) !== key),
        refused: state.refused.includes(key) ? state.refused : [...state.refused, key],
      };
    }
    default:
      return unreachable(event);
  }
};

/** The user as an answer shows it. */
export const snapshotOf = (state: UserState, isMember: boolean): UserSnapshot | null =>
  state && {
    id: state.id,
    version: state.version,
    created: state.created,
    lastModified: state.lastModified,
    resource: state.resource,
    ...(isMember ? { isMember } : {}),
  };

/** The part of an answer that is kept: a resource is read where it is kept itself. */
export const storedAnswer = (answer: UserSnapshot | RecordedSignIn | null): StoredValue | RecordedSignIn | null =>
  answer && 'resource' in answer ? { id: answer.id, version: answer.version } : answer;

/** The answer to a command. */
export const answerTo = (
  command: UserCommand,
  state: UserState,
  matching: Matching | null,
  isMember: boolean,
): UserSnapshot | RecordedSignIn | null =>
  command.type === 'RecordSignIn' ? { userId: state!.id, matching: matching! } : snapshotOf(state, isMember);

const under = ({ id, version }: Directory): DecidedUnder => ({ directory: id, directoryVersion: version });

const created = (
  resource: Resource,
  manager: string | null,
  matching: Matching | null,
  directory: Directory,
): UserEvent[] => [
  { type: 'UserCreated', resource, manager, matching, ...under(directory) },
  ...activation(true, resource, directory),
];

/**
 * Returns the events by which a write of the directory changes a user that it sees; the first write to one that nobody
 * manages links it (R17).
 */
const written = (user: User, wanted: Resource, directory: Directory, context: UserContext): UserEvent[] => {
  if (user.directory === null)
    return linked(user, wanted, { rule: 'id', candidates: [user.id], result: user.id }, directory, context);
  const after = toBe(wanted, user);
  const changes = diffResource(user.resource, after);
  if (Object.keys(changes).length === 0) return [];
  requireFitting(user, after, changes, context);
  requireFree(after, user, directory, context);
  return [
    { type: 'UserChanged', changes, ...under(directory) },
    ...activation(isActive(user.resource), after, directory),
  ];
};

/** A soft deletion leaves e-mails as they are: it is refused for none, and who had to go is gone. */
const toBe = (wanted: Resource, user: User): Resource => {
  if (!bringsTombstoneEmail(wanted)) return wanted;
  const { emails: _brought, ...rest } = wanted;
  const { emails } = user.resource;
  return emails === undefined ? rest : { ...rest, emails };
};

const linked = (
  user: User,
  wanted: Resource,
  matching: Matching,
  directory: Directory,
  context: UserContext,
): UserEvent[] => {
  const after = toBe(wanted, user);
  const changes = diffResource(user.resource, after);
  requireFitting(user, after, changes, context);
  requireFree(after, user, directory, context);
  return [
    { type: 'UserLinked', matching, changes, ...under(directory) },
    ...activation(isActive(user.resource), after, directory),
  ];
};

/** `false` is longer than `true`, and a soft deletion makes the name longer: nobody keeps access for being large. */
const requireFitting = (user: User, after: Resource, changes: AttributeChanges, context: UserContext): void => {
  const isShutOut = !isActive(after) && Object.keys(changes).every((name) => name === 'active' || name === 'userName');
  if (!isShutOut) requireSize(context.definition, user.resource, after, context.maxResourceBytes);
};

const activation = (wasActive: boolean, after: Resource, directory: Directory): UserEvent[] =>
  isActive(after) === wasActive
    ? []
    : [{ type: wasActive ? 'UserDeactivated' : 'UserReactivated', ...under(directory) }];

/**
 * An unlink gives back the person as it was before the link, and lets nobody in: neither who left since, nor who was
 * out before.
 */
const unlinked = (user: User, context: UserContext): UserEvent[] => {
  if (user.directory === null) return [];
  const wasActive = isActive(user.resource);
  const after = user.before && (wasActive ? user.before : { ...user.before, active: false });
  if (after) {
    requireFreeName(after, user, context);
    requireFreeEmail(after, user, null, context);
  }
  const changes = after ? diffResource(user.resource, after) : withoutExternalId(user.resource);
  const decided: DecidedUnder = {
    directory: user.directory,
    directoryVersion: context.directoryOf(user.directory)?.version ?? 0,
  };
  return [
    { type: 'UserUnlinked', changes, ...decided },
    ...(after && wasActive && !isActive(after) ? [{ type: 'UserDeactivated', ...decided } as const] : []),
  ];
};

const signInUnlinked = (user: User, signIn: SignIn, context: UserContext): UserEvent[] => {
  const { directory, loginType, providerId } = signIn;
  if (!user.signIns.some((known) => signInKey(known) === signInKey(signIn))) {
    throw new Rejected('notFound', `The user with the id ${user.id} has no such sign-in identity.`);
  }
  return [
    {
      type: 'SignInUnlinked',
      loginType,
      providerId,
      directory,
      directoryVersion: context.directoryOf(directory)?.version ?? 0,
    },
  ];
};

const withoutExternalId = (resource: Resource): AttributeChanges =>
  resource.externalId === undefined ? {} : { externalId: null };

const signInOf = (directory: string, { loginType, providerId }: Omit<SignIn, 'directory'>): SignIn => ({
  directory,
  loginType,
  providerId,
});

const personOf = (
  resource: Resource,
): { externalId: string | null; userName: string; upn: string; email: string | null } => ({
  externalId: externalIdOf(resource),
  userName: String(resource.userName),
  upn: upnOf(resource),
  email: workEmailOf(withoutTombstone(resource)),
});

const signedInResource = ({ upn, email, displayName }: Extract<UserCommand, { type: 'RecordSignIn' }>): Resource => ({
  userName: upn,
  active: true,
  ...(displayName === null ? {} : { displayName }),
  ...(email === null ? {} : { emails: [{ type: 'work', value: email, primary: true }] }),
});

const sender = (context: UserContext): Directory => {
  if (!context.directory) throw new Error('this command names its directory');
  return known(context.directory, context);
};

const known = (id: string, context: UserContext): Directory => {
  const directory = context.directoryOf(id);
  if (!directory) throw new Rejected('notFound', `There is no directory with the id ${id}.`);
  return directory;
};

const existing = (userId: string, state: UserState): User => {
  if (!state) throw notFound(userId);
  return state;
};

/** Attributes that a client may send back in a PATCH, because it was shown them, but never change. */
const readOnlyOf = ({ id, created, lastModified, version }: User): JsonObject => ({
  id,
  meta: { resourceType: USER.name, created, lastModified, version: `W/"${version}"` },
});

/**
 * A directory sees the users that it manages, and those of nobody if it is offered them; the others do not exist for
 * it.
 */
const visible = (userId: string, state: UserState, { id, offerExistingUsers }: Directory): User => {
  if (!state || !(state.directory === id || (state.directory === null && offerExistingUsers))) throw notFound(userId);
  if (state.directory === null) requireUnprivileged(state, `The id ${userId}`);
  return state;
};

const notFound = (userId: string): Rejected => new Rejected('notFound', `There is no user with the id ${userId}.`);

/**
 * RFC 7644 §3.14, RFC 9110 §13.1: a write is refused with 412 when its If-Match does not name the current version, or
 * its If-None-Match does.
 */
const requireMatch = ({ ifMatch, ifNoneMatch }: Conditions, version: number): void => {
  if (ifMatch && !ifMatch.includes(version)) {
    throw new Rejected('preconditionFailed', `The user has changed meanwhile: its version is W/"${version}".`);
  }
  if (ifNoneMatch === '*' || ifNoneMatch?.includes(version)) {
    throw new Rejected(
      'preconditionFailed',
      `There is such a user, its version is W/"${version}", and If-None-Match asks for none: leave that header out.`,
    );
  }
};

/**
 * Throws Rejected(uniqueness) when somebody else bears what the user is going to bear. The names that the user bears
 * already are not asked again.
 */
const requireFree = (after: Resource, user: User | null, directory: Directory, context: UserContext): void => {
  requireFreeName(after, user, context);
  const externalId = externalIdOf(after);
  if (externalId !== null && !(user?.directory === directory.id && user.resource.externalId === externalId)) {
    requireNobodyElse(
      context.bearersOf('externalId', externalIdKey(directory.id, externalId)),
      user,
      `externalId ${externalId}`,
      context,
    );
  }
  requireFreeEmail(after, user, directory, context);
};

/**
 * R31. `manager` is the directory that the user is going to have; null = none, then only what others sign in with is
 * taken.
 */
const requireFreeEmail = (
  after: Resource,
  user: User | null,
  manager: Directory | null,
  context: UserContext,
): void => {
  const email = workEmailOf(after);
  const emailBefore = user && workEmailOf(user.resource);
  const isKept =
    email !== null && emailBefore !== null && (email === emailBefore || uniqueKey(email) === uniqueKey(emailBefore));
  if (email === null || (isKept && (manager === null || manager.id === user?.directory))) return;
  requireUniqueKey('emails.value', email);
  const bearers = context.bearersOf('email', uniqueKey(email));
  // Also who is managed by another directory may not take what is a login name there.
  const isLoginName = (id: string | null): boolean => id !== null && context.directoryOf(id)?.emailIsLoginName === true;
  const owners = manager?.emailIsLoginName ? bearers : bearers.filter((bearer) => isLoginName(bearer.directory));
  requireNobodyElse(owners, user, `The e-mail ${email}, which is a login name,`, context);
};

const requireFreeName = (after: Resource, user: User | null, context: UserContext): void => {
  // Next to no write changes the name.
  if (user?.resource.userName === after.userName) return;
  const userName = String(after.userName);
  const key = uniqueKey(userName);
  if (user && uniqueKey(String(user.resource.userName)) === key) return;
  const bearers = context.bearersOf('userName', key);
  const looksAlike = bearers.some(({ resource }) => fold(String(resource.userName)) !== fold(userName));
  requireNobodyElse(bearers, user, `userName ${userName}`, context, looksAlike ? `, ${LOOKS_ALIKE}` : '');
};

const requireNobodyElse = (
  bearers: readonly User[],
  user: User | null,
  what: string,
  { directory: sender, directoryOf }: UserContext,
  why = '',
): void => {
  const other = bearers.find(({ id }) => id !== user?.id);
  if (!other) return;
  const owner = other.directory === null || other.directory === sender ? null : directoryOf(other.directory);
  const whom = owner ? `, whom the directory "${owner.name}" manages` : '';
  throw new Rejected('uniqueness', `${what} is taken by the user with the id ${other.id}${whom}${why}.`);
};

const unreachable = (value: never): never => {
  throw new Error(`unknown type ${JSON.stringify(value)}`);
};
