import {
  cyclesIn,
  daysUntil,
  hasCycles,
  healthOf,
  isShutOut,
  nextCycle,
  quarantineOf,
  silentAfterMinutes,
  silentSince,
  type ActiveMinute,
  type Credential,
  type Cycle,
  type DirectoryKind,
  type DirectoryStatus,
  type Effect,
  type HealthFacts,
  type HealthReason,
  type HealthState,
  type NextCycle,
  type Quarantine,
  type RequestSums,
} from '#contracts';

/** Cycles that are told; the rules look at all that were seen. */
const MAX_CYCLES = 20;
const MAX_ANSWERS = 10;
/** Those that have expired are told for so long. */
const EXPIRED_TOLD_MS = 30 * 86_400_000;
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** An answer, and how often it was given. */
export interface AnswerCount {
  readonly method: string;
  readonly resourceType: string | null;
  readonly status: number;
  readonly scimType: string | null;
  readonly inCycle: number;
  readonly inHour: number;
  readonly inDay: number;
}

/** The facts about a directory as they were read. */
export interface Seen {
  readonly directory: {
    readonly id: string;
    readonly tenant: string;
    readonly name: string;
    readonly kind: DirectoryKind;
    readonly status: DirectoryStatus;
  };
  /** The setting. */
  readonly silentAfterMinutes: number;
  readonly cycles: readonly Cycle[];
  readonly answers: readonly AnswerCount[];
  readonly lastRequest: LastRequest | null;
  readonly lastWrite: LastRequest | null;
  readonly lastReadMs: number | null;
  /** When its credentials were used last, to a minute. */
  readonly lastUses: readonly (string | null)[];
  /** The newest refused authentication that no accepted one followed. */
  readonly refused: HealthFacts['refused'];
  readonly credentials: readonly Credential[];
  readonly unrecorded: number;
  readonly failing: number;
  readonly managed: number;
  /** Those of `failing` that the directory does not manage. */
  readonly unmanaged: number;
}

export interface LastRequest {
  readonly at: string;
  readonly method: string;
  readonly resourceType: string | null;
  readonly status: number;
  readonly scimType: string | null;
  readonly effect: Effect | null;
}

export interface CycleView extends RequestSums {
  readonly start: string;
  readonly end: string;
  readonly isRunning: boolean;
  readonly requests: number;
}

export interface ErrorRate {
  readonly of: 'last cycle' | 'last hour' | 'last 24 hours';
  readonly requests: number;
  readonly failed: number;
  /** Of the requests, to one place behind the point. */
  readonly percent: number;
  /** The answers that were given most often. */
  readonly answers: readonly { readonly status: number; readonly scimType: string | null; readonly count: number }[];
}

export interface CredentialView {
  readonly kind: Credential['kind'];
  readonly id: string | null;
  readonly name: string;
  readonly isActive: boolean;
  readonly expiresAt: string | null;
  /** Whole days until then; less than 0 = it has expired; null = it never does. */
  readonly days: number | null;
}

export interface QuarantineView extends Pick<Quarantine, 'state' | 'failures' | 'fromFailures' | 'percent' | 'words'> {
  readonly since: string | null;
  readonly nextTry: string | null;
  readonly disabledAt: string | null;
}

/** Everything but the objects that fail, which are told one by one. */
export interface HealthView {
  readonly directory: Seen['directory'];
  readonly at: string;
  readonly state: HealthState;
  readonly reasons: readonly HealthReason[];
  readonly lastRequest: LastRequest | null;
  readonly lastWrite: LastRequest | null;
  readonly lastRead: string | null;
  /** The newest one first. */
  readonly cycles: readonly CycleView[];
  readonly next: {
    readonly periodMinutes: number | null;
    readonly expectedAt: string | null;
    readonly isLate: boolean;
    readonly words: string;
  };
  readonly silence: { readonly afterMinutes: number | null; readonly since: string | null };
  readonly errorRates: readonly ErrorRate[];
  readonly quarantine: QuarantineView | null;
  /** The first to expire comes first. */
  readonly credentials: readonly CredentialView[];
}

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms));

/** A read that finds nothing under an id is no failure; a path that leads nowhere is. */
const isFailure = ({ method, status, resourceType }: AnswerCount): boolean =>
  status >= 400 && !(READS.has(method) && status === 404 && resourceType !== null);

/** The directory as commands name it: by the id where a shell, or the command line, would read the name otherwise. */
export const namedInCommands = ({ id, name }: { readonly id: string; readonly name: string }): string =>
  !/^[\p{L}\p{N}][\p{L}\p{N} _.,()-]*$/u.test(name) ? id : /[^\p{L}\p{N}_.-]/u.test(name) ? `"${name}"` : name;

const rateOf = (
  of: ErrorRate['of'],
  answers: readonly AnswerCount[],
  count: (one: AnswerCount) => number,
): ErrorRate => {
  const requests = answers.reduce((sum, one) => sum + count(one), 0);
  const failures = Map.groupBy(
    answers.filter((one) => isFailure(one) && count(one) > 0),
    ({ status, scimType }) => `${status} ${scimType}`,
  );
  const counted = [...failures.values()].map((alike) => ({
    status: alike[0]!.status,
    scimType: alike[0]!.scimType,
    count: alike.reduce((sum, one) => sum + count(one), 0),
  }));
  const failed = counted.reduce((sum, one) => sum + one.count, 0);
  return {
    of,
    requests,
    failed,
    percent: requests === 0 ? 0 : Math.round((failed / requests) * 1_000) / 10,
    answers: counted.toSorted((a, b) => b.count - a.count).slice(0, MAX_ANSWERS),
  };
};

