import type { Pool } from 'pg';
import type { Owner } from '#contracts';
import { Rounds, type Job } from '#owner';
import { LEAST_ID } from '#event-store';
import { addSql, integrate, isFenced, type Gap } from './entries.projection.js';
import { openLog, type OpenOptions } from './open-log.queries.js';
import { readStoredLogs, readTenantsWithNews } from './stored-log.queries.js';
import type { TenantLog } from './tenant-log.js';

export interface IntegratorOptions extends OpenOptions {
  /** The owners whose events become entries. */
  readonly owners: readonly Owner[];
  readonly logger: { warn(facts: object, text: string): void; error(facts: object, text: string): void };
  /** This checkpoint is committed. */
  readonly keep: (tenant: string, note: string) => void;
  /** The last checkpoint of a tenant that is kept outside of the database; null = there is none. */
  readonly kept: (tenant: string) => Promise<string | null>;
  /** Tenants with such a checkpoint: their logs are opened at the start. */
  readonly keptTenants: () => Promise<readonly string[]>;
}

/** Under load a round begins so long after the one before: each costs a commit, whatever it adds. */
const ROUND_EVERY_MS = 750;
/** The job looks for itself at the start and so often: a message may be lost, and what stood still may be mended. */
const SWEEP_EVERY_MS = 60_000;
const SWEEP_PAGE_TENANTS = 1_000;
/** After somebody else has added to the same logs. */
const AGAIN_AFTER_MS = 100;

/** Of one transaction, for all tenants together. */
const MAX_ROWS = 2_000;
const MAX_BYTES = 8 * 1_048_576;
const MAX_TENANTS = 200;
/** Logs whose tree is in memory, some kB each; those that were added to last. */
const MAX_OPEN_LOGS = 1_000;

/**
 * Makes entries of the audit log of what owners have stored, in rounds: the events of all tenants with news in one
 * transaction. It reads the stores and not the messages, which only tell it that there is something to read. Tenants with
 * many events get an equal share of each round.
 *
 * A log that is not the one that was signed is never added to: that is reported once a minute, and looked at again.
 * Where a store lacks an event, nothing behind it becomes an entry; others go on.
 */
export class Integrator implements Job {
  private readonly news = new Set<string>();
  private readonly logs = new Map<string, TenantLog>();
  /** Tenants whose log stands still, and gaps, that were reported since the last sweep. */
  private readonly reported = new Set<string>();
  private readonly rounds: Rounds;
  private readonly sql: string;
  private timer: NodeJS.Timeout | null = null;
  private isInRound = false;
  private beganMs = Number.NEGATIVE_INFINITY;
  private sweptMs = Number.NEGATIVE_INFINITY;
  /** Of the usual limits, how much a round takes: less after one that has failed. */
  private share = 1;

  constructor(
    private readonly pool: Pool,
    private readonly options: IntegratorOptions,
  ) {
    this.sql = addSql(options.owners);
    this.rounds = new Rounds(() => this.round(), {
      logger: options.logger,
      fault: 'events cannot become entries of the audit log',
    });
  }

  start(): void {
    this.rounds.start();
  }

  stop(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    return this.rounds.stop();
  }

  notice(tenants: readonly string[]): void {
    for (const tenant of tenants) this.news.add(tenant);
    // A round that goes on looks at the news at its end.
    if (this.isInRound || this.rounds.isStopping) return;
    this.timer ??= setTimeout(
      () => {
        this.timer = null;
        this.rounds.nudge();
      },
      Math.max(0, this.beganMs + ROUND_EVERY_MS - performance.now()),
    );
  }

  /** Returns after how many ms there is something to do. */
  private async round(): Promise<number> {
    this.isInRound = true;
    this.beganMs = performance.now();
    try {
      if (this.beganMs - this.sweptMs >= SWEEP_EVERY_MS) await this.sweep();
      const isFull = await this.addNews();
      const now = performance.now();
      if (this.news.size === 0) return Math.max(0, this.sweptMs + SWEEP_EVERY_MS - now);
      return isFull ? 0 : Math.max(0, this.beganMs + ROUND_EVERY_MS - now);
    } catch (error) {
      if (isFenced(error)) return AGAIN_AFTER_MS;
      throw error;
    } finally {
      this.isInRound = false;
    }
  }

