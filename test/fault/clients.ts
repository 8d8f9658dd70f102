import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from '../bench/cycle.js';
import { judgeContest, judgeListing, Track, type Attempt, type Seen, type Write } from './history.js';
import { MembershipClients, type UserWriter } from './membership-clients.js';
import { ScimClient, type Told } from './scim-client.js';
import { insist, PAUSE_WHEN_DOWN_MS, share } from './scim-connection.js';

const WRITERS = 20;
const USERS_PER_WRITER = 6;
const CONTESTANTS = 4;
/** A user name is left alone after so many writes, so that the final check covers many users. */
const WRITES_PER_USER = 12;
const READ_AFTER_WRITE_SHARE = 0.25;
const PAGE_USERS = 100;

export interface Counts {
  acknowledged: number;
  refused: number;
  lost: number;
  reads: number;
  /** Acknowledged writes of groups; among `acknowledged`. */
  groupWrites: number;
}

interface Contest {
  readonly userName: string;
  readonly attempts: Attempt[];
}

/**
 * The clients of a fault run: writers, each the only one to write to its users, contestants that create the same name
 * at once, and those that write memberships (membership-clients.ts). They go on through every fault, and remember what
 * they were told.
 */
export class Clients implements UserWriter {
  readonly counts: Counts = { acknowledged: 0, refused: 0, lost: 0, reads: 0, groupWrites: 0 };
  readonly violations: string[] = [];
  readonly memberships: MembershipClients;
  /** Writes of users that were sent and not answered yet. */
  writesInFlight = 0;
  private readonly tracks: Track[] = [];
  private readonly contests: Contest[] = [];
  private running: Promise<unknown> | undefined;
  private stopping = false;
  private marks = 0;
  private names = 0;

  constructor(
    private readonly target: Target,
    private readonly runName: string,
  ) {
    this.memberships = new MembershipClients(target, runName, this, this.counts, this.violations);
  }

  async start(): Promise<void> {
    await this.memberships.prepare();
    const writers = Array.from({ length: WRITERS }, () => this.withClients(1, ([client]) => this.writer(client!)));
    const contestants = this.withClients(CONTESTANTS, (clients) => this.contestants(clients));
    this.running = Promise.all([...writers, contestants, this.memberships.run(() => this.stopping)]);
    this.running.catch(() => {});
  }

  /** Rejects when a client broke, which is a fault of the run itself. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  close(): void {
    this.memberships.close();
  }

  get contestCount(): number {
    return this.contests.length;
  }

  get userCount(): number {
    return this.tracks.length + this.contests.length;
  }

  /**
   * After the faults: asks for everything that was written and compares it with what the clients were told. Where two
   * states are possible it reads first (one of them, whole), then writes, which decides (the tenant's writes are one
   * lane, so that nothing sent before can come later), and then nothing may have moved.
   */
  async judge(progress: (done: number, total: number) => void): Promise<void> {
    let done = 0;
    const step = (): void => progress(++done, 2 * this.tracks.length + this.contests.length);
    await this.each(this.tracks, async (client, track) => {
      this.note(track.read(await this.findOne(client, track.userName)));
      if (!track.settled) await this.decide(client, track);
      step();
    });
    await this.memberships.judge();
    await this.each(this.contests, async (client, contest) => {
      const told = await this.persist(() => this.attempt(client, contest));
      if (told.kind === 'lost') throw new Error('a contest could not be decided');
      const found = (
        await this.persistList(client, `filter=${encodeURIComponent(`userName eq "${contest.userName}"`)}`)
      ).seen;
      this.violations.push(...judgeContest(contest.userName, contest.attempts, found));
      step();
    });
    await this.each(this.tracks, async (client, track) => {
      if (track.id !== null) this.note(track.read(await this.getById(client, track.id)));
      for (const id of track.deletedIds) {
        if (await this.getById(client, id)) this.violations.push(`${track.userName}: the deleted user ${id} is there`);
      }
      step();
    });
    const [listed] = await this.withClients(1, async ([client]) => [await this.listAll(client!)]);
    const contested = new Set(this.contests.map(({ userName }) => userName.toLowerCase()));
    this.violations.push(...judgeListing(this.tracks, contested, listed!));
  }

