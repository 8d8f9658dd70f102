import type { Row } from './answers.js';

const WIDTHS = { step: 38, requests: 8, answers: 23, p50: 7, p99: 7, perSecond: 6 };

/** The smallest time that the given share (0..1) of all times does not exceed. */
const percentile = (timesMs: readonly number[], share: number): number =>
  [...timesMs].sort((one, other) => one - other)[Math.max(0, Math.ceil(share * timesMs.length) - 1)] ?? 0;

export const formatCount = (count: number): string => count.toLocaleString('en');

/** The table of what happened, in 100 columns. */
export const renderReport = (rows: readonly Row[]): string => {
  const lines = rows.flatMap((row, index) => [
    ...(row.cycle === rows[index - 1]?.cycle ? [] : [row.cycle]),
    line(`  ${row.step}`, row.timesMs, answersOf(row), row.lastMs - row.firstMs),
  ]);
  const wholeMs = Math.max(...rows.map(({ lastMs }) => lastMs)) - Math.min(...rows.map(({ firstMs }) => firstMs));
  return [
    cells('step', 'requests', 'answers', 'p50 ms', 'p99 ms', 'per s'),
    ...lines,
    line(
      'Both cycles',
      rows.flatMap(({ timesMs }) => timesMs),
      '',
      wholeMs,
    ),
  ].join('\n');
};

/** `200: 990 409: 10` */
const answersOf = ({ statuses }: Row): string =>
  [...statuses]
    .sort(([one], [other]) => one - other)
    .map(([status, count]) => `${status}: ${formatCount(count)}`)
    .join(' ');

const line = (step: string, timesMs: readonly number[], answers: string, durationMs: number): string => {
  // One request has no rate.
  const perSecond = timesMs.length > 1 ? formatCount(Math.round((timesMs.length * 1000) / durationMs)) : '';
  return cells(
    step,
    formatCount(timesMs.length),
    answers,
    percentile(timesMs, 0.5).toFixed(1),
    percentile(timesMs, 0.99).toFixed(1),
    perSecond,
  );
};

const cells = (step: string, requests: string, answers: string, p50: string, p99: string, perSecond: string): string =>
  [
    step.padEnd(WIDTHS.step),
    requests.padStart(WIDTHS.requests),
    answers.padEnd(WIDTHS.answers),
    p50.padStart(WIDTHS.p50),
    p99.padStart(WIDTHS.p99),
    perSecond.padStart(WIDTHS.perSecond),
  ]
    .join('  ')
    .trimEnd();
