import { EXPIRES_SOON_DAYS, minutesInWords, type HealthReason, type HealthState, type RequestSums } from '#contracts';
import { plain, table, type Paint } from './audit-log.js';
import type { FailingView } from './report-views.js';
import { shownTime } from './times.js';

interface LastRequestView {
  readonly at: string;
  readonly method: string;
  readonly resourceType: string | null;
  readonly status: number;
  readonly scimType: string | null;
  readonly effect: string | null;
}

/** The health of a directory, as far as the command line looks at it. */
export interface HealthView {
  readonly directory: { readonly id: string; readonly name: string; readonly kind: string };
  readonly at: string;
  readonly state: HealthState;
  readonly reasons: readonly HealthReason[];
  readonly lastRequest: LastRequestView | null;
  readonly lastWrite: LastRequestView | null;
  readonly lastRead: string | null;
  readonly cycles: readonly (RequestSums & {
    readonly start: string;
    readonly end: string;
    readonly isRunning: boolean;
    readonly requests: number;
  })[];
  readonly next: { readonly expectedAt: string | null; readonly isLate: boolean; readonly words: string };
  readonly silence: { readonly afterMinutes: number | null; readonly since: string | null };
  readonly errorRates: readonly {
    readonly of: string;
    readonly requests: number;
    readonly failed: number;
    readonly percent: number;
    readonly answers: readonly { readonly status: number; readonly scimType: string | null; readonly count: number }[];
  }[];
  readonly quarantine: {
    readonly state: 'far' | 'near' | 'likely';
    readonly words: string;
    readonly since: string | null;
    readonly nextTry: string | null;
    readonly disabledAt: string | null;
  } | null;
  readonly credentials: readonly {
    readonly kind: string;
    readonly name: string;
    readonly isActive: boolean;
    readonly expiresAt: string | null;
    readonly days: number | null;
  }[];
  readonly failing: { readonly total: number; readonly items: readonly (FailingView & { readonly action: string })[] };
}

const COLOURS: { readonly [state in HealthState]: Parameters<Paint>[0] } = {
  healthy: 'green',
  warning: 'yellow',
  silent: 'red',
  failing: 'red',
  'never connected': 'yellow',
  disabled: 'dim',
};
const CLI = 'npm run -s cli --';
const MINUTE_MS = 60_000;
/** Cycles and failing objects that are shown; --json has more. */
const MAX_CYCLES = 5;
const MAX_FAILING = 5;
const MAX_CREDENTIALS = 5;

const counted = (count: number): string => count.toLocaleString('en-US');
const toMinute = (time: string): string => shownTime(time).slice(0, 16);
const toSecond = (time: string): string => shownTime(time).slice(0, 19);
const wordsBetween = (from: string, to: string): string =>
  minutesInWords(Math.max(1, Math.round(Math.abs(Date.parse(to) - Date.parse(from)) / MINUTE_MS)));
const ago = (time: string, now: string): string =>
  Date.parse(now) - Date.parse(time) < MINUTE_MS ? 'just now' : `${wordsBetween(time, now)} ago`;

/** The facts, each in a line under the same margin. */
const facts = (rows: readonly (readonly [name: string, text: string | null])[], paint: Paint): string[] =>
  rows.flatMap(([name, text]) => (text === null ? [] : [`  ${paint('dim', name.padEnd(12))}  ${text}`]));

const answerOf = ({ status, scimType }: { readonly status: number; readonly scimType: string | null }): string =>
  `${status}${scimType === null ? '' : ` ${plain(scimType)}`}`;

const requestOf = (request: LastRequestView | null, now: string): string | null =>
  request &&
  `${toSecond(request.at)}, ${ago(request.at, now)}: ${plain(`${request.method} ${request.resourceType ?? ''}`.trim())}, answered ${answerOf(request)}${request.effect === null ? '' : ` (${request.effect === 'nothing' ? 'nothing changed' : request.effect})`}`;

const nextOf = ({ next: { expectedAt, isLate, words } }: HealthView, now: string, paint: Paint): string => {
  if (expectedAt === null) return words;
  const away = wordsBetween(expectedAt, now);
  const isPast = Date.parse(expectedAt) < Date.parse(now);
  const when = `about ${toMinute(expectedAt)}, ${isPast ? `${away} ago` : `in ${away}`}`;
  return `${isLate ? paint('yellow', when) : when}. ${words}`;
};

const silenceOf = ({ silence: { afterMinutes, since } }: HealthView, paint: Paint): string =>
  since !== null
    ? paint('red', `silent since ${toMinute(since)}`)
    : afterMinutes === null
      ? 'no alarm: it may have nothing to send'
      : `an alarm after ${minutesInWords(afterMinutes)} without a request`;

const quarantineOf = ({ quarantine }: HealthView, paint: Paint): string | null =>
  quarantine &&
  (quarantine.state === 'far'
    ? quarantine.words
    : `${paint(quarantine.state === 'likely' ? 'red' : 'yellow', quarantine.words)}${
        quarantine.nextTry === null
          ? ''
          : ` Since ${toMinute(quarantine.since!)}, next try about ${toMinute(quarantine.nextTry)}, disabled on ${toMinute(quarantine.disabledAt!)}.`
      }`);