  private async sweep(): Promise<void> {
    const { owners, keptTenants } = this.options;
    if (this.sweptMs === Number.NEGATIVE_INFINITY) for (const tenant of await keptTenants()) this.news.add(tenant);
    for (const owner of owners)
      for (let after: string | null = LEAST_ID; after !== null && !this.rounds.isStopping;) {
        const page = await readTenantsWithNews(this.pool, owner, after, SWEEP_PAGE_TENANTS);
        for (const tenant of page.tenants) this.news.add(tenant);
        after = page.last;
      }
    this.reported.clear();
    this.sweptMs = performance.now();
  }

  /** One transaction. Returns whether there may be more at once. */
  private async addNews(): Promise<boolean> {
    const tenants = [...this.news].slice(0, Math.max(1, Math.floor(MAX_TENANTS * this.share)));
    for (const tenant of tenants) this.news.delete(tenant);
    const haveWaited = this.news.size;
    try {
      const logs = await this.open(tenants);
      if (logs.length === 0) return haveWaited > 0;
      const quota = {
        rows: Math.max(1, Math.floor((MAX_ROWS * this.share) / logs.length)),
        bytes: Math.max(1, Math.floor((MAX_BYTES * this.share) / logs.length)),
      };
      const { grown, unfinished, gaps } = await integrate(this.pool, this.sql, this.options.owners, logs, quota);
      for (const { log, note } of grown) {
        this.remember(log);
        this.options.keep(log.tenant, note);
      }
      for (const tenant of unfinished) this.news.add(tenant);
      for (const gap of gaps) this.reportGap(gap);
      this.share = Math.min(1, this.share * 8);
      return unfinished.length > 0 || haveWaited > 0;
    } catch (error) {
      // At the end of those who wait: if it is because of one of them, the others come first.
      for (const tenant of tenants) {
        this.logs.delete(tenant);
        this.news.add(tenant);
      }
      if (!isFenced(error)) this.share = Math.max(1 / MAX_ROWS, this.share / 8);
      throw error;
    }
  }

  /** The logs of these tenants, without those that stand still. */
  private async open(tenants: readonly string[]): Promise<readonly TenantLog[]> {
    const unknown = tenants.filter((tenant) => !this.logs.has(tenant) && !this.reported.has(tenant));
    const { owners, logger, kept, keep } = this.options;
    // Before the database, which is ahead of what is kept.
    const keptOf = new Map<string, string | null>();
    for (const tenant of unknown) keptOf.set(tenant, await kept(tenant));
    for (const stored of unknown.length === 0 ? [] : await readStoredLogs(this.pool, unknown, owners)) {
      const { tenant } = stored;
      const opened = await openLog(this.pool, stored, keptOf.get(tenant) ?? null, this.options);
      if ('fault' in opened) {
        this.reported.add(tenant);
        logger.error(
          { tenant, fault: opened.fault },
          'the audit log of a tenant is not as it was signed: nothing is added to it (npm run verify says more)',
        );
        continue;
      }
      // The process before may have ended between the two.
      if (opened.note !== null && opened.note !== keptOf.get(tenant)) keep(tenant, opened.note);
      this.remember(opened.log);
    }
    return tenants.flatMap((tenant) => this.logs.get(tenant) ?? []);
  }

  private remember(log: TenantLog): void {
    this.logs.delete(log.tenant);
    this.logs.set(log.tenant, log);
    if (this.logs.size > MAX_OPEN_LOGS) this.logs.delete(this.logs.keys().next().value!);
  }

  private reportGap({ tenant, owner, sequence }: Gap): void {
    const key = `${tenant} ${owner}`;
    if (this.reported.has(key)) return;
    this.reported.add(key);
    this.options.logger.error(
      { tenant, owner, sequence },
      'the store of an owner lacks events before this sequence: nothing from there on becomes an entry of the audit log',
    );
  }
}
