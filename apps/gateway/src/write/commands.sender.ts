import { Inject, Injectable } from '@nestjs/common';
import type { GroupCommand, GroupSnapshot, Outcome, StoredValue, UserCommand, UserSnapshot } from '#contracts';
import { LogUnavailable, MessageTooLong, type RequestReply } from '#log';
import { isUuid, Pace, Room, uuidv7, type Config } from '#runtime';
import { parsePatch, parseReplacement, parseResource, quote, Rejected } from '#scim';
import { busy } from '../busy.filter.js';
import type { Caller } from '../caller.js';
import { CommandCosts, MAX_SENT_BYTES, slowMsOf } from './command-costs.js';
import { CONFIG, GROUP_REQUESTS, IDENTITY_REQUESTS } from '../injected.js';
import { IgnoredAttributes } from './ignored-attributes.job.js';
import { toConditions } from './preconditions.js';
import { membersOf, ofGroup, ofUser, toCommand, type NamedCommand } from './to-command.js';

/** The share of the time after which a command expires that a write may wait for other writes of its tenant. */
const WAITING_SHARE = 4 / 5;

/** A write as it stands in a request; `ifMatch` and `ifNoneMatch` are the headers. */
export interface Write {
  readonly id: string;
  readonly body: unknown;
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}

/** Sends commands and waits for what their owners say. */
@Injectable()
export class Commands {
  private readonly costs = new CommandCosts();
  private readonly room: Room;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly ignored: IgnoredAttributes,
    private readonly pace: Pace,
  ) {
    const {
      MAX_COMMAND_BYTES_IN_FLIGHT_PER_TENANT: maxSize,
      MAX_COMMANDS_IN_FLIGHT_PER_TENANT: maxHere,
      COMMAND_EXPIRES_AFTER_MS,
    } = config;
    this.room = new Room(pace, {
      maxSize,
      maxSizeBesideOthers: Math.min(MAX_SENT_BYTES, maxSize),
      maxHere,
      waitTimeoutMs: COMMAND_EXPIRES_AFTER_MS * WAITING_SHARE,
    });
  }

  /** Parses what a client has sent, and counts the attributes in it that have no effect. Throws what `parse` throws. */
  read<Parsed extends { readonly ignored: readonly string[] }>(
    { tenant, directory }: Caller,
    parse: () => Parsed,
  ): Parsed {
    return this.ignored.counted(directory, this.pace.during(tenant, parse));
  }

  /**
   * Throws Rejected: with what the owner said, with 429 above the tenant's limits, or with 503 when nobody can say what
   * became of the command.
   */
  async send(owner: RequestReply, caller: Caller, command: NamedCommand<UserCommand | GroupCommand>): Promise<unknown> {
    const { tenant } = caller;
    const size = this.costs.guess(tenant, caller.bodyBytes);
    let isIn = false;
    let outcome: Outcome;
    try {
      const entered = this.room.enter(tenant, size);
      if (entered) await entered;
      isIn = true;
      const turn = this.pace.turn(tenant);
      if (turn) await turn;
      const message = toCommand(command, {
        ...caller,
        // A request that is sent again is one command, whose id was chosen for it: no write has more.
        id: caller.replay?.commandId ?? uuidv7(),
        now: new Date(),
        expiresAfterMs: this.config.COMMAND_EXPIRES_AFTER_MS,
      });
      outcome = caller.ask
        ? await caller.ask(message)
        : await owner.request(message, ({ cost, effect }) => {
            if (effect) caller.noteEffect(effect);
            if (cost === undefined) return;
            this.costs.learn(tenant, cost);
            const slowMs = slowMsOf(cost);
            if (slowMs > 0) this.pace.spent(tenant, slowMs);
          });
    } catch (error) {
      if (error instanceof LogUnavailable) {
        throw new Rejected(
          'unavailable',
          'The write could not be confirmed: the message log or the database is away. Send it again.',
        );
      }
      if (error instanceof MessageTooLong) {
        throw new Rejected('tooLarge', 'The write is longer than a message may be here. Send it in smaller parts.');
      }
      throw busy(error);
    } finally {
      if (isIn) this.room.leave(tenant, size);
    }
    if (outcome.status === 'rejected') throw new Rejected(outcome.code, outcome.detail);
    return outcome.value;
  }

  /** The bytes that a write counts as: a short one may change a long resource. */
  bytesOf({ tenant, bodyBytes }: Pick<Caller, 'tenant' | 'bodyBytes'>): number {
    return Math.max(bodyBytes, this.costs.of(tenant));
  }
}

