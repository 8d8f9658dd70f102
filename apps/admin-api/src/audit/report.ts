import { EFFECTS, type Effect } from '#contracts';
import { typesOf } from './actions.js';
import { eventOf, listedEntry, type EntryRow, type Named } from './entry.js';
import type { RequestRow } from './asked-request.js';
import type { BearerOf } from './bearers.js';
import { whatToDo } from './what-to-do.js';
import type { Names } from './words.js';

/** The action of a request, done or wanted, as far as is known. The one that says most comes first. */
export const REPORT_ACTIONS = [...EFFECTS, 'read', 'bulk', 'other'] as const;
export type ReportAction = (typeof REPORT_ACTIONS)[number];

/** `skipped`: it was answered well and changed nothing, because all of it was so already. */
export const REPORT_RESULTS = ['success', 'failure', 'skipped'] as const;
export type ReportResult = (typeof REPORT_RESULTS)[number];

/** The actions of events, as they stand in REPORT_ACTIONS; those of members depend on what the event says. */
const BY_EVENT: { readonly [action in ReportAction]?: readonly string[] } = {
  create: ['user.created', 'group.created'],
  delete: ['user.deleted', 'user.withdrawn', 'group.deleted'],
  link: ['user.linked'],
  disable: ['user.deactivated'],
  enable: ['user.reactivated'],
};
const MEMBERS = 'group.members-changed';

const rankOf = (action: ReportAction): number => REPORT_ACTIONS.indexOf(action);
const OTHER_EVENT = rankOf('update');

const inList = (actions: readonly string[]): string =>
  actions
    .flatMap(typesOf)
    .map((type) => `'${type}'`)
    .join(', ');

/** SQL: the place in REPORT_ACTIONS of what an entry says; `data` is the statement that gives what its event says. */
export const rankSql = (type: string, data: string): string =>
  `CASE ${Object.entries(BY_EVENT)
    .map(([action, events]) => `WHEN ${type} IN (${inList(events)}) THEN ${rankOf(action as ReportAction)}`)
    .join(' ')} WHEN ${type} IN (${inList([MEMBERS])}) THEN (SELECT CASE
      WHEN d.data->>'removed' = '[]' THEN ${rankOf('add members')} WHEN d.data->>'added' = '[]' THEN ${rankOf('remove members')}
      ELSE ${rankOf('change members')} END FROM (${data}) AS d) ELSE ${OTHER_EVENT} END`;

/** An entry that a request has caused. */
export interface CausedEntry extends EntryRow {
  /** The place in REPORT_ACTIONS of what it says. */
  readonly rank: number;
  /** True: what its event says is long, and was not read. */
  readonly isLong: boolean;
}

/** The parts of a request, and of what it changed, that say its action and its result. */
export interface Outline {
  readonly method: string;
  readonly resourceType: string | null;
  readonly status: number;
  /** Null = nobody knows what it did. */
  readonly effect: Effect | null;
}

/** Methods that may do an action: no others need to be read to find it. */
export const methodsOf = (action: ReportAction): readonly string[] => {
  switch (action) {
    case 'create':
    case 'link':
    case 'bulk':
      return ['POST'];
    case 'delete':
      return ['DELETE'];
    case 'read':
      return ['GET', 'HEAD', 'POST'];
    case 'other':
      return ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
    default:
      return ['PATCH', 'PUT', 'POST'];
  }
};

export const actionOf = ({ method, resourceType, effect }: Outline): ReportAction => {
  if (resourceType === 'Bulk') return 'bulk';
  if (effect !== null && effect !== 'nothing') return effect;
  if (method === 'GET' || method === 'HEAD') return 'read';
  if (resourceType !== 'User' && resourceType !== 'Group') return 'other';
  return method === 'POST' ? 'create' : method === 'DELETE' ? 'delete' : 'update';
};

export const resultOf = ({ method, resourceType, status, effect }: Outline): ReportResult => {
  if (status >= 400) return 'failure';
  const mayBeIdle = (method === 'PATCH' || method === 'PUT') && (resourceType === 'User' || resourceType === 'Group');
  return mayBeIdle && effect === 'nothing' ? 'skipped' : 'success';
};

export const STEPS = ['received', 'authenticated', 'matched', 'mapped', 'decided', 'answered'] as const;
export interface ReportStep {
  readonly step: (typeof STEPS)[number];
  readonly isDone: boolean;
  /** For people. */
  readonly text: string;
}

/** The thing that is reported on. */
export interface ReportObject {
  /** `User`, `Group`, `Bulk` …; null = the path leads nowhere. */
  readonly type: string | null;
  /** Null = it never came to be. */
  readonly id: string | null;
  /** The name that it has, or had last, or that the request called it; null = nobody knows it. */
  readonly name: string | null;
}

