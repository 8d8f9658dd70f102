import type { Pool } from 'pg';
import { DIRECTORY_COMMAND_TYPES, EXPIRY_WARNING_DAYS, type DirectoryCommand, type Message } from '#contracts';
import { LEAST_ID, timedId } from '#event-store';
import { Rounds, type Job } from '#owner';
import { nextWarningMs, warningDue } from './expiry-warnings.js';

export interface ExpiryWarningsOptions {
  readonly publish: (messages: readonly Message[]) => Promise<void>;
  readonly logger: { warn(facts: object, text: string): void };
  /** Milliseconds. */
  readonly now?: () => number;
}

const PAGE_ROWS = 1_000;
/** The job looks at least so often: other processes make tokens and secrets too. */
const LOOK_EVERY_MS = 3_600_000;
/** A warning that is not in the table by then is sent again, with the same id: the log may have lost it. */
const SEND_AGAIN_AFTER_MS = 10_000;
const DAY_MS = 86_400_000;
/** Nobody waits for these: they are never too late. */
const NEVER = '9999-12-31T23:59:59.999Z';

/** A token, or a secret of a client, that is not over yet. */
interface Expiring {
  /** The aggregate whose event warns: the token, or the client. */
  readonly stream: string;
  readonly id: string;
  readonly tenant: string;
  readonly expires_at: Date;
  readonly warned: number | null;
}

interface Kind {
  /** SQL: those that expire after $1 and until $2, in the order of their ids, from behind $3 on. */
  readonly page: string;
  /** The command that warns. */
  readonly command: (one: Expiring) => DirectoryCommand;
}

const KINDS: readonly Kind[] = [
  {
    page: `SELECT id AS stream, id, tenant, expires_at, warned FROM directory.tokens
      WHERE status = 'active' AND expires_at > $1 AND expires_at <= $2 AND id > $3 ORDER BY id LIMIT ${PAGE_ROWS}`,
    command: ({ id: tokenId }) => ({ type: 'WarnOfExpiry', tokenId }),
  },
  {
    // The index clients_with_secrets_that_end has this condition.
    page: `SELECT c.id AS stream, s.id, c.tenant, s."expiresAt" AS expires_at, s.warned
      FROM directory.clients c CROSS JOIN LATERAL jsonb_to_recordset(c.secrets) AS s(id uuid, "expiresAt" timestamptz, warned int)
      WHERE c.status = 'active' AND c.secrets @? '$[*].expiresAt ? (@ != null)'
        AND s."expiresAt" > $1 AND s."expiresAt" <= $2 AND s.id > $3 ORDER BY s.id LIMIT ${PAGE_ROWS}`,
    command: ({ stream: clientId, id: secretId }) => ({ type: 'WarnOfSecretExpiry', clientId, secretId }),
  },
];

/**
 * Lets the lane say of each token, and of each secret of a client, 30, 7 and 1 days before its end, that it is going to
 * expire. The tables know which warning was given last, so that a process that starts after a downtime says what is left
 * to be said.
 */
export class ExpiryWarnings implements Job {
  readonly nudgedBy = [
    DIRECTORY_COMMAND_TYPES.CreateToken,
    DIRECTORY_COMMAND_TYPES.RotateToken,
    DIRECTORY_COMMAND_TYPES.ChangeToken,
    DIRECTORY_COMMAND_TYPES.AddClientSecret,
  ];
  private readonly rounds: Rounds;

  constructor(
    private readonly pool: Pool,
    private readonly options: ExpiryWarningsOptions,
  ) {
    this.rounds = new Rounds(() => this.look(), {
      logger: options.logger,
      fault: 'tokens and secrets that expire soon could not be looked for',
    });
  }

  start(): void {
    this.rounds.start();
  }

  /** Something may have come that expires soon. */
  nudge(): void {
    this.rounds.nudge();
  }

  stop(): Promise<void> {
    return this.rounds.stop();
  }

  /** Returns after how many ms something may be due. */
  private async look(): Promise<number> {
    const now = this.options.now?.() ?? Date.now();
    return Math.min(...(await Promise.all(KINDS.map((kind) => this.warn(kind, now)))));
  }

  /** Sends the warnings that are due. Returns after how many ms there may be others. */
  private async warn({ page, command }: Kind, now: number): Promise<number> {
    const until = now + EXPIRY_WARNING_DAYS[0] * DAY_MS + LOOK_EVERY_MS;
    let nextMs = LOOK_EVERY_MS;
    for (let after = LEAST_ID, isLast = false; !isLast && !this.rounds.isStopping;) {
      const { rows } = await this.pool.query<Expiring>(page, [new Date(now), new Date(until), after]);
      const due = rows.filter(({ expires_at, warned }) =>
        warningDue({ expiresAt: expires_at.toISOString(), warned }, now),
      );
      if (due.length > 0) {
        await this.options.publish(due.map((one) => warning(one, command(one), now)));
        nextMs = Math.min(nextMs, SEND_AGAIN_AFTER_MS);
      }
      for (const { expires_at } of rows) {
        const next = nextWarningMs(expires_at.toISOString(), now);
        if (next !== null) nextMs = Math.min(nextMs, next - now);
      }
      after = rows.at(-1)?.id ?? after;
      isLast = rows.length < PAGE_ROWS;
    }
    return nextMs;
  }
}

/** The message by which a warning that is due at `now`, in ms, is asked for; its id says which warning. */
const warning = (
  { stream, id, tenant, expires_at, warned }: Expiring,
  command: DirectoryCommand,
  now: number,
): Message => {
  const expiresAt = expires_at.toISOString();
  const days = warningDue({ expiresAt, warned }, now)!;
  const at = expires_at.getTime() - days * DAY_MS;
  const commandId = timedId(at, `${tenant}|${id}|${expiresAt}|${days}`);
  return {
    id: commandId,
    type: DIRECTORY_COMMAND_TYPES[command.type],
    source: 'muster/directory',
    subject: stream,
    time: new Date(at).toISOString(),
    tenant,
    directory: null,
    correlationId: commandId,
    causationId: null,
    data: { actor: 'directory', expiresAt: NEVER, command },
  };
};