/** A resource as a write left it. An outcome that had to be looked up only says which resource that is. */
export type WriteAnswer<Snapshot> = Snapshot | StoredValue;

/** Writes of users. Each throws Rejected. */
@Injectable()
export class UserCommands {
  constructor(
    private readonly commands: Commands,
    @Inject(IDENTITY_REQUESTS) private readonly identity: RequestReply,
  ) {}

  /** `userId` is the id that a new user gets; a user who is known keeps another one. */
  create(caller: Caller, body: unknown, userId = uuidv7()): Promise<WriteAnswer<UserSnapshot>> {
    const { resource } = this.commands.read(caller, () => parseResource(caller.definitions.user, body));
    return this.send(caller, { type: 'CreateUser', userId, resource });
  }

  patch(caller: Caller, { id, body, ...conditions }: Write): Promise<WriteAnswer<UserSnapshot>> {
    const { operations } = this.commands.read(caller, () => parsePatch(caller.definitions.user, body));
    return this.send(caller, { type: 'PatchUser', userId: known(id, 'user'), operations, ...toConditions(conditions) });
  }

  /** RFC 7644 §3.5.1: it never creates. */
  replace(caller: Caller, { id, body, ...conditions }: Write): Promise<WriteAnswer<UserSnapshot>> {
    const { resource } = this.commands.read(caller, () => parseReplacement(caller.definitions.user, body));
    return this.send(caller, { type: 'ReplaceUser', userId: known(id, 'user'), resource, ...toConditions(conditions) });
  }

  async delete(caller: Caller, { id, ...conditions }: Omit<Write, 'body'>): Promise<void> {
    await this.commands.send(
      this.identity,
      caller,
      ofUser({ type: 'DeleteUser', userId: known(id, 'user'), ...toConditions(conditions) }),
    );
  }

  private async send(caller: Caller, command: UserCommand): Promise<WriteAnswer<UserSnapshot>> {
    const snapshot = await this.commands.send(this.identity, caller, ofUser(command));
    if (!snapshot) throw new Rejected('internal', 'The outcome shows no user.');
    return snapshot as WriteAnswer<UserSnapshot>;
  }
}

/** Writes of groups. Each throws Rejected. */
@Injectable()
export class GroupCommands {
  constructor(
    private readonly commands: Commands,
    @Inject(GROUP_REQUESTS) private readonly group: RequestReply,
  ) {}

  create(caller: Caller, body: unknown, groupId = uuidv7()): Promise<WriteAnswer<GroupSnapshot>> {
    const { resource } = this.commands.read(caller, () => parseResource(caller.definitions.group, body));
    return this.send(caller, { type: 'CreateGroup', groupId, ...membersOf(resource) });
  }

  patch(caller: Caller, { id, body, ...conditions }: Write): Promise<WriteAnswer<GroupSnapshot>> {
    const { operations } = this.commands.read(caller, () => parsePatch(caller.definitions.group, body));
    return this.send(caller, {
      type: 'PatchGroup',
      groupId: known(id, 'group'),
      operations,
      ...toConditions(conditions),
    });
  }

  replace(caller: Caller, { id, body, ...conditions }: Write): Promise<WriteAnswer<GroupSnapshot>> {
    const { resource } = this.commands.read(caller, () => parseReplacement(caller.definitions.group, body));
    const content = membersOf(resource);
    return this.send(caller, {
      type: 'ReplaceGroup',
      groupId: known(id, 'group'),
      ...content,
      ...toConditions(conditions),
    });
  }

  async delete(caller: Caller, { id, ...conditions }: Omit<Write, 'body'>): Promise<void> {
    await this.commands.send(
      this.group,
      caller,
      ofGroup({ type: 'DeleteGroup', groupId: known(id, 'group'), ...toConditions(conditions) }),
    );
  }

  private async send(caller: Caller, command: GroupCommand): Promise<WriteAnswer<GroupSnapshot>> {
    const snapshot = await this.commands.send(this.group, caller, ofGroup(command));
    if (!snapshot) throw new Rejected('internal', 'The outcome shows no group.');
    return snapshot as WriteAnswer<GroupSnapshot>;
  }
}

/** The id as it is stored. Throws Rejected(notFound) for a text that cannot be one of our ids. */
const known = (id: string, what: string): string => {
  if (!isUuid(id)) throw new Rejected('notFound', `There is no ${what} with the id ${quote(id)}.`);
  return id.toLowerCase();
};
