import type { DirectoryKind } from './directory.js';

/** The number of requests of an identity provider, by what became of them. */
export interface RequestSums {
  /** Reads that were answered. */
  readonly reads: number;
  readonly created: number;
  readonly changed: number;
  readonly deleted: number;
  /** Writes that were answered well and changed nothing. */
  readonly unchanged: number;
  readonly refused: number;
}

/** The requests of one minute, in ms since 1970. */
export interface ActiveMinute extends RequestSums {
  readonly atMs: number;
}

/** Requests without a long pause between them: one cycle of an identity provider, as far as can be seen from here. */
export interface Cycle extends RequestSums {
  readonly startMs: number;
  /** The end of its last minute, or now. */
  readonly endMs: number;
  readonly requests: number;
  /** True: its last request is so new that more may follow. */
  readonly isRunning: boolean;
}

const MINUTE_MS = 60_000;
/** Entra's cycles begin every 40 minutes or so, and within one there are pauses of a few minutes. */
const PAUSE_MINUTES = 10;
/** The published interval of a provider, in minutes; null = it is learnt; `none`: it sends each change at once. */
const PERIODS: { readonly [kind in DirectoryKind]: number | null | 'none' } = {
  entra: 40,
  okta: 'none',
  scim: null,
  strict: null,
};
/** An interval is taken from what was seen when there are so many, and so many of them are alike. */
const MIN_INTERVALS = 3;
const SHARE_ALIKE = 2 / 3;
const ALIKE = 0.25;
/** A published interval is mended by what was seen, but not by more than this factor. */
const MOST_FACTOR = 1.5;
/** So much later than expected a cycle is late. */
const MIN_LATE_MINUTES = 10;
const LATE_SHARE = 1 / 2;

const sum = (a: RequestSums, b: RequestSums): RequestSums => ({
  reads: a.reads + b.reads,
  created: a.created + b.created,
  changed: a.changed + b.changed,
  deleted: a.deleted + b.deleted,
  unchanged: a.unchanged + b.unchanged,
  refused: a.refused + b.refused,
});
const requestsIn = ({ reads, created, changed, deleted, unchanged, refused }: RequestSums): number =>
  reads + created + changed + deleted + unchanged + refused;

export const hasCycles = (kind: DirectoryKind): boolean => PERIODS[kind] !== 'none';

/**
 * The cycles in the minutes in which there were requests, the oldest first in both: a pause of more than ten minutes ends
 * one. An initial cycle may take hours, and is one as long as it does not pause.
 */
export const cyclesIn = (minutes: readonly ActiveMinute[], nowMs: number): readonly Cycle[] => {
  const cycles: Cycle[] = [];
  for (const minute of minutes) {
    const last = cycles.at(-1);
    const goesOn = last !== undefined && minute.atMs - last.endMs <= PAUSE_MINUTES * MINUTE_MS;
    const sums = goesOn ? sum(last, minute) : sum(minute, NOTHING);
    const endMs = minute.atMs + MINUTE_MS;
    const cycle = {
      ...sums,
      startMs: goesOn ? last.startMs : minute.atMs,
      endMs: Math.min(endMs, Math.max(nowMs, minute.atMs)),
      requests: requestsIn(sums),
      isRunning: nowMs - endMs <= PAUSE_MINUTES * MINUTE_MS,
    };
    if (goesOn) cycles[cycles.length - 1] = cycle;
    else cycles.push(cycle);
  }
  return cycles.map((cycle, index) => (index === cycles.length - 1 ? cycle : { ...cycle, isRunning: false }));
};
const NOTHING: RequestSums = { reads: 0, created: 0, changed: 0, deleted: 0, unchanged: 0, refused: 0 };

