import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import {
  AUDIT_COMMAND_TYPES,
  commandsOf,
  DROPPED,
  type AskedFace,
  type AuditCommand,
  type CommandData,
  type CountedReads,
  type Message,
  type Owner,
  type RequestRecord,
  type SeenObject,
  type ToldRequest,
} from '#contracts';
import { MessageTooLong, type Log } from '#log';
import { uuidv7, WrongCredentials, type Logger, type Part } from '#runtime';

const FLUSH_EVERY_MS = 500;
/** Counters and objects that were seen can wait: what comes twice in this time is written once. */
const COUNTS_EVERY_MS = 5_000;
/** The length of one command, which Kafka takes whatever is in it. */
const MAX_COMMAND_BYTES = 262_144;
/** The most of one tenant that waits to be sent, or is sent and not confirmed; further requests are counted. */
const MAX_TENANT_BYTES = 8 * 1_048_576;
const MAX_TENANT_RECORDS = 5_000;
/** The same of all tenants of a process. */
const MAX_BYTES = 32 * 1_048_576;
const MAX_RECORDS = 20_000;
const MAX_TENANTS = 10_000;
/** Of one tenant, in the time between two writings; and in one command. */
const MAX_SEEN = 15_000;
const MAX_SEEN_TOGETHER = 2_500;
const MAX_COUNTERS = 500;
/** Requests by senders that nobody knows, of one address; the others are counted. */
const MAX_UNKNOWN_PER_MINUTE = 60;
/** The same of all addresses together: a flood may come from many. */
const MAX_UNKNOWN_OF_ALL_PER_MINUTE = 3_000;
/** The members of a record without the texts in it, as JSON. */
const RECORD_BYTES = 600;
const MINUTE_MS = 60_000;
/** A request that was answered is a fact: it is recorded however late it comes. */
const NEVER = '9999-12-31T23:59:59.999Z';
/** A process that stops waits so long for what it tells last. */
const STOP_TIMEOUT_MS = 5_000;
/**
 * Bodies of one tenant are nearly alike: together they pack to a twentieth, and the fastest level packs hardly worse.
 * Another thread does it.
 */
const pack = promisify(deflateRaw);
const FASTEST = { level: 1 };

/** The records and counters that are kept of one tenant. */
interface Pile {
  /** Together with what is under way. */
  bytes: number;
  records: number;
  waiting: { readonly record: RequestRecord; readonly bytes: number }[];
  counts: Map<string, { -readonly [name in keyof CountedReads]: CountedReads[name] }>;
  /** Id → when, ms. */
  seen: Map<string, number>;
  /** Commands with counters that are under way: others wait for these. */
  counting: number;
}

/** A command that the log has not confirmed yet. */
interface Sending {
  readonly id: string;
  readonly tenant: string;
  readonly pile: Pile;
  readonly bytes: number;
  readonly requests: readonly RequestRecord[];
  readonly reads: readonly CountedReads[];
  readonly seen: readonly SeenObject[];
  /** Made when it is sent first. */
  message: Message | null;
}

export interface TellingOptions {
  readonly log: Log;
  /** The owner that is told. */
  readonly owner: Owner;
  /** The face that tells. */
  readonly face: string;
  readonly logger: Logger;
  readonly nowMs?: () => number;
}

/**
 * Keeps what a face was asked and answered, until its owner has it: commands of half a second together, best effort. No answer
 * waits for it; what does not fit is counted, so that somebody can see that something is missing. A command that the log
 * did not take is sent again, and its id makes twice once.
 */
export class RequestsToTell implements Part {
  readonly name: string;
  private readonly piles = new Map<string, Pile>();
  private readonly unknown = new WrongCredentials(MAX_UNKNOWN_PER_MINUTE);
  private readonly unknownOfAll = new WrongCredentials(MAX_UNKNOWN_OF_ALL_PER_MINUTE);
  private readonly nowMs: () => number;
  private bytes = 0;
  private records = 0;
  private outbox: Sending[] = [];
  private sending: Promise<void> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private isOver = false;
  private countedMs = 0;
  private dropped = 0;
  private droppedToldMs = -Infinity;
  private minute = { startMs: NaN, text: '' };

