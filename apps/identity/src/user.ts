import {
  applyChanges,
  applyPatch,
  diffResource,
  isRejection,
  orRejection,
  preconditionFailed,
  readOnlyOf,
  rejection,
  tooLarge,
  unfitAsKey,
  type Rejection,
  type RejectionCode,
  type Resource,
  type ResourceDefinition,
} from '#scim';
import type {
  Conditions,
  DecidedUnder,
  DirectoryStatus,
  Held,
  SettingsReadBy,
  Matching,
  SignIn,
  UserCommand,
  UserEvent,
} from '#contracts';
import { anUnlinkGivesNoAccess, beforeLink, notAdmitted, noUser, silenceGivesNoAccess, writable } from './admission.js';
import { whenLeaving, type GroupsAmong } from './given-roles.js';
import { afterMapping, incoming, mappedEvents, type Chance, type Incoming, type MappedAttributes } from './incoming.js';
import { archived, deferred, restored, type Archival } from './archiving.js';
import { homeOf, isActive, kept, signedInResource, signInKey, signInOf, withoutTombstone } from './identifiers.js';
import {
  afterSetting,
  attributesSet,
  changedByItsDirectory,
  told,
  withAllLocal,
  withLocal,
} from './local-attributes.js';
import { bearersByUpn, bearersSinceMove, explained, match, personOf, sinceMove } from './matching.js';
import type { BearersOf, Candidate } from './matching.js';
import { arrives, asSent, becomes, heldNow, letIn, whenDeleted, type Writing } from './switches.js';
import { emailTaken, nameTaken, taken } from './uniqueness.js';

/** A user as the fold of its events; null = there is none (never was, or deleted). */
export type UserState =
  | (Candidate & {
      readonly version: number;
      /** ISO 8601, UTC. */
      readonly created: string;
      readonly lastModified: string;
      /** The user as it was when nobody managed it yet: an unlink brings that back. */
      readonly before: Resource | null;
      /** Why the user is archived although the identity provider wants otherwise; null = it is not. */
      readonly held: Held | null;
      /** Null = the directory that manages the user maps nothing. */
      readonly mapping: MappedAttributes | null;
      /** Left out = no administrator keeps the user archived. */
      readonly archival?: Archival;
      /** The paths of attributes that administrators have set; left out = none. */
      readonly local?: readonly string[];
    })
  | null;
type User = NonNullable<UserState>;

/** A directory as it is when a batch is decided. */
export interface Directory extends SettingsReadBy<'identity'> {
  readonly id: string;
  readonly version: number;
  readonly name: string;
  readonly status: DirectoryStatus;
  /** The version with which it moved to another identity provider last; null = it never did. */
  readonly movedVersion: number | null;
}

/** A decision may look at this besides the user itself. */
export interface UserContext {
  /** The directory whose client sends the command; null = an administrator does. */
  readonly directory: string | null;
  /** The attributes that users of the tenant may have. */
  readonly definition: ResourceDefinition;
  /** Up to where a user may grow. */
  readonly maxResourceBytes: number;
  /** For attribute mappings. */
  readonly chance: Chance;
  /** Within the tenant. */
  readonly directoryOf: (id: string) => Directory | null;
  readonly isVerified: (domain: string) => boolean;
  readonly bearersOf: BearersOf;
  readonly groupsAmong: GroupsAmong;
  /** The user who is meant by a CreateUser or RecordSignIn; null for the other commands, which name their user. */
  readonly matching: Matching | null;
  /** The user as the directory sends it with a CreateUser, and as its mapping has it; null for other commands. */
  readonly incoming: Incoming | null;
}

/** What the directory makes of the user that a CreateUser brings; null = the command brings none. */
export const incomingOf = (command: UserCommand, context: UserContext): Incoming | Rejection | null => {
  if (command.type !== 'CreateUser') return null;
  const directory = sender(context);
  return isRejection(directory) ? directory : incoming(command.resource, null, directory, context);
};

/**
 * Finds the user who is meant by a command that does not say so: it is decided about the user in `result`. Null = the
 * command names its user.
 */