/** The next cycle, as far as it can be expected. */
export interface NextCycle {
  /** Minutes between the beginnings of two cycles; null = none is known. */
  readonly periodMinutes: number | null;
  /** Null = nobody can say. */
  readonly expectedMs: number | null;
  readonly isLate: boolean;
  /** For people. */
  readonly words: string;
}

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** The interval between the beginnings of cycles, in minutes, if most of them are alike; null = they are not. */
const seenPeriod = (cycles: readonly Cycle[]): number | null => {
  const starts = cycles.map(({ startMs }) => startMs);
  const intervals = starts.slice(1).map((start, index) => (start - starts[index]!) / MINUTE_MS);
  if (intervals.length < MIN_INTERVALS) return null;
  const usual = middle(intervals);
  const alike = intervals.filter((interval) => Math.abs(interval - usual) <= ALIKE * usual).length;
  return alike >= SHARE_ALIKE * intervals.length ? usual : null;
};

/** The interval by which the next cycle is expected: as it is published, mended by what was seen; or what was seen. */
const periodOf = (kind: DirectoryKind, cycles: readonly Cycle[]): number | null => {
  const published = PERIODS[kind];
  const seen = seenPeriod(cycles);
  if (published === 'none' || published === null) return published === 'none' ? null : seen;
  return seen !== null && seen <= published * MOST_FACTOR && seen * MOST_FACTOR >= published ? seen : published;
};

/** When the next cycle is to come, by its provider and by the cycles that were seen, the oldest first. */
export const nextCycle = (kind: DirectoryKind, cycles: readonly Cycle[], nowMs: number): NextCycle => {
  const unknown = { periodMinutes: null, expectedMs: null, isLate: false };
  if (!hasCycles(kind)) return { ...unknown, words: 'Okta sends each change at once: it has no cycles.' };
  const periodMinutes = periodOf(kind, cycles);
  const last = cycles.at(-1);
  if (!last) return { ...unknown, periodMinutes, words: 'No cycle has been seen.' };
  if (periodMinutes === null) return { ...unknown, words: 'Its requests come at no regular interval.' };
  const every = `every ${Math.round(periodMinutes)} minutes`;
  // A long one is followed by the next one after its end.
  const expectedMs = Math.max(last.startMs + periodMinutes * MINUTE_MS, last.endMs);
  if (last.isRunning)
    return { periodMinutes, expectedMs, isLate: false, words: `A cycle is running. They begin about ${every}.` };
  const lateMinutes = Math.max(MIN_LATE_MINUTES, periodMinutes * LATE_SHARE);
  const isLate = nowMs > expectedMs + lateMinutes * MINUTE_MS;
  const idle = kind === 'entra' ? ': Entra sends nothing in a cycle in which nothing has changed' : '';
  return {
    periodMinutes,
    expectedMs,
    isLate,
    words: isLate ? `It is late${idle}.` : `Cycles begin about ${every}${idle}.`,
  };
};

/** Three cycles of Entra. */
const MIN_SILENCE_MINUTES = 120;
/** The rule while little is known of a directory: it may have nothing to send for a night. */
const FIRST_SILENCE_MINUTES = 1_440;
const MOST_SILENCE_MINUTES = 4_320;
const SILENT_FACTOR = 2;

/**
 * Minutes without any request after which a directory is silent; null = never. `setting` is silentAfterMinutes, 0 = the rule
 * of its kind: a provider without cycles may have nothing to send for weeks. Entra sends nothing in a cycle in which nothing
 * has changed, so that three missed cycles alone would be an alarm each night: a directory of Entra is silent after twice its
 * longest pause that was seen, but not before it has missed three cycles.
 */
export const silentAfterMinutes = (kind: DirectoryKind, setting: number, cycles: readonly Cycle[]): number | null => {
  if (setting > 0) return setting;
  if (typeof PERIODS[kind] !== 'number') return null;
  const pauses = cycles.slice(1).map(({ startMs }, index) => (startMs - cycles[index]!.endMs) / MINUTE_MS);
  if (pauses.length < MIN_INTERVALS) return FIRST_SILENCE_MINUTES;
  const usual = Math.round(SILENT_FACTOR * Math.max(...pauses));
  return Math.min(Math.max(usual, MIN_SILENCE_MINUTES), MOST_SILENCE_MINUTES);
};
