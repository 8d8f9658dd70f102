import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from '../bench/cycle.js';
import { GroupClient, type GroupTold } from './group-client.js';
import type { Track, Write } from './history.js';
import { judgeGroups, judgeGroupsOf, Memberships, stillThere, type Change } from './memberships.js';
import { ScimClient, type Told } from './scim-client.js';
import { insist, PAUSE_WHEN_DOWN_MS, share } from './scim-connection.js';

const GROUPS = 3;
/** Each writes to all of these groups. */
const WRITERS = 10;
const USERS_PER_WRITER = 30;
const FEWEST_USERS = 4;
const FEW_USERS = 12;
const LARGEST_LIST = 20;
const NESTED_PER_WRITER = 2;
const MEMBERS_OF_NESTED = 4;
const REMEMBERED_GONE = 5;
/** A group is left alone while so many sets of members are possible. */
const MOST_POSSIBILITIES = 16;
const DRAIN_TIMEOUT_MS = 60_000;
/** Nobody has this id. */
const NOBODY = '01970000-0000-7000-8000-000000000000';
const A_NEW_GROUP = 'that is new';

/** Writes users, and judges them by what it was told. */
export interface UserWriter {
  newTrack(): Track;
  mark(): string;
  write(client: ScimClient, track: Track, write: Write): Promise<Told>;
}

export interface GroupCounts {
  acknowledged: number;
  refused: number;
  lost: number;
  reads: number;
  /** Acknowledged writes of groups; among `acknowledged`. */
  groupWrites: number;
}

type Kind = Told['kind'] | 'read';

const chance = (share: number): boolean => Math.random() < share;
const below = (count: number): number => Math.floor(Math.random() * count);
const shuffled = <Item>(items: readonly Item[]): Item[] => {
  const rest = [...items];
  return items.map(() => rest.splice(below(rest.length), 1)[0]!);
};
/** At least one, where there is one. */
const sample = <Item>(items: readonly Item[], most: number): Item[] => shuffled(items).slice(0, 1 + below(most));

/**
 * The clients of a fault run that write memberships: several at once to the same groups, each with users of its own
 * that it creates, adds, removes and deletes, and with groups of its own inside these. They go on through every fault,
 * and remember what they were told.
 */
export class MembershipClients {
  writesInFlight = 0;
  readonly groups: string[] = [];
  memberships = 0;
  private readonly writers: readonly MembershipWriter[];

  constructor(
    target: Target,
    private readonly runName: string,
    users: UserWriter,
    readonly counts: GroupCounts,
    private readonly violations: string[],
  ) {
    this.writers = Array.from(
      { length: WRITERS },
      (_, index) => new MembershipWriter(target, `${runName}-${index}`, users, this, violations),
    );
  }

  /** Makes the groups; nothing is killed yet. */
  async prepare(): Promise<void> {
    for (let index = 0; index < GROUPS; index++) {
      const told = await this.writers[0]!.client.create(`Group ${this.runName}-${index}`, []);
      if (told.kind !== 'acknowledged' || told.id === null)
        throw new Error(`no group could be made: ${JSON.stringify(told)}`);
      this.groups.push(told.id);
    }
  }

  /** Ends when `stopping` holds. Rejects when a client broke, which is a fault of the run itself. */
  async run(stopping: () => boolean): Promise<void> {
    await Promise.all(this.writers.map((writer) => writer.run(stopping)));
  }

  /**
   * After the faults, and after the users were judged: the groups, once the lanes are drained, against what the clients
   * were told.
   */
  async judge(): Promise<void> {
    const histories = this.writers.map(({ history }) => history);
    const existing = (await Promise.all(this.writers.map((writer) => writer.settle()))).flat();
    const groups = new Map<string, readonly string[]>();
    const all = [...this.groups, ...existing];
    for (const sinceMs = performance.now(); ; await delay(PAUSE_WHEN_DOWN_MS)) {
      await share(this.writers, all, async (writer, group) => void groups.set(group, await writer.membersOf(group)));
      if (stillThere(histories, groups).length === 0 || performance.now() - sinceMs > DRAIN_TIMEOUT_MS) break;
    }
    this.violations.push(...judgeGroups(histories, groups));
    await share(
      this.writers,
      this.writers.flatMap(({ living }) => living),
      async ({ client }, user) => {
        this.violations.push(...judgeGroupsOf(user, await insist(() => client.groupsOf(user)), groups));
      },
    );
    this.memberships = [...groups.values()].reduce((sum, members) => sum + members.length, 0);
  }

  close(): void {
    for (const writer of this.writers) writer.close();
  }
}

class MembershipWriter {
  readonly history = new Memberships();
  readonly client: GroupClient;
  private readonly userClient: ScimClient;
  /** Each user that it has made, by id. */
  private readonly tracks = new Map<string, Track>();
  private readonly users: string[] = [];
  private readonly gone: string[] = [];
  /** Groups of its own, and their names. */
  private readonly nested = new Map<string, string>();
  /** Those whose deletion got no answer. */
  private readonly doubtful: string[] = [];
  /** Creations of groups that got no answer. */
  private readonly unanswered: { readonly name: string; readonly members: readonly string[] }[] = [];
  private names = 0;

