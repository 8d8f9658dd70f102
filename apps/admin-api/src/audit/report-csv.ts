import { csvCell } from './csv.js';
import type { ReportItem } from './report.js';

const COLUMNS: readonly (readonly [string, (item: ReportItem) => string | number | null])[] = [
  ['time', ({ at }) => at],
  ['action', ({ action }) => action],
  ['result', ({ result }) => result],
  ['object type', ({ object }) => object.type],
  ['object name', ({ object }) => object.name],
  ['object id', ({ object }) => object.id],
  ['directory', ({ directory }) => directory && (directory.name ?? directory.id)],
  ['by', ({ actor }) => actor && (actor.name ?? actor.id)],
  ['status', ({ status }) => status],
  ['scimType', ({ scimType }) => scimType],
  ['reason', ({ reason }) => reason],
  ['what to do', ({ whatToDo }) => whatToDo],
  [
    'steps',
    ({ steps }) => steps.map(({ step, isDone, text }) => `${step}${isDone ? '' : ' (failed)'}: ${text}`).join('\n'),
  ],
  ['duration in ms', ({ durationMs }) => Math.round(durationMs)],
  ['method', ({ method }) => method],
  ['path', ({ path }) => path],
  ['correlation', ({ correlationId }) => correlationId],
  ['request', ({ id }) => id],
];

const line = (values: readonly (string | number | null)[]): string => `${values.map(csvCell).join(',')}\r\n`;

/** The mark by which spreadsheets see that it is UTF-8, and the names of the columns. */
export const CSV_HEAD = `\ufeff${line(COLUMNS.map(([name]) => name))}`;

export const csvRow = (item: ReportItem): string => line(COLUMNS.map(([, valueOf]) => valueOf(item)));
