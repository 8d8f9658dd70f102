import { plain, table, type Paint } from './audit-log.js';
import type { NamedView } from './audit-views.js';
import { shownTime } from './times.js';

/** The provisioning report, as far as the command line looks at it. */
export interface ReportView {
  readonly since: string;
  readonly until: string;
  readonly message: string | null;
  readonly totals: {
    readonly requests: number;
    readonly results: CountsView;
    readonly actions: readonly (CountsView & { readonly action: string })[];
    readonly objects: number | null;
    readonly unrecorded: number;
    readonly countedSince: string | null;
  } | null;
  readonly failing: readonly FailingView[] | null;
  readonly items: readonly ReportItemView[];
  readonly next: string | null;
}
interface CountsView {
  readonly success: number;
  readonly failure: number;
  readonly skipped: number;
}
interface ObjectView {
  readonly type: string | null;
  readonly id: string | null;
  readonly name: string | null;
}
export interface FailingView {
  readonly object: ObjectView;
  readonly count: number;
  readonly first: string;
  readonly last: string;
  readonly status: number;
  readonly scimType: string | null;
  readonly reason: string | null;
  readonly whatToDo: string;
  readonly request: string;
}
export interface ReportItemView {
  readonly at: string;
  readonly directory: NamedView | null;
  readonly object: ObjectView;
  readonly action: string;
  readonly result: string;
  readonly status: number;
  readonly scimType: string | null;
  readonly reason: string | null;
  readonly whatToDo: string | null;
  readonly steps: readonly { readonly step: string; readonly isDone: boolean; readonly text: string }[];
}

const COLOURS = { success: 'green', failure: 'red', skipped: 'dim' } as const;
const WORDS: Readonly<Record<string, string>> = { success: 'done', failure: 'failed', skipped: 'skipped' };

const objectOf = ({ type, id, name }: ObjectView): string => plain(`${type ?? 'request'} ${name ?? id ?? '-'}`);
const counted = (count: number): string => count.toLocaleString('en-US');

const statusOf = ({ status, scimType }: Pick<ReportItemView, 'status' | 'scimType'>): string =>
  `${status}${scimType === null ? '' : ` ${plain(scimType)}`}`;

const describeTotals = ({ totals }: ReportView, paint: Paint): string[] => {
  if (!totals || totals.requests === 0) return [];
  const { results, actions, requests, objects, unrecorded, countedSince } = totals;
  return [
    `${counted(requests)} requests${objects === null ? '' : ` about ${counted(objects)} users and groups`}: ${paint('green', `${counted(results.success)} done`)}, ${paint(results.failure > 0 ? 'red' : 'dim', `${counted(results.failure)} failed`)}, ${counted(results.skipped)} skipped because all was so already.`,
    ...(unrecorded > 0 ? [`${counted(unrecorded)} more came too many at once to be recorded.`] : []),
    ...(countedSince === null ? [] : [`Counted since ${shownTime(countedSince)}: there are more before.`]),
    '',
    table(
      [
        ['action', 'done', 'failed', 'skipped'],
        ...actions.map(({ action, success, failure, skipped }) => [
          action,
          counted(success),
          counted(failure),
          counted(skipped),
        ]),
      ],
      paint,
    ),
  ];
};

const describeFailing = ({ failing }: ReportView, paint: Paint): string[] =>
  failing?.length
    ? [
        '',
        paint('bold', 'What fails'),
        ...failing.flatMap((one) => [
          `  ${paint('red', statusOf(one))}  ${objectOf(one.object)}${one.count === 1 ? `, on ${shownTime(one.last)}` : `, ${counted(one.count)} times from ${shownTime(one.first)} to ${shownTime(one.last)}`}`,
          `    ${plain(one.reason ?? '')}`,
          `    → ${plain(one.whatToDo)}`,
        ]),
      ]
    : [];

/** The steps are told of one person: of everybody they would be too many. */
const describeItems = (items: readonly ReportItemView[], withSteps: boolean, paint: Paint): string[] =>
  withSteps
    ? items.flatMap((item) => [
        '',
        `${paint('bold', shownTime(item.at))}  ${item.action}  ${objectOf(item.object)}  ${paint(COLOURS[item.result as 'success'], WORDS[item.result] ?? item.result)}`,
        ...item.steps.map(({ step, isDone, text }) => `  ${isDone ? ' ' : '✗'} ${step.padEnd(13)}  ${plain(text)}`),
        ...(item.whatToDo === null ? [] : [`  → ${plain(item.whatToDo)}`]),
      ])
    : [
        '',
        table(
          [
            ['time (UTC)', 'result', 'action', 'status', 'object'],
            ...items.map((item) => [
              shownTime(item.at),
              WORDS[item.result] ?? item.result,
              item.action,
              statusOf(item),
              objectOf(item.object),
            ]),
          ],
          paint,
        ),
      ];

/** The report for people at a terminal. */
export const describeReport = (
  report: ReportView,
  items: readonly ReportItemView[],
  { withSteps, isMore }: { readonly withSteps: boolean; readonly isMore: boolean },
  paint: Paint,
): string =>
  [
    `${paint('bold', 'Provisioning report')}, ${shownTime(report.since)} to ${shownTime(report.until)} (UTC)`,
    ...(report.message === null ? [] : [report.message]),
    ...describeTotals(report, paint),
    ...describeFailing(report, paint),
    ...(items.length === 0 ? [] : describeItems(items, withSteps, paint)),
    ...(isMore ? ['', 'There are more: --limit shows them, and --csv <file> writes all of them.'] : []),
  ].join('\n');
