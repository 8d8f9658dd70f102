import { isRejection, type Resource } from '#scim';
import type { MappedLine, MatchingRule, UserCommand } from '#contracts';
import { bearersSinceMove, personOf, rulesOf } from './matching.js';
import { incomingOf, type UserContext } from './user.js';

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
}

/** Null = the command names its user and brings none. */
export const explanationOf = (command: UserCommand, context: UserContext): Explanation | null => {
  if (command.type !== 'CreateUser' && command.type !== 'RecordSignIn') return null;
  const directory = context.directory === null ? null : context.directoryOf(context.directory);
  const incoming = incomingOf(command, context);
  if (!directory || isRejection(incoming)) return null;
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
  };
};