export const matchingOf = (command: UserCommand, context: UserContext): Matching | Rejection | null => {
  if (command.type !== 'CreateUser' && command.type !== 'RecordSignIn') return null;
  const directory = sender(context);
  if (isRejection(directory)) return directory;
  const unfit = command.type === 'RecordSignIn' ? unfitAsKey('upn', command.upn) : null;
  if (unfit) return unfit;
  const person = personOf(command, directory, context.incoming?.resource);
  const found = match(person, bearersByUpn(context.directoryOf, bearersSinceMove(directory, context.bearersOf)));
  return (
    notAdmitted(person, found, {
      ...context,
      nameOf: (id) => context.directoryOf(id)?.name ?? id,
      rulesOf: context.directoryOf,
    }) ?? explained(found, command.userId)
  );
};

/** Returns the events that should happen. Reads nothing but its arguments; [] means that nothing changed. */
export const decide = (command: UserCommand, state: UserState, given: UserContext): UserEvent[] | Rejection => {
  const sending = given.directory === null ? null : given.directoryOf(given.directory);
  const context =
    sending?.movedVersion == null ? given : { ...given, bearersOf: bearersSinceMove(sending, given.bearersOf) };
  switch (command.type) {
    case 'CreateUser': {
      const directory = sender(context);
      if (isRejection(directory)) return directory;
      const { matching } = context;
      const received = context.incoming!;
      if (state && matching && matching.rule !== 'create') return linked(state, received, matching, directory, context);
      if (state) return rejection('uniqueness', `A user with the id ${command.userId} exists already.`);
      const arrival = arrives(
        withoutTombstone(received.resource, directory.userNameSource),
        directory,
        context.definition,
      );
      if (isRejection(arrival)) return arrival;
      const { resource, held } = arrival;
      return (
        tooLarge(context.definition, null, resource, context.maxResourceBytes) ??
        taken(resource, null, directory, context) ?? [
          ...created(resource, directory.id, matching, directory, held),
          ...mappedEvents(null, received, under(directory)),
        ]
      );
    }
    case 'PatchUser': {
      const target = targetOf(command, state, context);
      if (isRejection(target)) return target;
      const { user, directory } = target;
      const wanted = orRejection(() =>
        applyPatch(
          context.definition,
          sentOf(user, directory),
          command.operations,
          readOnlyOf(context.definition, user),
        ),
      );
      return isRejection(wanted) ? wanted : written(user, wanted, 'part', directory, context);
    }
    case 'ReplaceUser': {
      const target = targetOf(command, state, context);
      if (isRejection(target)) return target;
      const { user, directory } = target;
      const wanted = silenceGivesNoAccess(command.resource, sentOf(user, directory));
      return written(user, wanted, 'whole', directory, context);
    }
    case 'DeleteUser': {
      const target = targetOf(command, state, context);
      return isRejection(target) ? target : whenDeleted(target.user, target.directory, under(target.directory));
    }
    case 'RecordSignIn': {
      const directory = sender(context);
      if (isRejection(directory)) return directory;
      const matching = context.matching!;
      const { loginType, providerId } = command;
      const signedIn: UserEvent = { type: 'UserSignedIn', loginType, providerId, matching, ...under(directory) };
      if (state) return [signedIn];
      const resource = signedInResource(command);
      return taken(resource, null, directory, context) ?? [...created(resource, null, matching, directory), signedIn];
    }
    case 'UnlinkUser': {
      if (!state) return noUser(command.userId);
      return command.signIn ? signInUnlinked(state, command.signIn, context) : unlinked(state, context);
    }
    case 'TransferUser': {
      if (!state) return noUser(command.userId);
      const directory = known(command.directoryId, context);
      if (isRejection(directory)) return directory;
      if (directory.status === 'disconnected') return refused('conflict', directory);
      if (state.directory === directory.id) return [];
      const home = homeOf(state);
      const old = home === null ? null : context.directoryOf(home);
      return (
        nameTaken(state.resource, state, context) ??
        emailTaken(state.resource, state, directory, context) ?? [
          { type: 'UserTransferred', changes: whenLeaving(state.resource, old, directory), ...under(directory) },
        ]
      );
    }
    case 'ArchiveUser':
      return state ? archived(state) : noUser(command.userId);
    case 'RestoreUser':
      return state ? restored(state, context) : noUser(command.userId);
    case 'SetAttributes':
      return state ? attributesSet(state, command.changes, context) : noUser(command.userId);
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
      withdrawnFrom: null,
      version: 1,
      created: recordedAt,
      lastModified: recordedAt,
      resource: event.resource,
      signIns: [],
      before: null,
      mapping: null,
      held: event.held ?? null,
      refused: [],
      awaited: false,
      ...(event.manager === null ? {} : sinceOf(event)),
    };
  }
  if (!state) return null;
  const version = state.version + 1;
  // The clock of the machine may go back; what a client is told does not.
  const lastModified = recordedAt > state.lastModified ? recordedAt : state.lastModified;
  const next = { ...state, version, lastModified };
  switch (event.type) {
    case 'UserChanged':
      return {
        ...changedByItsDirectory(withoutMove(next), event.changes),
        ...sinceOf(event),
        ...heldNow(event),
        awaited: false,
      };
    case 'UserDeactivated':
    case 'UserReactivated':
      return next;
    case 'UserDeleted':
      return null;
    case 'UserWithdrawn':
      return {
        ...next,
        directory: null,
        withdrawnFrom: event.directory,
        resource: applyChanges(state.resource, event.changes),
        awaited: false,
        mapping: null,
        held: null,
      };
    case 'UserLinked':
      return {
        ...changedByItsDirectory(withoutMove(next), event.changes),
        ...sinceOf(event),
        ...heldNow(event),
        directory: event.directory,
        withdrawnFrom: null,
        awaited: false,
        before: homeOf(state) === event.directory ? state.before : beforeLink(state),
        refused: state.refused.filter((key) => key !== event.directory),
      };
    case 'UserUnlinked':
      return {
        ...withoutMove(next),
        directory: null,
        resource: applyChanges(state.resource, event.changes),
        awaited: false,
        before: null,
        mapping: null,
        held: null,
        // Only a link that was found is a mistake when it is undone.
        refused:
          state.before === null || state.refused.includes(event.directory)
            ? state.refused
            : [...state.refused, event.directory],
      };
    case 'UserTransferred':
      return {
        ...withoutMove(next),
        ...sinceOf(event),
        directory: event.directory,
        withdrawnFrom: null,
        resource: applyChanges(state.resource, event.changes),
        awaited: true,
        before: null,
        mapping: null,
        held: null,
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
    case 'AttributesMapped':
      return { ...next, mapping: afterMapping(state.mapping, event) };
    case 'UserArchived':
      return {
        ...next,
        resource: applyChanges(state.resource, event.changes),
        archival: { active: isActive(state.resource) },
      };
    case 'UserRestored': {
      const { archival: _over, ...rest } = next;
      const resource = applyChanges(state.resource, event.changes);
      return isActive(resource)
        ? { ...rest, resource, withdrawnFrom: null, held: letIn(state.held) }
        : { ...rest, resource };
    }
    // Clients see the same user as before.
    case 'ActiveDeferred':
      return { ...state, version, archival: { active: event.active } };
    case 'AttributesSet':
      return afterSetting(next, event);
    default:
      return unreachable(event);
  }
};

