import { OPERATIONS, type Operation } from './cycle.js';
import type { LogKind } from './installation.js';
import { median } from './latencies.js';
import type { LoadResult } from './load.js';

export type System = 'floor' | LogKind;

/** One system's turn: the cycle at each number of requests in flight. */
export interface Turn {
  readonly system: System;
  readonly levels: readonly Level[];
}

export interface Level {
  readonly inFlight: number;
  readonly result: LoadResult;
  /** Milliseconds of each process for a cycle. */
  readonly processorMs?: Readonly<Record<string, number>>;
}

export interface Row {
  readonly system: System;
  readonly inFlight: number;
  /** Medians over the turns. */
  readonly cyclesPerSecond: number;
  readonly operations: { readonly [operation in Operation]: { readonly p50Ms: number; readonly p99Ms: number } };
  /** The load generator's share of one core. */
  readonly generatorCpuShare: number;
  /** Milliseconds of processor time for a cycle, by process: on a busy machine they hold where times do not. */
  readonly processorMs: Readonly<Record<string, number>>;
  /** Cycles/s relative to the floor: the median of the rounds and all of them; null for the floor itself. */
  readonly ratio: number | null;
  readonly ratios: readonly number[];
}

const levelOf = (turn: Turn, inFlight: number): Level => {
  const level = turn.levels.find((candidate) => candidate.inFlight === inFlight);
  if (!level) throw new Error(`${turn.system} was not measured at ${inFlight} in flight`);
  return level;
};

const cyclesPerSecond = (turn: Turn, inFlight: number): number => {
  const { completed, seconds } = levelOf(turn, inFlight).result;
  return completed / seconds;
};

/**
 * The turns of one run, in the order in which they happened, as a table. A floor turn lies on both sides of every other
 * turn; a ratio is taken against the mean of these two, so that a slow drift of the machine cancels.
 */
export const summarise = (turns: readonly Turn[]): Row[] => {
  const systems = [...new Set(turns.map(({ system }) => system))];
  const levels = turns[0]?.levels.map(({ inFlight }) => inFlight) ?? [];
  return systems.flatMap((system) =>
    levels.map((inFlight): Row => {
      const mine = turns.filter((turn) => turn.system === system).map((turn) => levelOf(turn, inFlight));
      const results = mine.map(({ result }) => result);
      const processes = Object.keys(mine[0]?.processorMs ?? {});
      const ratios = system === 'floor' ? [] : ratiosToFloor(turns, system, inFlight);
      const summaryOf = (operation: Operation) => ({
        p50Ms: median(results.map(({ operations }) => operations[operation]?.p50Ms ?? Number.NaN)),
        p99Ms: median(results.map(({ operations }) => operations[operation]?.p99Ms ?? Number.NaN)),
      });
      return {
        system,
        inFlight,
        cyclesPerSecond: median(results.map(({ completed, seconds }) => completed / seconds)),
        operations: {
          filter: summaryOf('filter'),
          create: summaryOf('create'),
          patch: summaryOf('patch'),
          get: summaryOf('get'),
        },
        generatorCpuShare: median(results.map(({ cpuShare }) => cpuShare)),
        processorMs: Object.fromEntries(
          processes.map((name) => [name, median(mine.map(({ processorMs }) => processorMs?.[name] ?? Number.NaN))]),
        ),
        ratio: system === 'floor' ? null : median(ratios),
        ratios,
      };
    }),
  );
};

const ratiosToFloor = (turns: readonly Turn[], system: System, inFlight: number): number[] =>
  turns.flatMap((turn, index) => {
    const [before, after] = [turns[index - 1], turns[index + 1]];
    if (turn.system !== system) return [];
    if (before?.system !== 'floor' || after?.system !== 'floor')
      throw new Error(`a turn of ${system} without a floor turn on each side`);
    const floor = (cyclesPerSecond(before, inFlight) + cyclesPerSecond(after, inFlight)) / 2;
    return [cyclesPerSecond(turn, inFlight) / floor];
  });

/** Muster has to reach these. */
export interface Bar {
  readonly system: LogKind;
  readonly inFlight: number;
  readonly text: string;
  readonly reached: (row: Row) => boolean;
  readonly figure: (row: Row) => string;
}

const atLeast = (system: LogKind, inFlight: number, least: number): Bar => ({
  system,
  inFlight,
  text: `${system} at least ${least} of the floor's cycles/s at ${inFlight} in flight`,
  reached: ({ ratio }) => ratio !== null && ratio >= least,
  figure: ({ ratio }) => (ratio ?? Number.NaN).toFixed(2),
});

const KAFKA_CREATE_P50_MS = 12;

export const BARS: readonly Bar[] = [
  atLeast('embedded', 64, 0.75),
  atLeast('embedded', 1, 0.38),
  atLeast('kafka', 64, 0.48),
  {
    system: 'kafka',
    inFlight: 1,
    text: `kafka create p50 at most ${KAFKA_CREATE_P50_MS} ms at 1 in flight`,
    reached: ({ operations }) => operations.create.p50Ms <= KAFKA_CREATE_P50_MS,
    figure: ({ operations }) => `${operations.create.p50Ms.toFixed(2)} ms`,
  },
];

/** Each bar with its figure; `reached` is null where the system or the number in flight was not measured. */
export const judge = (rows: readonly Row[]): { text: string; figure: string; reached: boolean | null }[] =>
  BARS.map((bar) => {
    const row = rows.find(({ system, inFlight }) => system === bar.system && inFlight === bar.inFlight);
    return row
      ? { text: bar.text, figure: bar.figure(row), reached: bar.reached(row) }
      : { text: bar.text, figure: 'not measured', reached: null };
  });

/** The table for people. Latencies are p50/p99 in milliseconds. */
export const renderTable = (rows: readonly Row[]): string => {
  const header = [
    'in flight',
    'system',
    'cycles/s',
    ...OPERATIONS.map((operation) => `${operation} ms`),
    'ratio',
    'min-max',
    'generator',
  ];
  const ordered = [...rows].sort((one, other) => one.inFlight - other.inFlight);
  const lines = ordered.map((row) => [
    String(row.inFlight),
    row.system,
    row.cyclesPerSecond.toFixed(0),
    ...OPERATIONS.map(
      (operation) => `${row.operations[operation].p50Ms.toFixed(2)}/${row.operations[operation].p99Ms.toFixed(2)}`,
    ),
    row.ratio === null ? '1' : row.ratio.toFixed(2),
    row.ratios.length === 0 ? '' : `${Math.min(...row.ratios).toFixed(2)}-${Math.max(...row.ratios).toFixed(2)}`,
    `${(row.generatorCpuShare * 100).toFixed(0)} %`,
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]!.length)));
  return [header, ...lines]
    .map((line) => line.map((cell, column) => cell.padStart(widths[column]!)).join('  '))
    .join('\n');
};

/** Lines for people: the processor time of a cycle, by process, in milliseconds. */
export const renderProcessorTime = (rows: readonly Row[]): string[] =>
  rows
    .filter(({ processorMs }) => Object.keys(processorMs).length > 0)
    .map(({ system, inFlight, processorMs }) => {
      const all = Object.entries(processorMs).map(([name, ms]) => `${name} ${ms.toFixed(2)}`);
      return `processor time of a cycle, ${system} at ${inFlight} in flight, in ms: ${all.join(', ')}`;
    });