/** The cycles of a directory, the oldest first; one of a provider that has none has none. */
export const cyclesOf = (kind: DirectoryKind, minutes: readonly ActiveMinute[], nowMs: number): readonly Cycle[] =>
  hasCycles(kind) ? cyclesIn(minutes, nowMs) : [];

const viewOfCycle = ({ startMs, endMs, ...rest }: Cycle): CycleView => ({
  start: iso(startMs),
  end: iso(endMs),
  ...rest,
});

const viewOfNext = ({ expectedMs, ...rest }: NextCycle): HealthView['next'] => ({
  ...rest,
  expectedAt: isoOrNull(expectedMs),
});

const viewOfQuarantine = ({ sinceMs, nextTryMs, disabledMs, ...rest }: Quarantine): QuarantineView => ({
  ...rest,
  since: isoOrNull(sinceMs),
  nextTry: isoOrNull(nextTryMs),
  disabledAt: isoOrNull(disabledMs),
});

const viewOfCredential =
  (nowMs: number) =>
  ({ expiresMs, ...rest }: Credential): CredentialView => ({
    ...rest,
    expiresAt: isoOrNull(expiresMs),
    days: expiresMs === null ? null : daysUntil(expiresMs, nowMs),
  });

/** Those that let somebody in, or did until a while ago, the first to expire first. */
const toldCredentials = (credentials: readonly Credential[], nowMs: number): readonly Credential[] =>
  credentials
    .filter(({ isActive, expiresMs }) => isActive || (expiresMs !== null && nowMs - expiresMs < EXPIRED_TOLD_MS))
    .toSorted((a, b) => (a.expiresMs ?? Infinity) - (b.expiresMs ?? Infinity) || 0);

const quarantineIn = (seen: Seen, lastMs: number | null, nowMs: number): Quarantine | null => {
  if (seen.directory.kind !== 'entra') return null;
  return quarantineOf(
    {
      failing: seen.failing,
      managed: seen.managed,
      unmanaged: seen.unmanaged,
      lastCycleMs: seen.cycles.at(-1)?.endMs ?? null,
      credentialsRefusedMs: isShutOut({ refused: seen.refused, lastMs }, nowMs) ? seen.refused!.atMs : null,
    },
    nowMs,
  );
};

/** The health of a directory, of what was seen of it. */
export const healthView = (seen: Seen, nowMs: number): HealthView => {
  const { directory, cycles, answers, lastRequest, lastWrite, lastReadMs, credentials } = seen;
  const moments = [lastRequest?.at, ...seen.lastUses].flatMap((at) => (at ? [Date.parse(at)] : []));
  const last = Math.max(...moments, lastReadMs ?? -Infinity);
  const lastMs = last === -Infinity ? null : last;
  const quarantine = quarantineIn(seen, lastMs, nowMs);
  const afterMinutes = silentAfterMinutes(directory.kind, seen.silentAfterMinutes, cycles);
  const writes = answers.filter(({ method }) => !READS.has(method));
  const isOfCycle = cycles.length > 0;
  const recent = (some: readonly AnswerCount[]): number =>
    some.reduce((sum, { inCycle, inHour }) => sum + (isOfCycle ? inCycle : inHour), 0);
  const facts: HealthFacts = {
    directory: namedInCommands(directory),
    status: directory.status,
    lastMs,
    silentAfterMinutes: afterMinutes,
    recent: {
      of: isOfCycle ? 'the last cycle' : 'the last hour',
      writes: recent(writes),
      faults: recent(writes.filter(({ status }) => status >= 500)),
    },
    faults: answers.reduce((sum, { status, inDay }) => sum + (status >= 500 ? inDay : 0), 0),
    unrecorded: seen.unrecorded,
    failing: seen.failing,
    managed: seen.managed,
    quarantine,
    refused: seen.refused,
    credentials,
  };
  return {
    directory,
    at: iso(nowMs),
    ...healthOf(facts, nowMs),
    lastRequest,
    lastWrite,
    lastRead: isoOrNull(lastReadMs),
    cycles: cycles.slice(-MAX_CYCLES).reverse().map(viewOfCycle),
    next: viewOfNext(nextCycle(directory.kind, cycles, nowMs)),
    silence: { afterMinutes, since: isoOrNull(silentSince({ lastMs, silentAfterMinutes: afterMinutes }, nowMs)) },
    errorRates: [
      ...(isOfCycle ? [rateOf('last cycle', answers, ({ inCycle }) => inCycle)] : []),
      rateOf('last hour', answers, ({ inHour }) => inHour),
      rateOf('last 24 hours', answers, ({ inDay }) => inDay),
    ],
    quarantine: quarantine && viewOfQuarantine(quarantine),
    credentials: toldCredentials(credentials, nowMs).map(viewOfCredential(nowMs)),
  };
};
