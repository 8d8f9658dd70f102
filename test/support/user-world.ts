import { isRejection, USER, type Rejection } from '#scim';
import { settingsOf, type Outcome, type UserCommand, type UserEvent } from '#contracts';
import { answerTo } from '../../apps/identity/src/answers.js';
import { chanceOf } from '../../apps/identity/src/incoming.js';
import { keysOf } from '../../apps/identity/src/identifiers.js';
import {
  decide,
  evolve,
  incomingOf,
  matchingOf,
  type Directory,
  type UserContext,
  type UserState,
} from '../../apps/identity/src/user.js';

export type User = NonNullable<UserState>;

/** The state of a user of whom nothing special is to be kept. */
export const ORDINARY = {
  signIns: [],
  awaited: false,
  refused: [],
  before: null,
  mapping: null,
  withdrawnFrom: null,
  held: null,
} as const;

export const directory = (id: string, settings: Partial<Directory> = {}): Directory => ({
  id,
  version: 1,
  name: `Directory ${id}`,
  status: 'active',
  movedVersion: null,
  ...settingsOf({}),
  ...settings,
});

/** The e-mail domains that are verified in the tenants of tests. */
export const VERIFIED_DOMAINS = ['example.org', 'mail', 'x'];

interface Decided {
  readonly userId: string;
  readonly events: UserEvent[];
  readonly outcome: Outcome;
}

/** One tenant, decided by the pure code alone: whoever bears a key is found by looking at everybody. */
export class UserWorld {
  readonly users = new Map<string, User>();

  constructor(
    private readonly directories: readonly Directory[],
    private readonly now = '2026-01-01T00:00:00.000Z',
    private readonly domains: readonly string[] = VERIFIED_DOMAINS,
    /** The groups of a user; null = there are too many. */
    private readonly groupsOf: (user: string) => readonly string[] | null = () => [],
  ) {}

  context(sender: string | null): UserContext {
    return {
      directory: sender,
      matching: null,
      incoming: null,
      chance: chanceOf('a command', Date.parse(this.now)),
      definition: USER,
      maxResourceBytes: 262_144,
      isVerified: (domain) => this.domains.includes(domain),
      directoryOf: (id) => this.directories.find((found) => found.id === id) ?? null,
      bearersOf: (kind, value) =>
        [...this.users.values()]
          .filter((user) => keysOf(user).some((key) => key.kind === kind && key.value === value))
          .sort((a, b) => (a.id < b.id ? -1 : 1)),
      groupsAmong: ({ id }, groups) => this.groupsOf(id)?.filter((group) => groups.includes(group)) ?? null,
    };
  }

  /** The events that would happen. */
  decide(sender: string | null, command: UserCommand): Decided | Rejection {
    const context = this.context(sender);
    const incoming = incomingOf(command, context);
    if (isRejection(incoming)) return incoming;
    const matching = matchingOf(command, { ...context, incoming });
    if (isRejection(matching)) return matching;
    const userId = matching?.result ?? command.userId;
    const before = this.users.get(userId) ?? null;
    const events = decide(command, before, { ...context, incoming, matching });
    if (isRejection(events)) return events;
    let [state, last] = [before as UserState, before as UserState];
    for (const event of events) {
      state = evolve(state, event, userId, this.now);
      last = state ?? last;
    }
    return { userId, events, outcome: { status: 'done', value: answerTo(command, last, matching, false) } };
  }

  send(sender: string | null, command: UserCommand): Decided | { userId: null; events: UserEvent[]; outcome: Outcome } {
    const decided = this.decide(sender, command);
    if (isRejection(decided)) return { userId: null, events: [], outcome: decided };
    this.apply(decided.userId, decided.events);
    return decided;
  }

  apply(userId: string, events: readonly UserEvent[]): void {
    for (const event of events) {
      const after = evolve(this.users.get(userId) ?? null, event, userId, this.now);
      if (after) this.users.set(userId, after);
      else this.users.delete(userId);
    }
  }
}