/** After which move of its directory a user is known by what that says; nothing = the directory has not moved. */
const sinceOf = ({ movedVersion }: DecidedUnder): Pick<User, 'movedVersion'> =>
  movedVersion === undefined ? {} : { movedVersion };

const withoutMove = ({ movedVersion: _before, ...user }: User): User => user;

const under = ({ id, version, movedVersion }: Directory): DecidedUnder => ({
  directory: id,
  directoryVersion: version,
  ...(movedVersion === null ? {} : { movedVersion }),
});

const created = (
  resource: Resource,
  manager: string | null,
  matching: Matching | null,
  directory: Directory,
  held: Held | null = null,
): UserEvent[] => [
  { type: 'UserCreated', resource, manager, matching, ...(held ? { held } : {}), ...under(directory) },
  ...activation(true, resource, directory),
];

/**
 * Returns the events by which a write of the directory changes a user that it sees; the first write to one that nobody
 * manages links it.
 */
const written = (
  user: User,
  wanted: Resource,
  writing: Writing,
  directory: Directory,
  context: UserContext,
): UserEvent[] | Rejection => {
  const received = incoming(wanted, { id: user.id, resource: asSent(user) }, directory, context);
  if (isRejection(received)) return received;
  if (user.directory === null)
    return linked(user, received, { rule: 'id', candidates: [user.id], result: user.id }, directory, context);
  const local = withLocal(user, received.resource, directory, context.definition);
  const becoming = becomes(user, local.resource, directory, context, writing);
  if (isRejection(becoming)) return becoming;
  const { after, changes, holding, wanted: allowed, isWantedActive } = becoming;
  const mapped = [
    ...mappedEvents(user.mapping, received, under(directory)),
    ...deferred(user, allowed, under(directory)),
  ];
  if (Object.keys(changes).length === 0 && !('held' in holding)) return mapped;
  const isLeaving = isActive(user.resource) && !isWantedActive;
  return (
    taken(after, sinceMove(user, directory), directory, context) ?? [
      { type: 'UserChanged', changes, ...told(local), ...holding, ...under(directory) },
      ...activation(isActive(user.resource), after, directory),
      ...mapped,
      ...(isLeaving && directory.deleteDeactivated ? [{ type: 'UserDeleted', ...under(directory) } as const] : []),
    ]
  );
};