  private async withClients<Result>(count: number, work: (clients: ScimClient[]) => Promise<Result>): Promise<Result> {
    const clients = Array.from(
      { length: count },
      () => new ScimClient(this.target, (what) => this.violations.push(what)),
    );
    try {
      return await work(clients);
    } finally {
      for (const client of clients) client.close();
    }
  }

  /** Works on all items, as many at a time as there are writers. */
  private each<Item>(items: readonly Item[], work: (client: ScimClient, item: Item) => Promise<void>): Promise<void> {
    return this.withClients(WRITERS, (clients) => share(clients, items, work));
  }

  private note(violation: string | null): void {
    if (violation) this.violations.push(violation);
  }

  mark(): string {
    return `mark-${this.runName}-${this.marks++}`;
  }

  newTrack(): Track {
    // Capitals and letters beyond ASCII, because names are unique ignoring case.
    const track = new Track(`Zoë.${this.runName}-${this.names++}@Fault.example`);
    this.tracks.push(track);
    return track;
  }

  private async writer(client: ScimClient): Promise<void> {
    const slots = Array.from({ length: USERS_PER_WRITER }, () => ({ track: this.newTrack(), writes: 0 }));
    while (!this.stopping) {
      const slot = slots[Math.floor(Math.random() * slots.length)]!;
      if (slot.writes >= WRITES_PER_USER && slot.track.settled) {
        slot.track = this.newTrack();
        slot.writes = 0;
      }
      const told = await this.write(client, slot.track, this.nextWrite(slot.track));
      slot.writes++;
      if (told.kind === 'notSent' || told.kind === 'lost') await delay(PAUSE_WHEN_DOWN_MS);
      else if (Math.random() < READ_AFTER_WRITE_SHARE) await this.readBack(client, slot.track);
    }
  }

  /** A write that makes sense in the state that the client believes in, or one that has to be refused. */
  private nextWrite(track: Track): Write {
    const create: Write = { kind: 'create', mark: this.mark() };
    if (track.presence === 'absent' || track.id === null) return create;
    const dice = Math.random();
    if (dice < 0.45) return { kind: 'patch', mark: this.mark(), ifMatch: null };
    if (dice < 0.55) return { kind: 'patch', mark: this.mark(), ifMatch: track.version };
    if (dice < 0.6)
      return { kind: 'patch', mark: this.mark(), ifMatch: track.settled && track.version ? track.version - 1 : null };
    if (dice < 0.75) return { kind: 'activate', active: !track.active };
    if (dice < 0.8) return { kind: 'activate', active: track.active };
    if (dice < 0.86) return create;
    // If the user may be gone, it could be refused with 404 as well.
    if (dice < 0.92 && track.presence === 'present') return { kind: 'invalid', mark: this.mark() };
    return { kind: 'delete' };
  }

  async write(client: ScimClient, track: Track, write: Write): Promise<Told> {
    this.writesInFlight++;
    const told = await client.write(write, track.userName, track.id);
    this.writesInFlight--;
    this.remember(track, write, told);
    return told;
  }

  private remember(track: Track, write: Write, told: Told): void {
    switch (told.kind) {
      case 'acknowledged':
        this.counts.acknowledged++;
        return this.note(track.acknowledged(write, told.seen));
      case 'refused':
        this.counts.refused++;
        return this.note(track.refused(write, told.status));
      case 'lost':
        this.counts.lost++;
        return this.note(track.lost(write));
      case 'notSent':
        return;
    }
  }