  constructor(
    target: Target,
    private readonly name: string,
    private readonly writer: UserWriter,
    private readonly all: MembershipClients,
    private readonly violations: string[],
  ) {
    const unexpected = (what: string): void => void violations.push(what);
    this.client = new GroupClient(target, unexpected);
    this.userClient = new ScimClient(target, unexpected);
  }

  async run(stopping: () => boolean): Promise<void> {
    while (!stopping()) {
      const kind = await this.step();
      if (kind === 'lost' || kind === 'notSent') await delay(PAUSE_WHEN_DOWN_MS);
    }
  }

  /** Makes everything clear that got no answer, and returns which groups of its own there are. */
  async settle(): Promise<string[]> {
    // An answer comes after all that was sent before.
    await insist(async () =>
      (await this.patch(this.all.groups[0]!, [{ op: 'remove', ids: [NOBODY] }])) === 'acknowledged' ? true : null,
    );
    for (const [id, track] of this.tracks) {
      if (track.presence === 'present' && track.id === id) this.note(this.history.stayed(id));
      else this.history.went(id);
    }
    const existing = [...this.nested.keys()];
    for (const group of this.doubtful) {
      if ((await this.read(group)) === null) this.history.groupWent(group);
      else {
        this.note(this.history.stayed(group));
        existing.push(group);
      }
    }
    for (const { name, members } of this.unanswered) {
      const found = await insist(() => this.client.find(name));
      if (found.length > 1) this.violations.push(`${found.length} groups have the name ${name}`);
      for (const group of found) this.history.groupCame(group, members);
      existing.push(...found);
    }
    return existing;
  }

  /** The users of its own that there are, for certain once they are settled. */
  get living(): string[] {
    return [...this.tracks.keys()].filter((id) => !this.history.isGone(id));
  }

  /** As it is after the faults. */
  async membersOf(group: string): Promise<readonly string[]> {
    const members = await this.read(group);
    if (!members) this.violations.push(`group ${group} was deleted by nobody, and is not there`);
    return members ?? [];
  }

  close(): void {
    this.client.close();
    this.userClient.close();
  }

  /** null = there is no such group. */
  private async read(group: string): Promise<readonly string[] | null> {
    const told = await insist(async () => {
      const answer = await this.client.get(group);
      return answer.kind === 'acknowledged' || answer.kind === 'refused' ? answer : null;
    });
    return told.kind === 'acknowledged' ? told.members : null;
  }

  private step(): Promise<Kind> {
    const group = this.all.groups[below(GROUPS)]!;
    const possibilities = this.history.possibilities(group);
    if (possibilities > 1 && !this.history.isUndecided && chance(0.5)) return this.readBack(group);
    if (possibilities > MOST_POSSIBILITIES) return this.patch(group, [{ op: 'remove', ids: [NOBODY] }]);
    const { length } = this.users;
    if (length < FEWEST_USERS || (length < USERS_PER_WRITER && chance(length < FEW_USERS ? 0.4 : 0.2)))
      return this.createUser();
    const dice = Math.random();
    if (dice < 0.42) return this.patch(group, [this.addition()]);
    if (dice < 0.58) return this.patch(group, [this.removal()]);
    if (dice < 0.66)
      return this.patch(group, chance(0.5) ? [this.addition(), this.removal()] : [this.removal(), this.addition()]);
    if (dice < 0.74) return this.deleteUser();
    if (dice < 0.8) return this.deleteWhileAdding(group);
    if (dice < 0.9) return this.changeNested();
    return this.readBack(group);
  }

  /** Up to 20 of its users and a few more: some are members already, one may come twice, be gone, or be a group. */
  private addition(): Change {
    const ids = sample(this.users, LARGEST_LIST);
    if (chance(0.1)) ids.push(ids[0]!);
    if (chance(0.08)) ids.push(...sample(this.gone, 1));
    if (chance(0.2)) ids.push(...sample([...this.nested.keys()], 1));
    return { op: 'add', ids: shuffled(ids) };
  }

  /** Some of them are no members. */
  private removal(): Change {
    const ids = sample(this.users, LARGEST_LIST / 2);
    if (chance(0.1)) ids.push(...sample([...this.gone, ...this.nested.keys(), NOBODY], 1));
    return { op: 'remove', ids };
  }

  private async createUser(): Promise<Kind> {
    const track = this.writer.newTrack();
    const told = await this.writer.write(this.userClient, track, { kind: 'create', mark: this.writer.mark() });
    if (told.kind === 'acknowledged' && told.seen) {
      this.tracks.set(told.seen.id, track);
      this.users.push(told.seen.id);
      this.history.came(told.seen.id);
    }
    return told.kind;
  }

  private async deleteUser(): Promise<Kind> {
    const id = this.takeUser();
    return this.rememberDeletion(id, await this.sendDeletion(id));
  }