export interface ReportItem {
  /** Of the request, as /requests has it. */
  readonly id: string;
  readonly at: string;
  readonly durationMs: number;
  readonly directory: Named | null;
  readonly actor: Named | null;
  readonly object: ReportObject;
  readonly action: ReportAction;
  readonly result: ReportResult;
  readonly status: number;
  readonly scimType: string | null;
  /** Why it was refused, in the words of the answer; null = it was not. */
  readonly reason: string | null;
  /** Null = nothing is to be done. */
  readonly whatToDo: string | null;
  readonly steps: readonly ReportStep[];
  readonly correlationId: string;
  readonly method: string;
  readonly path: string;
}

/** Entries whose sentences are told; the other ones are counted. */
const MAX_TOLD_ENTRIES = 6;

/** A face that had to look an outcome up, or that gave up, does not know the effect: then the entries say it. */
export const outlineOf = (
  { method, resourceType, status, effect }: RequestRow,
  entries: readonly CausedEntry[],
): Outline => ({
  method,
  resourceType,
  status,
  effect: effect ?? (entries.length === 0 ? null : EFFECTS[Math.min(...entries.map(({ rank }) => rank))]!),
});

const refusedLater = (status: number): boolean => status >= 400 && status !== 401 && status !== 403;

const stepsOf = (
  request: RequestRow,
  entries: readonly CausedEntry[],
  names: Names,
  result: ReportResult,
): readonly ReportStep[] => {
  const { status, method, path, address, userAgent, object, detail } = request;
  const isLetIn = status !== 401 && status !== 403;
  const actor = request.actor === null ? null : (names.nameOf(request.actor) ?? request.actor);
  const told = entries.map((row) => {
    const entry = listedEntry(row, eventOf(row, null), names);
    return row.isLong
      ? { ...entry, sentence: `${entry.action}: it is long, and audit show ${row.number} tells it` }
      : entry;
  });
  const matching = told.find((one) => one.matching !== null)?.matching ?? null;
  const isMapped = ({ action }: (typeof told)[number]): boolean => action === 'user.attributes-mapped';
  const mapped = told.filter(isMapped);
  const decided = told.filter((one) => !isMapped(one));
  const sentences = decided.slice(0, MAX_TOLD_ENTRIES).map(({ sentence }) => sentence);
  const more = decided.length - sentences.length;
  const answer = `${status}${request.scimType === null ? '' : ` ${request.scimType}`}`;
  return [
    {
      step: 'received',
      isDone: true,
      text: `${method} ${path} from ${address}${userAgent === null ? '' : ` (${userAgent})`}`,
    },
    {
      step: 'authenticated',
      isDone: isLetIn,
      text: isLetIn
        ? actor === null
          ? 'nobody had to be known'
          : `as ${actor}`
        : (detail ?? 'The token was not accepted.'),
    },
    ...(matching !== null
      ? [{ step: 'matched' as const, isDone: true, text: matching }]
      : object !== null && method !== 'POST' && isLetIn
        ? [{ step: 'matched' as const, isDone: status !== 404, text: `named by its id ${object}` }]
        : []),
    ...mapped.map(({ sentence }) => ({ step: 'mapped' as const, isDone: true, text: sentence })),
    ...(!isLetIn
      ? []
      : refusedLater(status) && sentences.length === 0
        ? [{ step: 'decided' as const, isDone: false, text: detail ?? 'It was refused.' }]
        : result === 'skipped'
          ? [{ step: 'decided' as const, isDone: true, text: 'All of it was so already: nothing changed.' }]
          : sentences.length === 0
            ? []
            : [
                {
                  step: 'decided' as const,
                  isDone: true,
                  text: [...sentences, ...(more > 0 ? [`and ${more} more`] : [])].join('; '),
                },
              ]),
    { step: 'answered', isDone: status < 400, text: `${answer} after ${Math.round(request.durationMs)} ms` },
  ];
};

/** Joins a request with the entries of what it changed; `names` knows the ids of both, and `bearerOf` those in answers. */
export const reportItem = (
  request: RequestRow,
  entries: readonly CausedEntry[],
  names: Names,
  bearerOf: BearerOf,
): ReportItem => {
  const outline = outlineOf(request, entries);
  const result = resultOf(outline);
  const { directory, actor, object, name, status, scimType, detail } = request;
  const named = (id: string | null): Named | null => (id === null ? null : { id, name: names.nameOf(id) });
  const isDoneAllTheSame = result === 'failure' && entries.length > 0;
  return {
    id: request.id,
    at: request.at,
    durationMs: request.durationMs,
    directory: named(directory),
    actor: named(actor),
    object: { type: request.resourceType, id: object, name: (object && names.nameOf(object)) ?? name },
    action: actionOf(outline),
    result,
    status,
    scimType,
    reason: result === 'failure' ? detail : null,
    whatToDo:
      result !== 'failure'
        ? null
        : isDoneAllTheSame
          ? 'Nothing: the answer came too late or not at all, and the change was made.'
          : whatToDo(request, bearerOf),
    steps: stepsOf(request, entries, names, result),
    correlationId: request.correlationId,
    method: request.method,
    path: request.path,
  };
};

