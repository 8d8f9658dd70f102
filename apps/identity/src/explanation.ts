import { isRejection, roleSourcesOf, type Resource, type WebRole } from '#scim';
import type { Held, HoldReason, MappedLine, MatchingRule, UserCommand } from '#contracts';
import { bearersByUpn, bearersSinceMove, personOf, rulesOf } from './matching.js';
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
  /** The reasons that would keep the user archived, as sentences too; [] = none. */
  readonly holds: readonly { readonly reason: HoldReason; readonly detail: string }[];
  /** The web role that the attribute `roles` names, where the ceiling of the directory leaves less of it; null = it does not. */
  readonly cutRole: { readonly role: WebRole; readonly gives: WebRole | null; readonly detail: string } | null;
}

/** Null = there is nothing to explain: the command names its user, nothing holds that, and its role is not cut. */
export const explanationOf = (
  command: UserCommand,
  context: UserContext,
  stateOf: (id: string) => UserState,
): Explanation | null => {
  const directory = context.directory === null ? null : context.directoryOf(context.directory);
  if (!directory) return null;
  const after = userAfter(command, context, stateOf);
  const holds = holdsOf(after?.held ?? null, directory);
  const cutRole = after?.directory === directory.id ? cutRoleOf(after.resource, directory) : null;
  if (command.type !== 'CreateUser' && command.type !== 'RecordSignIn')
    return holds.length === 0 && !cutRole ? null : { mapped: null, rules: [], holds, cutRole };
  const incoming = incomingOf(command, context);
  if (isRejection(incoming)) return null;
  const person = personOf(command, directory, incoming?.resource);
  return {
    mapped: incoming?.sent ? { resource: incoming.resource, lines: incoming.mapped } : null,
    rules: rulesOf(person, bearersByUpn(context.directoryOf, bearersSinceMove(directory, context.bearersOf))).map(
      ([rule, look]) => ({
        rule,
        candidates: look().map(({ id, resource, directory: manager }) => ({
          id,
          userName: String(resource.userName),
          directory: manager,
        })),
      }),
    ),
    holds,
    cutRole,
  };
};

/** The user after the command; null = there is none, or it is refused. */
const userAfter = (command: UserCommand, context: UserContext, stateOf: (id: string) => UserState): UserState => {
  const incoming = incomingOf(command, context);
  if (isRejection(incoming)) return null;
  const matching = matchingOf(command, { ...context, incoming });
  if (isRejection(matching)) return null;
  const id = matching?.result ?? command.userId;
  const before = stateOf(id);
  const events = decide(command, before, { ...context, incoming, matching });
  if (isRejection(events)) return null;
  return events.reduce<UserState>((state, event) => evolve(state, event, id, ''), before);
};

const cutRoleOf = (resource: Resource, directory: Directory): Explanation['cutRole'] => {
  const [named] = roleSourcesOf(resource, [], directory);
  if (!named || named.gives === named.role) return null;
  const { role, gives } = named;
  const detail = `The attribute roles names the web role ${role}, of which the roleCeiling of the directory "${directory.name}" leaves ${gives ?? 'nothing'}: the value is kept.`;
  return { role, gives, detail };
};

const holdsOf = (held: Held | null, directory: Directory): Explanation['holds'] =>
  (held?.letIn ? [] : (held?.reasons ?? [])).map((reason) => ({
    reason,
    detail:
      reason === 'create'
        ? `The directory "${directory.name}" made no users when it sent this one (createUsers): the user is kept archived.`
        : `The user is not in the scope of the directory "${directory.name}" and is kept archived. The scope is: ${directory.scope}`,
  }));