  constructor(private readonly options: TellingOptions) {
    this.name = `requests that ${options.face} tells`;
    this.nowMs = options.nowMs ?? Date.now;
  }

  async start(): Promise<void> {
    this.timer = setInterval(() => void this.flush(), FLUSH_EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    let timer: NodeJS.Timeout | undefined;
    const timeOut = new Promise<void>((resolve) => (timer = setTimeout(resolve, STOP_TIMEOUT_MS)));
    await Promise.race([this.flushAll(), timeOut]);
    this.isOver = true;
    clearTimeout(timer);
  }

  unready(): null {
    return null;
  }

  /** Tells whether a sender that nobody knows has not sent too much this minute. */
  admitsUnknown(address: string): boolean {
    return this.unknown.count(address) === null && this.unknownOfAll.count('all') === null;
  }

  /** Tells whether there is room for a record with texts of this length. */
  hasRoom(tenant: string, textCharacters: number): boolean {
    const bytes = RECORD_BYTES + 2 * textCharacters;
    const pile = this.pileOf(tenant);
    return (
      pile !== null &&
      pile.bytes + bytes <= MAX_TENANT_BYTES &&
      pile.records < MAX_TENANT_RECORDS &&
      this.bytes + bytes <= MAX_BYTES &&
      this.records < MAX_RECORDS
    );
  }

  record(tenant: string, record: RequestRecord): void {
    const { path, detail, body, userAgent, name } = record;
    const characters =
      path.length + (detail?.length ?? 0) + (body?.length ?? 0) + (userAgent?.length ?? 0) + (name?.length ?? 0);
    if (!this.hasRoom(tenant, characters)) return this.drop(tenant, record.face);
    const bytes = RECORD_BYTES + 2 * characters;
    const pile = this.pileOf(tenant)!;
    pile.waiting.push({ record, bytes });
    pile.bytes += bytes;
    pile.records++;
    this.bytes += bytes;
    this.records++;
  }

  /** One request was not kept. */
  drop(tenant: string, face: AskedFace): void {
    this.dropped++;
    this.count(tenant, face, null, DROPPED);
  }

  /** One read was answered. */
  count(tenant: string, face: AskedFace, directory: string | null, kind: string): void {
    const pile = this.pileOf(tenant);
    if (!pile) return;
    const minute = this.minuteOf();
    const key = `${minute}|${face}|${kind}|${directory}`;
    const known = pile.counts.get(key);
    if (known) known.count++;
    else if (pile.counts.size < MAX_COUNTERS) pile.counts.set(key, { minute, face, directory, kind, count: 1 });
  }

  /** An object was shown. */
  see(tenant: string, id: string): void {
    const seen = this.pileOf(tenant)?.seen;
    if (seen && (seen.size < MAX_SEEN || seen.has(id))) seen.set(id, this.nowMs());
  }

  /** Sends what waits, unless the commands before are still under way. Never throws. */
  async flush(withCounts = this.nowMs() - this.countedMs >= COUNTS_EVERY_MS): Promise<void> {
    if (this.sending) return;
    if (withCounts) this.countedMs = this.nowMs();
    this.tellDropped();
    for (const [tenant, pile] of this.piles) {
      this.pack(tenant, pile, withCounts);
      if (pile.records + pile.counting === 0 && pile.counts.size === 0 && pile.seen.size === 0)
        this.piles.delete(tenant);
    }
    if (this.outbox.length === 0) return;
    this.sending = this.send().finally(() => (this.sending = null));
    await this.sending;
  }

  /** Resolves when the log has all that waits now; it tries until then, or until the time of stop() is over. */
  private async flushAll(): Promise<void> {
    await this.sending;
    for (;;) {
      await this.flush(true);
      if (this.outbox.length === 0 || this.isOver) return;
      await pause(FLUSH_EVERY_MS);
    }
  }

  private pileOf(tenant: string): Pile | null {
    const known = this.piles.get(tenant);
    if (known) return known;
    if (this.piles.size >= MAX_TENANTS) return null;
    const pile: Pile = { bytes: 0, records: 0, waiting: [], counts: new Map(), seen: new Map(), counting: 0 };
    this.piles.set(tenant, pile);
    return pile;
  }

  private minuteOf(): string {
    const nowMs = this.nowMs();
    const startMs = nowMs - (nowMs % MINUTE_MS);
    if (startMs !== this.minute.startMs) this.minute = { startMs, text: new Date(startMs).toISOString() };
    return this.minute.text;
  }

  private pack(tenant: string, pile: Pile, withCounts: boolean): void {
    if (withCounts && pile.counting === 0) this.packCounts(tenant, pile);
    const waiting = pile.waiting.splice(0);
    for (let from = 0, to = 0; from < waiting.length; from = to) {
      let bytes = 0;
      while (to < waiting.length && (to === from || bytes + waiting[to]!.bytes <= MAX_COMMAND_BYTES))
        bytes += waiting[to++]!.bytes;
      const requests = waiting.slice(from, to).map(({ record }) => record);
      this.put({ tenant, pile, bytes, requests, reads: [], seen: [] });
    }
  }

  private packCounts(tenant: string, pile: Pile): void {
    let reads = [...pile.counts.values()];
    const seen = [...pile.seen].map(([id, ms]) => ({ id, at: new Date(ms).toISOString() }));
    [pile.counts, pile.seen] = [new Map(), new Map()];
    for (let from = 0; from < seen.length || reads.length > 0; from += MAX_SEEN_TOGETHER, reads = []) {
      pile.counting++;
      this.put({ tenant, pile, bytes: 0, requests: [], reads, seen: seen.slice(from, from + MAX_SEEN_TOGETHER) });
    }
  }

  private put(sending: Omit<Sending, 'id' | 'message'>): void {
    this.outbox.push({ ...sending, id: uuidv7(), message: null });
  }

  private async messageOf({ id, tenant, requests, reads, seen }: Sending): Promise<Message<CommandData<AuditCommand>>> {
    const bodies: string[] = [];
    const told = requests.map((request): ToldRequest => ({
      ...request,
      body: request.body === null ? null : bodies.push(request.body) - 1,
    }));
    const packed = bodies.length === 0 ? null : (await pack(JSON.stringify(bodies), FASTEST)).toString('base64');
    return {
      id,
      type: AUDIT_COMMAND_TYPES.RecordRequests,
      source: `muster/${this.options.face}`,
      subject: tenant,
      time: new Date(this.nowMs()).toISOString(),
      tenant,
      directory: null,
      correlationId: id,
      causationId: null,
      data: {
        actor: this.options.face,
        expiresAt: NEVER,
        command: { type: 'RecordRequests', requests: told, bodies: packed, reads, seen },
      },
    };
  }

  private async send(): Promise<void> {
    const { log, owner } = this.options;
    const batch = this.outbox;
    this.outbox = [];
    const results = await Promise.allSettled(
      batch.map(async (one) => {
        one.message ??= await this.messageOf(one);
        await log.publish(commandsOf(owner), [one.message]);
      }),
    );
    for (const [index, one] of batch.entries()) {
      const result = results[index]!;
      const isTooLong = result.status === 'rejected' && result.reason instanceof MessageTooLong;
      if (result.status === 'rejected' && !isTooLong) {
        this.outbox.push(one);
        continue;
      }
      if (isTooLong) for (const { face } of one.requests) this.drop(one.tenant, face);
      if (one.requests.length === 0) one.pile.counting--;
      one.pile.bytes -= one.bytes;
      one.pile.records -= one.requests.length;
      this.bytes -= one.bytes;
      this.records -= one.requests.length;
    }
  }

  private tellDropped(): void {
    const nowMs = this.nowMs();
    if (this.dropped === 0 || nowMs - this.droppedToldMs < MINUTE_MS) return;
    this.options.logger.warn({ face: this.options.face, dropped: this.dropped }, 'requests were not recorded');
    [this.dropped, this.droppedToldMs] = [0, nowMs];
  }
}
