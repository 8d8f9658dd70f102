import type { DirectoryStatus } from './directory.js';
import type { Quarantine } from './quarantine.js';

/** The states of a directory, the worst one first; whoever is told of a change compares these. */
export const HEALTH_STATES = ['disabled', 'never connected', 'failing', 'silent', 'warning', 'healthy'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

/** Why a directory is in a state. */
export interface HealthReason {
  readonly state: HealthState;
  /** For people. */
  readonly text: string;
  /** The command that says more or mends it, behind `npm run -s cli --`; null = there is none. */
  readonly command: string | null;
}

/** The facts about a directory by which its state is decided. */
export interface HealthFacts {
  /** The id or name by which commands name it. */
  readonly directory: string;
  readonly status: DirectoryStatus;
  /** The last request of any kind, or the last use of its credentials, ms since 1970; null = never. */
  readonly lastMs: number | null;
  /** Null = it is never silent. */
  readonly silentAfterMinutes: number | null;
  /** Writes of the last cycle, or of the last hour where the provider has no cycles. */
  readonly recent: { readonly of: string; readonly writes: number; readonly faults: number };
  /** Requests of the last 24 hours that were answered 5xx. */
  readonly faults: number;
  /** Requests of the last 24 hours that came too many at once to be recorded. */
  readonly unrecorded: number;
  /** Users and groups whose last request failed. */
  readonly failing: number;
  /** Users and groups that the directory manages; they need not be counted where nothing fails. */
  readonly managed: number;
  /** Null = its provider has no quarantine. */
  readonly quarantine: Quarantine | null;
  /** The last refused authentication, if none was accepted since. */
  readonly refused: { readonly atMs: number; readonly why: string } | null;
  readonly credentials: readonly Credential[];
}

/** A token, or a secret of a client, that lets an identity provider in; `expiresMs` null = for ever. */
export interface Credential {
  readonly kind: 'token' | 'client secret' | 'federated client' | 'token of Entra';
  /** Of the token or of the client. */
  readonly id: string | null;
  readonly name: string;
  readonly isActive: boolean;
  readonly expiresMs: number | null;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** Entra asks for a new token in time, if somebody is told a month before. */
export const EXPIRES_SOON_DAYS = 30;
/** Of fewer writes a share says nothing. */
const MIN_WRITES = 5;
const MOST_FAILED = 0.5;
/** Entra begins a cycle in less. */
const SHUT_OUT_MINUTES = 60;

export const daysUntil = (ms: number, nowMs: number): number => Math.floor((ms - nowMs) / DAY_MS);

const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;

/** `90` is `90 minutes`, and `2880` is `2 days`. */
export const minutesInWords = (minutes: number): string => {
  const [value, word] =
    minutes < 120 ? [minutes, 'minute'] : minutes < 2_880 ? [minutes / 60, 'hour'] : [minutes / 1_440, 'day'];
  return counted(Math.round(value), word as string);
};

/** True: credentials were refused, and nobody was let in since, nor in the last hour. A stranger who guesses changes nothing. */
export const isShutOut = ({ refused, lastMs }: Pick<HealthFacts, 'refused' | 'lastMs'>, nowMs: number): boolean =>
  refused !== null && (lastMs === null || (refused.atMs > lastMs && nowMs - lastMs > SHUT_OUT_MINUTES * MINUTE_MS));

/** The moment since when a directory is silent: that of its last request; null = it is not. */
export const silentSince = (
  { lastMs, silentAfterMinutes }: Pick<HealthFacts, 'lastMs' | 'silentAfterMinutes'>,
  nowMs: number,
): number | null =>
  lastMs !== null && silentAfterMinutes !== null && nowMs - lastMs > silentAfterMinutes * MINUTE_MS ? lastMs : null;

/** The state of a directory, and all reasons that there are, the worst first. Whoever sends mails asks the same. */
export const healthOf = (
  facts: HealthFacts,
  nowMs: number,
): { readonly state: HealthState; readonly reasons: readonly HealthReason[] } => {
  const reasons = [
    ...ofStatus(facts),
    ...ofFailures(facts, nowMs),
    ...ofSilence(facts, nowMs),
    ...ofWarnings(facts, nowMs),
  ];
  const rank = ({ state }: HealthReason): number => HEALTH_STATES.indexOf(state);
  const sorted = reasons.toSorted((a, b) => rank(a) - rank(b));
  return { state: sorted[0]?.state ?? 'healthy', reasons: sorted };
};

const ofStatus = ({ status, lastMs, directory }: HealthFacts): readonly HealthReason[] => {
  if (status !== 'active')
    return [
      {
        state: 'disabled',
        text:
          status === 'disabled'
            ? 'It is disabled: its identity provider is answered 403.'
            : 'It is disconnected: all its tokens and clients were revoked.',
        command: `directory ${status === 'disabled' ? 'enable' : 'connect'} ${directory}`,
      },
    ];
  return lastMs === null
    ? [
        {
          state: 'never connected',
          text: 'No request has come yet: the guide tells how it is connected.',
          command: `directory guide ${directory}`,
        },
      ]
    : [];
};

const ofFailures = (facts: HealthFacts, nowMs: number): readonly HealthReason[] => {
  const { directory, status, recent, quarantine, refused, credentials, failing, managed } = facts;
  const failed = (text: string, command: string): HealthReason => ({ state: 'failing', text, command });
  const isShut = status === 'active' && !credentials.some(({ isActive }) => isActive);
  return [
    ...(isShutOut(facts, nowMs)
      ? [failed(`The last authentication was refused: ${refused!.why}`, `directory trace-auth ${directory}`)]
      : []),
    ...(isShut
      ? [failed('It has no token and no client that is good: nobody gets in.', `token create ${directory}`)]
      : []),
    ...(quarantine?.state === 'likely'
      ? [failed(quarantine.words, `report --directory ${directory} --result failure --since 14d`)]
      : []),
    ...(failing > managed
      ? [
          failed(
            managed === 0
              ? `${counted(failing, 'user or group fails', 'users and groups fail')}, and it manages nobody yet.`
              : `${counted(failing, 'user or group fails', 'users and groups fail')}: more than it manages.`,
            `report --directory ${directory} --result failure --since 14d`,
          ),
        ]
      : []),
    ...(recent.writes >= MIN_WRITES && recent.faults > recent.writes * MOST_FAILED
      ? [
          failed(
            `${counted(recent.faults, 'write')} of ${recent.writes.toLocaleString('en-US')} in ${recent.of} ended with an error of Muster (5xx).`,
            `request list --failed --directory ${directory} --since 24h`,
          ),
        ]
      : []),
  ];
};

const ofSilence = (facts: HealthFacts, nowMs: number): readonly HealthReason[] => {
  const since = facts.status === 'active' ? silentSince(facts, nowMs) : null;
  return since === null
    ? []
    : [
        {
          state: 'silent',
          text: `Nothing has come for ${minutesInWords((nowMs - since) / MINUTE_MS)}; after ${minutesInWords(facts.silentAfterMinutes!)} that is an alarm. Look whether provisioning is on at the identity provider.`,
          command: `directory set ${facts.directory} --silent-after-minutes <number>`,
        },
      ];
};

const ofWarnings = (
  { directory, failing, managed, quarantine, credentials, faults, unrecorded }: HealthFacts,
  nowMs: number,
): readonly HealthReason[] => {
  const warn = (text: string, command: string | null): HealthReason => ({ state: 'warning', text, command });
  return [
    ...(quarantine?.state === 'near'
      ? [
          warn(
            `Quarantine is near. ${quarantine.words}`,
            `report --directory ${directory} --result failure --since 14d`,
          ),
        ]
      : []),
    ...(failing > 0 && failing <= managed
      ? [
          warn(
            `${counted(failing, 'user or group fails', 'users and groups fail')}: the last request about each was refused.`,
            `report --directory ${directory} --result failure --since 14d`,
          ),
        ]
      : []),
    ...(faults > 0
      ? [
          warn(
            `${counted(faults, 'request')} of the last 24 hours ended with an error of Muster (5xx).`,
            `request list --failed --directory ${directory} --since 24h`,
          ),
        ]
      : []),
    ...(unrecorded > 0
      ? [warn(`${counted(unrecorded, 'request')} of the last 24 hours came too many at once to be recorded.`, null)]
      : []),
    ...soonOver(credentials, nowMs).map(({ id, name, kind, expiresMs }) => {
      const days = daysUntil(expiresMs, nowMs);
      return warn(
        `The ${kind} "${name}" expires in ${counted(Math.max(days, 0), 'day')}.`,
        kind === 'token' ? `token rotate ${id}` : `client add-secret ${id} --directory ${directory}`,
      );
    }),
  ];
};

/** Those that are good now, and not for long, the first to end first. */
const soonOver = (
  credentials: readonly Credential[],
  nowMs: number,
): readonly (Credential & { readonly expiresMs: number })[] =>
  credentials
    .flatMap((one) =>
      one.isActive && one.expiresMs !== null && daysUntil(one.expiresMs, nowMs) < EXPIRES_SOON_DAYS
        ? [{ ...one, expiresMs: one.expiresMs }]
        : [],
    )
    .toSorted((a, b) => a.expiresMs - b.expiresMs);