/** Requests that are alike, as the database counts them. */
export interface Group extends Outline {
  /** The beginning of the bar in which they are, in seconds since 1970. */
  readonly second: number;
  readonly count: number;
}

export interface Counts {
  readonly success: number;
  readonly failure: number;
  readonly skipped: number;
}
export interface ActionCounts extends Counts {
  readonly action: ReportAction;
}
/** Requests in a part of the timespan. */
export interface Bar extends Counts {
  /** Its beginning, ISO 8601. */
  readonly at: string;
}

const MAX_BARS = 100;
const BAR_SECONDS = [900, 3_600, 21_600, 86_400, 604_800, 2_592_000, 31_536_000, 315_360_000] as const;
/** A quarter of an hour is a bar, or an hour, or more where the timespan is long. */
export const barSeconds = (sinceMs: number, untilMs: number): number => {
  const seconds = (untilMs - sinceMs) / 1_000;
  return BAR_SECONDS.find((one) => seconds / one <= (one === 900 ? 24 : MAX_BARS)) ?? BAR_SECONDS.at(-1)!;
};

const MINUTE_MS = 60_000;
/** The whole minutes of a timespan; null = there is none in it. */
export const minutesWithin = (
  sinceMs: number,
  untilMs: number,
): { readonly sinceMs: number; readonly untilMs: number } | null => {
  const first = Math.ceil(sinceMs / MINUTE_MS) * MINUTE_MS;
  const end = Math.floor(untilMs / MINUTE_MS) * MINUTE_MS;
  return first < end ? { sinceMs: first, untilMs: end } : null;
};

const NONE: Counts = { success: 0, failure: 0, skipped: 0 };
const sum = (groups: readonly Group[]): Counts => {
  const counts = { ...NONE };
  for (const group of groups) counts[resultOf(group)] += group.count;
  return counts;
};

/** Sums by result, by action and by time; a bar of nothing is there, too. */
export const totalsOf = (
  groups: readonly Group[],
  { sinceMs, untilMs, seconds }: { readonly sinceMs: number; readonly untilMs: number; readonly seconds: number },
): { readonly results: Counts; readonly actions: readonly ActionCounts[]; readonly bars: readonly Bar[] } => {
  const first = Math.floor(sinceMs / 1_000 / seconds);
  const last = Math.max(first, Math.ceil(untilMs / 1_000 / seconds) - 1);
  const byBar = Map.groupBy(groups, ({ second }) => Math.min(Math.max(Math.floor(second / seconds), first), last));
  const byAction = Map.groupBy(groups, actionOf);
  return {
    results: sum(groups),
    actions: REPORT_ACTIONS.flatMap((action) => {
      const of = byAction.get(action);
      return of ? [{ action, ...sum(of) }] : [];
    }),
    bars: Array.from({ length: last - first + 1 }, (_, index) => ({
      at: new Date((first + index) * seconds * 1_000).toISOString(),
      ...sum(byBar.get(first + index) ?? []),
    })),
  };
};

export interface ReportTotals {
  readonly requests: number;
  readonly results: Counts;
  readonly actions: readonly ActionCounts[];
  /** Users and groups that requests were about, whatever the action and the result; null = there are too many to count. */
  readonly objects: number | null;
  /** Requests that came too many at once to be recorded. */
  readonly unrecorded: number;
  /** Not null: there are so many that those before this moment are not counted. */
  readonly countedSince: string | null;
}

/** An object that was refused, once or again and again. */
export interface FailingObject {
  readonly object: ReportObject;
  readonly count: number;
  readonly first: string;
  readonly last: string;
  readonly status: number;
  readonly scimType: string | null;
  readonly reason: string | null;
  readonly whatToDo: string;
  readonly request: string;
}

export interface ProvisioningReport {
  readonly tenant: string;
  readonly since: string;
  readonly until: string;
  /** The other filters, as they were understood. */
  readonly asked: Readonly<Record<string, string>>;
  /** Why it is empty; null = it is not. */
  readonly message: string | null;
  /** These three are of the first page; null = this is another one. */
  readonly totals: ReportTotals | null;
  readonly chart: { readonly seconds: number; readonly bars: readonly Bar[] } | null;
  readonly failing: readonly FailingObject[] | null;
  readonly items: readonly ReportItem[];
  readonly next: string | null;
  readonly searchedTo: string | null;
}
