import type { Expected, Row, ScimBody } from './answers.js';

/** The requests of the demo are sent, timed and counted here, and their answers compared with what Entra accepts. */

/** An answer that Entra would not accept: it would count a failure, or quarantine the whole job. */
export class NotAccepted extends Error {}

const REQUEST_TIMEOUT_MS = 30_000;

export class Requests {
  readonly rows: Row[] = [];

  private cycle = '';

  /** `baseUrl` ends with `/api/scim/v2`. */
  constructor(
    private readonly baseUrl: string,
    private readonly token: string,
  ) {}

  /** The cycle of the requests that follow. */
  begin(cycle: string): void {
    this.cycle = cycle;
  }

  /** Throws NotAccepted when the answer is not the expected one; any other error when there is none. */
  async send(step: string, method: string, path: string, body: object | null, expected: Expected): Promise<ScimBody> {
    const row = this.row(step);
    const startedMs = performance.now();
    const { status, text } = await this.exchange(method, path, body);
    row.lastMs = performance.now();
    row.firstMs = Math.min(row.firstMs, startedMs);
    row.timesMs.push(row.lastMs - startedMs);
    row.statuses.set(status, (row.statuses.get(status) ?? 0) + 1);
    const answer = parse(text);
    const [words, holds] = expected.body ?? ['anything', () => true];
    if (status !== expected.status || !holds(answer)) {
      const got =
        status === expected.status ? text.slice(0, 200) : `${status}${answer.detail ? ` ${answer.detail}` : ''}`;
      throw new NotAccepted(
        `${step}: ${method} ${decodeURIComponent(path)} should be answered by ${expected.status} and ${words}, not by ${got}`,
      );
    }
    return answer;
  }

  private async exchange(method: string, path: string, body: object | null): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(this.baseUrl + path, {
        method,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        headers: {
          authorization: `Bearer ${this.token}`,
          ...(body ? { 'content-type': 'application/scim+json' } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      return { status: response.status, text: await response.text() };
    } catch {
      throw new Error(`Muster does not answer at ${this.baseUrl}.`);
    }
  }

  private row(step: string): Row {
    const known = this.rows.find((row) => row.cycle === this.cycle && row.step === step);
    if (known) return known;
    const row: Row = { cycle: this.cycle, step, statuses: new Map(), timesMs: [], firstMs: Infinity, lastMs: 0 };
    this.rows.push(row);
    return row;
  }
}

/** Something else than Muster may answer, such as a proxy, and not in JSON. */
const parse = (text: string): ScimBody => {
  try {
    return (JSON.parse(text || '{}') ?? {}) as ScimBody;
  } catch {
    return {};
  }
};

/** Works on `inFlight` of the items at a time. Rejects with the first error. */
export const eachInFlight = async <T>(
  items: readonly T[],
  inFlight: number,
  work: (item: T) => Promise<void>,
): Promise<void> => {
  const left = items.values();
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (const item of left) await work(item);
    }),
  );
};