/** The user as its directory sent it: the next PATCH changes that. */
const sentOf = (user: User, directory: Directory): Resource =>
  sinceMove({ ...user, resource: user.mapping?.sent ?? asSent(user) }, directory).resource;

const linked = (
  user: User,
  received: Incoming,
  matching: Matching,
  directory: Directory,
  context: UserContext,
): UserEvent[] | Rejection => {
  const sent = homeOf(user) === directory.id ? received.resource : kept(user, received.resource);
  const local = withLocal(user, sent, directory, context.definition);
  const becoming = becomes(user, local.resource, directory, context, 'link');
  if (isRejection(becoming)) return becoming;
  const { after, changes, holding, wanted } = becoming;
  return (
    taken(after, sinceMove(user, directory), directory, context) ?? [
      { type: 'UserLinked', matching, changes, ...told(local), ...holding, ...under(directory) },
      ...activation(isActive(user.resource), after, directory),
      ...mappedEvents(user.mapping, received, under(directory)),
      ...deferred(user, wanted, under(directory)),
    ]
  );
};

const activation = (wasActive: boolean, after: Resource, directory: Directory): UserEvent[] =>
  isActive(after) === wasActive
    ? []
    : [{ type: wasActive ? 'UserDeactivated' : 'UserReactivated', ...under(directory) }];

const unlinked = (user: User, context: UserContext): UserEvent[] | Rejection => {
  const { directory, resource, before } = user;
  if (directory === null) return [];
  const decided: DecidedUnder = { directory, directoryVersion: context.directoryOf(directory)?.version ?? 0 };
  if (!before)
    return [{ type: 'UserUnlinked', changes: whenLeaving(resource, context.directoryOf(directory), null), ...decided }];
  const after = withAllLocal(user, anUnlinkGivesNoAccess(before, resource));
  const isArchived = isActive(resource) && !isActive(after);
  return (
    nameTaken(after, user, context) ??
    emailTaken(after, user, null, context) ?? [
      { type: 'UserUnlinked', changes: diffResource(resource, after), ...decided },
      ...(isArchived ? [{ type: 'UserDeactivated', ...decided } as const] : []),
    ]
  );
};

const signInUnlinked = (user: User, signIn: SignIn, context: UserContext): UserEvent[] | Rejection => {
  const { directory, loginType, providerId } = signIn;
  // The same id may have been given by each identity provider that the directory has had.
  const unlinked = user.signIns.filter(
    (one) => one.directory === directory && one.loginType === loginType && one.providerId === providerId,
  );
  if (unlinked.length === 0)
    return rejection('notFound', `The user with the id ${user.id} has no such sign-in identity.`);
  const directoryVersion = context.directoryOf(directory)?.version ?? 0;
  return unlinked.map((one) => ({ type: 'SignInUnlinked', ...one, directoryVersion }));
};

/** The user whom a command of a directory is about, if the directory may write it as the command asks. */
const targetOf = (
  command: { readonly userId: string } & Conditions,
  state: UserState,
  context: UserContext,
): { readonly user: User; readonly directory: Directory } | Rejection => {
  const directory = sender(context);
  if (isRejection(directory)) return directory;
  const user = writable(command.userId, state, directory);
  if (isRejection(user)) return user;
  return preconditionFailed('user', command, user.version) ?? { user, directory };
};

const sender = (context: UserContext): Directory | Rejection => {
  if (!context.directory) throw new Error('this command names its directory');
  const directory = known(context.directory, context);
  if (isRejection(directory) || directory.status === 'active') return directory;
  return refused('forbidden', directory);
};

const refused = (code: RejectionCode, { name, status }: Directory): Rejection =>
  rejection(code, `The directory "${name}" is ${status}.`);

const known = (id: string, context: UserContext): Directory | Rejection =>
  context.directoryOf(id) ?? rejection('notFound', `There is no directory with the id ${id}.`);

const unreachable = (value: never): never => {
  throw new Error(`unknown type ${JSON.stringify(value)}`);
};