  /** A GET right after a write shows it, by id and by name. */
  private async readBack(client: ScimClient, track: Track): Promise<void> {
    if (track.id !== null && Math.random() < 0.5) {
      const told = await client.get(track.id);
      if (told.kind !== 'acknowledged' && told.kind !== 'refused') return;
      this.note(track.read(told.kind === 'acknowledged' ? told.seen : null));
    } else {
      const page = await client.find(track.userName);
      if (!page) return;
      if (page.totalResults > 1) this.violations.push(`${track.userName}: ${page.totalResults} users have one name`);
      this.note(track.read(page.seen[0] ?? null));
    }
    this.counts.reads++;
  }

  private async contestants(clients: ScimClient[]): Promise<void> {
    while (!this.stopping) {
      const contest: Contest = {
        userName: `contested-${this.runName}-${this.contests.length}@fault.example`,
        attempts: [],
      };
      this.contests.push(contest);
      const told = await Promise.all(clients.map((client) => this.attempt(client, contest)));
      if (told.some(({ kind }) => kind === 'notSent' || kind === 'lost')) await delay(PAUSE_WHEN_DOWN_MS);
    }
  }

  private async attempt(client: ScimClient, contest: Contest): Promise<Told> {
    const mark = this.mark();
    this.writesInFlight++;
    const name = contest.attempts.length % 2 === 0 ? contest.userName : contest.userName.toUpperCase();
    const told = await client.write({ kind: 'create', mark }, name, null);
    this.writesInFlight--;
    if (told.kind === 'acknowledged') this.counts.acknowledged++;
    else if (told.kind === 'refused') this.counts.refused++;
    else if (told.kind === 'lost') this.counts.lost++;
    if (told.kind === 'acknowledged')
      contest.attempts.push({ mark, told: { status: told.status, id: told.seen?.id ?? null } });
    else if (told.kind === 'refused') contest.attempts.push({ mark, told: { status: told.status, id: null } });
    else if (told.kind === 'lost') contest.attempts.push({ mark, told: null });
    return told;
  }

  /** A write whose answer leaves one state: a patch where an id is known, else a creation. */
  private async decide(client: ScimClient, track: Track): Promise<void> {
    await this.persist(() => {
      const mark = this.mark();
      const write: Write = track.id === null ? { kind: 'create', mark } : { kind: 'patch', mark, ifMatch: null };
      return this.write(client, track, write);
    });
    this.note(track.read(await this.findOne(client, track.userName)));
  }

  private persist(send: () => Promise<Told>): Promise<Told> {
    return insist(async () => {
      const told = await send();
      return told.kind === 'acknowledged' || told.kind === 'refused' ? told : null;
    });
  }

  private persistList(client: ScimClient, query: string): Promise<{ totalResults: number; seen: readonly Seen[] }> {
    return insist(() => client.list(query));
  }

  private async getById(client: ScimClient, id: string): Promise<Seen | null> {
    const told = await this.persist(() => client.get(id));
    return told.kind === 'acknowledged' ? told.seen : null;
  }

  private async findOne(client: ScimClient, userName: string): Promise<Seen | null> {
    const page = await this.persistList(client, `filter=${encodeURIComponent(`userName eq "${userName}"`)}`);
    if (page.totalResults > 1) this.violations.push(`${userName}: ${page.totalResults} users have one name`);
    return page.seen[0] ?? null;
  }

  /** Every user of the tenant, page by page (RFC 7644 §3.4.2.4). */
  private async listAll(client: ScimClient): Promise<Seen[]> {
    const all: Seen[] = [];
    for (;;) {
      const page = await this.persistList(client, `startIndex=${all.length + 1}&count=${PAGE_USERS}`);
      all.push(...page.seen);
      if (all.length >= page.totalResults) return all;
      if (page.seen.length === 0) {
        this.violations.push(`the listing ended after ${all.length} of ${page.totalResults} users`);
        return all;
      }
    }
  }
}
