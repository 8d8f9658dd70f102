import { isRejection, type Resource } from '#scim';
import type { Held, HoldReason, MappedLine, MatchingRule, UserCommand } from '#contracts';
import { bearersSinceMove, personOf, rulesOf } from './matching.js';
import { decide, evolve, incomingOf, matchingOf, type Directory, type UserContext, type UserState } from './user.js';

/** How it comes about whom a command means, and what is stored of it: for people who ask what would happen. */
export interface Explanation {
  /** The attributes that the mapping of the directory makes of those that were sent; null = it maps nothing. */
  readonly mapped: { readonly resource: Resource; readonly lines: readonly MappedLine[] } | null;
  /** The rules of matching in their order, each with everybody whom it knows. The first one that knows anybody decides. */
  readonly rules: readonly {
    readonly rule: MatchingRule;
    readonly candidates: readonly {
      readonly id: string;
      readonly userName: string;
      readonly directory: string | null;
    }[];
  }[];
  /** What would keep the user archived, as sentences too; [] = nothing. */
  readonly holds: readonly { readonly reason: HoldReason; readonly detail: string }[];
}

/** Null = there is nothing to explain: the command names its user, and nothing holds that. */
export const explanationOf = (
  command: UserCommand,
  context: UserContext,
  stateOf: (id: string) => UserState,
): Explanation | null => {
  const directory = context.directory === null ? null : context.directoryOf(context.directory);
  if (!directory) return null;
  const holds = holdsOf(heldAfter(command, context, stateOf), directory);
  if (command.type !== 'CreateUser' && command.type !== 'RecordSignIn')
    return holds.length === 0 ? null : { mapped: null, rules: [], holds };
  const incoming = incomingOf(command, context);
  if (isRejection(incoming)) return null;
  const person = personOf(command, directory, incoming?.resource);
  return {
    mapped: incoming?.sent ? { resource: incoming.resource, lines: incoming.mapped } : null,
    rules: rulesOf(person, bearersSinceMove(directory, context.bearersOf)).map(([rule, look]) => ({
      rule,
      candidates: look().map(({ id, resource, directory: manager }) => ({
        id,
        userName: String(resource.userName),
        directory: manager,
      })),
    })),
    holds,
  };
};

/** What would hold the user after the command; null = nothing, or it is refused. */
const heldAfter = (command: UserCommand, context: UserContext, stateOf: (id: string) => UserState): Held | null => {
  const incoming = incomingOf(command, context);
  if (isRejection(incoming)) return null;
  const matching = matchingOf(command, { ...context, incoming });
  if (isRejection(matching)) return null;
  const id = matching?.result ?? command.userId;
  const before = stateOf(id);
  const events = decide(command, before, { ...context, incoming, matching });
  if (isRejection(events)) return null;
  return events.reduce<UserState>((state, event) => evolve(state, event, id, ''), before)?.held ?? null;
};

const holdsOf = (held: Held | null, directory: Directory): Explanation['holds'] =>
  (held?.letIn ? [] : (held?.reasons ?? [])).map((reason) => ({
    reason,
    detail:
      reason === 'create'
        ? `The directory "${directory.name}" made no users when it sent this one (createUsers): the user is kept archived.`
        : `The user is not in the scope of the directory "${directory.name}" and is kept archived. The scope is: ${directory.scope}`,
  }));
