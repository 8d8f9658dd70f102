import type { Pool } from 'pg';
import { DIRECTORY_COMMAND_TYPES, EXPIRY_WARNING_DAYS, type Message } from '#contracts';
import { timedId } from '#event-store';
import { Rounds, type Job } from '#owner';
import { nextWarningMs, warningDue } from './expiry-warnings.js';

export interface ExpiryWarningsOptions {
  readonly publish: (messages: readonly Message[]) => Promise<void>;
  readonly logger: { warn(facts: object, text: string): void };
  /** Milliseconds. */
  readonly now?: () => number;
}

const PAGE_TOKENS = 1_000;
const LEAST_ID = '00000000-0000-0000-0000-000000000000';
/** The job looks at least so often: other processes make tokens too. */
const LOOK_EVERY_MS = 3_600_000;
/** A warning that is not in the table by then is sent again, with the same id: the log may have lost it. */
const SEND_AGAIN_AFTER_MS = 10_000;
const DAY_MS = 86_400_000;
/** Nobody waits for these: they are never too late. */
const NEVER = '9999-12-31T23:59:59.999Z';

interface Expiring {
  readonly id: string;
  readonly tenant: string;
  readonly expires_at: Date;
  readonly warned: number | null;
}

/**
 * Lets the lane say of each token, 30, 7 and 1 days before its end, that it is going to expire. The table knows which
 * warning was given last, so that a process that starts after a downtime says what is left to be said.
 */
export class ExpiryWarnings implements Job {
  readonly nudgedBy = [
    DIRECTORY_COMMAND_TYPES.CreateToken,
    DIRECTORY_COMMAND_TYPES.RotateToken,
    DIRECTORY_COMMAND_TYPES.ChangeToken,
  ];
  private readonly rounds: Rounds;

  constructor(
    private readonly pool: Pool,
    private readonly options: ExpiryWarningsOptions,
  ) {
    this.rounds = new Rounds(() => this.look(), {
      logger: options.logger,
      fault: 'tokens that expire soon could not be looked for',
    });
  }

  start(): void {
    this.rounds.start();
  }

  /** A token may have come that expires soon. */
  nudge(): void {
    this.rounds.nudge();
  }

  stop(): Promise<void> {
    return this.rounds.stop();
  }

  /** Sends the warnings that are due. Returns after how many ms there may be others. */
  private async look(): Promise<number> {
    const now = this.options.now?.() ?? Date.now();
    let nextMs = LOOK_EVERY_MS;
    for (let after = LEAST_ID, isLast = false; !isLast && !this.rounds.isStopping;) {
      const { rows } = await this.pool.query<Expiring>(
        `SELECT id, tenant, expires_at, warned FROM directory.tokens
         WHERE status = 'active' AND expires_at > $1 AND expires_at <= $2 AND id > $3 ORDER BY id LIMIT ${PAGE_TOKENS}`,
        [new Date(now), new Date(now + EXPIRY_WARNING_DAYS[0] * DAY_MS + LOOK_EVERY_MS), after],
      );
      const due = rows.filter(({ expires_at, warned }) =>
        warningDue({ expiresAt: expires_at.toISOString(), warned }, now),
      );
      if (due.length > 0) {
        await this.options.publish(due.map((one) => warning(one, now)));
        nextMs = Math.min(nextMs, SEND_AGAIN_AFTER_MS);
      }
      for (const { expires_at } of rows) {
        const next = nextWarningMs(expires_at.toISOString(), now);
        if (next !== null) nextMs = Math.min(nextMs, next - now);
      }
      after = rows.at(-1)?.id ?? after;
      isLast = rows.length < PAGE_TOKENS;
    }
    return nextMs;
  }
}

/** The command for a token of which a warning is due at `now`, in ms; its id says which warning. */
const warning = ({ id, tenant, expires_at, warned }: Expiring, now: number): Message => {
  const expiresAt = expires_at.toISOString();
  const days = warningDue({ expiresAt, warned }, now)!;
  const at = expires_at.getTime() - days * DAY_MS;
  const commandId = timedId(at, `${tenant}|${id}|${expiresAt}|${days}`);
  return {
    id: commandId,
    type: DIRECTORY_COMMAND_TYPES.WarnOfExpiry,
    source: 'muster/directory',
    subject: id,
    time: new Date(at).toISOString(),
    tenant,
    directory: null,
    correlationId: commandId,
    causationId: null,
    data: { actor: 'directory', expiresAt: NEVER, command: { type: 'WarnOfExpiry', tokenId: id } },
  };
};