const cyclesOf = ({ cycles }: HealthView, paint: Paint): string[] =>
  cycles.length === 0
    ? []
    : [
        '',
        table(
          [
            ['cycle (UTC)', 'took', 'requests', 'reads', 'created', 'changed', 'deleted', 'unchanged', 'refused'],
            ...cycles
              .slice(0, MAX_CYCLES)
              .map((cycle) => [
                toMinute(cycle.start),
                `${wordsBetween(cycle.start, cycle.end)}${cycle.isRunning ? ' so far' : ''}`,
                counted(cycle.requests),
                counted(cycle.reads),
                counted(cycle.created),
                counted(cycle.changed),
                counted(cycle.deleted),
                counted(cycle.unchanged),
                counted(cycle.refused),
              ]),
          ],
          paint,
        ),
      ];

const ratesOf = ({ errorRates }: HealthView, paint: Paint): string[] => [
  '',
  table(
    [
      ['errors', 'requests', 'failed', 'share', 'answers'],
      ...errorRates.map(({ of, requests, failed, percent, answers }) => [
        of,
        counted(requests),
        counted(failed),
        `${percent} %`,
        answers.map((answer) => `${answerOf(answer)} × ${counted(answer.count)}`).join(', '),
      ]),
    ],
    paint,
  ),
];

const failingOf = ({ failing: { total, items } }: HealthView, paint: Paint): string[] =>
  items.length === 0
    ? []
    : [
        '',
        paint('bold', `What fails: ${counted(total)}`),
        ...items
          .slice(0, MAX_FAILING)
          .flatMap((one) => [
            `  ${paint('red', answerOf(one))}  ${one.action} ${plain(`${one.object.type ?? ''} ${one.object.name ?? one.object.id ?? '(its name needs the scope audit)'}`.trim())}, ${one.count === 1 ? `on ${toMinute(one.last)}` : `${counted(one.count)} times since ${toMinute(one.first)}, last ${toMinute(one.last)}`}`,
            ...(one.reason === null ? [] : [`    ${plain(one.reason)}`]),
            `    → ${plain(one.whatToDo)}`,
            paint('dim', `    ${CLI} request show ${one.request}`),
          ]),
        ...(total > Math.min(items.length, MAX_FAILING)
          ? [`  and ${counted(total - Math.min(items.length, MAX_FAILING))} more`]
          : []),
      ];

const expiryOf = ({ isActive, expiresAt, days }: HealthView['credentials'][number], paint: Paint): string =>
  expiresAt === null || days === null
    ? isActive
      ? 'never expires'
      : 'inactive'
    : days < 0
      ? paint('red', `expired on ${toMinute(expiresAt)}`)
      : paint(
          days < EXPIRES_SOON_DAYS ? 'yellow' : 'green',
          `expires on ${toMinute(expiresAt)}, in ${days === 1 ? '1 day' : `${counted(days)} days`}`,
        );

const credentialsOf = ({ credentials }: HealthView, paint: Paint): string[] =>
  credentials.length === 0
    ? []
    : [
        '',
        paint('bold', 'Tokens and secrets'),
        ...credentials
          .slice(0, MAX_CREDENTIALS)
          .map((one) => `  ${plain(`${one.kind} ${one.name}`)}: ${expiryOf(one, paint)}`),
        ...(credentials.length > MAX_CREDENTIALS
          ? [`  and ${counted(credentials.length - MAX_CREDENTIALS)} more`]
          : []),
      ];

/** The health of a directory for people at a terminal: the state and its reasons first, each with the command to go on with. */
export const describeHealth = (health: HealthView, paint: Paint): string => {
  const { directory, at, state, reasons, lastRequest, lastWrite, lastRead } = health;
  const isConnected = state !== 'never connected';
  const isSame = lastRequest !== null && lastRequest.at === lastWrite?.at;
  return [
    `${paint('bold', plain(directory.name))} (${directory.kind}): ${paint(COLOURS[state], state)}`,
    ...reasons.flatMap(({ state: of, text, command }) => [
      `  ${paint(COLOURS[of], '●')} ${plain(text)}`,
      ...(command === null ? [] : [paint('dim', `    ${CLI} ${plain(command)}`)]),
    ]),
    ...(isConnected ? [''] : []),
    ...facts(
      [
        ['last request', requestOf(lastRequest, at)],
        ['last done', isSame ? null : requestOf(lastWrite, at)],
        ['last read', lastRead && `${toMinute(lastRead)}, ${ago(lastRead, at)}`],
        ['next cycle', isConnected ? nextOf(health, at, paint) : null],
        ['silence', isConnected ? silenceOf(health, paint) : null],
        ['quarantine', isConnected ? quarantineOf(health, paint) : null],
      ],
      paint,
    ),
    ...cyclesOf(health, paint),
    ...(isConnected ? ratesOf(health, paint) : []),
    ...failingOf(health, paint),
    ...credentialsOf(health, paint),
  ].join('\n');
};