  /** Whichever comes first: in the end the user is in no group. */
  private async deleteWhileAdding(group: string): Promise<Kind> {
    const id = this.takeUser();
    this.history.mayGo(id);
    const changes: Change[] = [{ op: 'add', ids: [id, ...sample(this.users, LARGEST_LIST - 1)] }];
    const [told, toldOfUser] = await Promise.all([this.sent(this.client.patch(group, changes)), this.sendDeletion(id)]);
    this.remember(group, changes, told);
    const kind = this.rememberDeletion(id, toldOfUser);
    return told.kind === 'lost' || told.kind === 'notSent' ? told.kind : kind;
  }

  private takeUser(): string {
    return this.users.splice(below(this.users.length), 1)[0]!;
  }

  private sendDeletion(id: string): Promise<Told> {
    this.history.mayGo(id);
    return this.writer.write(this.userClient, this.tracks.get(id)!, { kind: 'delete' });
  }

  private rememberDeletion(id: string, told: Told): Kind {
    if (told.kind === 'notSent') {
      this.note(this.history.stayed(id));
      this.users.push(id);
      return told.kind;
    }
    if (told.kind === 'acknowledged') this.history.went(id);
    this.gone.push(id);
    if (this.gone.length > REMEMBERED_GONE) this.gone.shift();
    return told.kind;
  }

  private changeNested(): Promise<Kind> {
    const members = sample(chance(0.1) ? [...this.users, ...this.gone] : this.users, MEMBERS_OF_NESTED);
    if (this.nested.size < NESTED_PER_WRITER) return this.createNested(members);
    const [group, name] = sample([...this.nested], 1)[0]!;
    return chance(0.5) ? this.replaceNested(group, name, members) : this.deleteNested(group, name);
  }

  private async createNested(members: readonly string[]): Promise<Kind> {
    const name = `Nested ${this.name}-${this.names++}`;
    const changes: Change[] = [{ op: 'add', ids: members }];
    const told = await this.sent(this.client.create(name, members));
    if (told.kind === 'acknowledged' && told.id !== null) {
      this.history.groupCame(told.id, []);
      this.nested.set(told.id, name);
      this.rememberShown(told.id, changes, told);
    } else if (told.kind === 'refused') {
      this.note(this.history.refused(A_NEW_GROUP, changes, told.status, told.detail));
    } else if (told.kind === 'lost') {
      this.history.groupLost();
      this.unanswered.push({ name, members });
    }
    return told.kind;
  }

  private async replaceNested(group: string, name: string, members: readonly string[]): Promise<Kind> {
    const told = await this.sent(this.client.replace(group, name, members));
    this.rememberShown(group, [{ op: 'replace', ids: members }], told);
    return told.kind;
  }

  private async deleteNested(group: string, name: string): Promise<Kind> {
    this.nested.delete(group);
    this.history.mayGo(group);
    const told = await this.sent(this.client.delete(group));
    if (told.kind === 'acknowledged') this.history.groupWent(group);
    else if (told.kind === 'lost') {
      this.history.groupLost();
      this.doubtful.push(group);
    } else {
      if (told.kind === 'refused')
        this.violations.push(`group ${group}: its deletion was refused with ${told.status}: ${told.detail}`);
      this.note(this.history.stayed(group));
      this.nested.set(group, name);
    }
    return told.kind;
  }

  private async patch(group: string, changes: readonly Change[]): Promise<Kind> {
    const told = await this.sent(this.client.patch(group, changes));
    this.remember(group, changes, told);
    return told.kind;
  }

  private async readBack(group: string): Promise<Kind> {
    const told = await this.client.get(group);
    if (told.kind === 'refused')
      this.violations.push(`group ${group} was deleted by nobody, and a read got ${told.status}`);
    if (told.kind !== 'acknowledged') return told.kind;
    this.all.counts.reads++;
    this.note(this.history.read(group, told.members!));
    return 'read';
  }

  private async sent(answer: Promise<GroupTold>): Promise<GroupTold> {
    const { counts } = this.all;
    this.all.writesInFlight++;
    const told = await answer;
    this.all.writesInFlight--;
    if (told.kind !== 'notSent') counts[told.kind]++;
    if (told.kind === 'acknowledged') counts.groupWrites++;
    return told;
  }

  private remember(group: string, changes: readonly Change[], told: GroupTold): void {
    if (told.kind === 'acknowledged') this.note(this.history.acknowledged(group, changes));
    else if (told.kind === 'refused') this.note(this.history.refused(group, changes, told.status, told.detail));
    else if (told.kind === 'lost') this.history.lost(group, changes);
  }

  /** The answer shows the group. */
  private rememberShown(group: string, changes: readonly Change[], told: GroupTold): void {
    this.remember(group, changes, told);
    if (told.kind === 'acknowledged') this.note(this.history.read(group, told.members ?? []));
  }

  private note(violation: string | null): void {
    if (violation) this.violations.push(violation);
  }
}
