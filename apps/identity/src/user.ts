import { applyChanges, applyPatch, diffResource, fold, Rejected, USER, type Resource } from '#scim';
import type { UserCommand, UserEvent, UserSnapshot } from '#contracts';

/** A user as the fold of its events; null = there is none (never was, or deleted). */
export type UserState = {
  readonly id: string;
  readonly directory: string;
  readonly version: number;
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly lastModified: string;
  readonly resource: Resource;
} | null;

/** What a decision may look at besides the user itself. */
export interface UserContext {
  readonly directory: { readonly id: string; readonly version: number };
  /** Who holds a unique user name in the tenant, by its folded form. */
  readonly holderOf: (userNameFolded: string) => string | null;
}

/** What should happen. Reads nothing but its arguments; [] means that nothing changed. Throws Rejected. */
export const decide = (command: UserCommand, state: UserState, context: UserContext): UserEvent[] => {
  const decidedUnder = { directory: context.directory.id, directoryVersion: context.directory.version };
  switch (command.type) {
    case 'CreateUser': {
      if (state) throw new Rejected('uniqueness', `A user with the id ${command.userId} exists already.`);
      requireFree(command.resource, command.userId, context);
      const created: UserEvent = { type: 'UserCreated', resource: command.resource, ...decidedUnder };
      return command.resource.active === false ? [created, { type: 'UserDeactivated', ...decidedUnder }] : [created];
    }
    case 'PatchUser': {
      const user = managed(command.userId, state, context);
      requireMatch(command.ifMatch, user.version);
      const after = applyPatch(USER, user.resource, command.operations, { id: user.id });
      const changes = diffResource(user.resource, after);
      if (Object.keys(changes).length === 0) return [];
      if ('userName' in changes) requireFree(after, user.id, context);
      const events: UserEvent[] = [{ type: 'UserChanged', changes, ...decidedUnder }];
      if ('active' in changes) {
        events.push({ type: after.active === false ? 'UserDeactivated' : 'UserReactivated', ...decidedUnder });
      }
      return events;
    }
    case 'DeleteUser': {
      const user = managed(command.userId, state, context);
      requireMatch(command.ifMatch, user.version);
      return [{ type: 'UserDeleted', ...decidedUnder }];
    }
    default:
      return unreachable(command);
  }
};

/** What has happened. Never throws: history is a fact. `recordedAt` is ISO 8601, UTC. */
export const evolve = (state: UserState, event: UserEvent, id: string, recordedAt: string): UserState => {
  if (event.type === 'UserCreated') {
    return {
      id, directory: event.directory, version: 1, created: recordedAt, lastModified: recordedAt, resource: event.resource,
    };
  }
  if (!state) return null;
  // The clock of the machine may go back; what a client is told does not.
  const lastModified = recordedAt > state.lastModified ? recordedAt : state.lastModified;
  const next = { ...state, version: state.version + 1, lastModified };
  switch (event.type) {
    case 'UserChanged':
      return { ...next, resource: applyChanges(state.resource, event.changes) };
    case 'UserDeactivated':
    case 'UserReactivated':
      return next;
    case 'UserDeleted':
      return null;
    default:
      return unreachable(event);
  }
};

/** The unique name that a user holds; a change of it frees the old one. */
export const claimOf = (state: UserState): string | null => (state ? fold(String(state.resource.userName)) : null);

/** What an answer shows of a user. */
export const snapshotOf = (state: UserState): UserSnapshot | null =>
  state && {
    id: state.id, version: state.version, created: state.created, lastModified: state.lastModified, resource: state.resource,
  };

/** A directory sees only the users that it manages; the others do not exist for it (I12). */
const managed = (userId: string, state: UserState, { directory }: UserContext): NonNullable<UserState> => {
  if (!state || state.directory !== directory.id) throw new Rejected('notFound', `There is no user with the id ${userId}.`);
  return state;
};

/** RFC 7644 §3.14: a write whose If-Match names none of the current versions is refused with 412. */
const requireMatch = (ifMatch: readonly number[] | null, version: number): void => {
  if (ifMatch && !ifMatch.includes(version)) {
    throw new Rejected('preconditionFailed', `The user has changed meanwhile: its version is W/"${version}".`);
  }
};

const requireFree = (resource: Resource, userId: string, context: UserContext): void => {
  const holder = context.holderOf(fold(String(resource.userName)));
  if (holder !== null && holder !== userId) {
    throw new Rejected('uniqueness', `userName ${String(resource.userName)} is taken by the user with the id ${holder}.`);
  }
};

const unreachable = (value: never): never => {
  throw new Error(`unknown type ${JSON.stringify(value)}`);
};
