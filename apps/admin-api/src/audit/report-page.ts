import { createHash } from 'node:crypto';
import { chartOf, escaped } from './chart.js';
import type { ProvisioningReport, ReportItem, ReportObject } from './report.js';

const STYLE = `
:root { color-scheme: light dark; --text: #1b1f24; --dim: #57606a; --line: #d0d7de; --ground: #ffffff; --raised: #f6f8fa;
  --success: #1a7f37; --failure: #cf222e; --skipped: #8c959f; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --dim: #9198a1; --line: #3d444d; --ground: #0d1117; --raised: #151b23;
  --success: #3fb950; --failure: #f85149; --skipped: #6e7681; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: break-word; }
h1 { margin: 0 0 .25rem; font-size: 1.6rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.15rem; }
p { margin: .25rem 0; } .dim { color: var(--dim); }
.totals { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; padding: 0; list-style: none; }
.totals li { flex: 1 1 8rem; padding: .6rem .9rem; background: var(--raised); border: 1px solid var(--line); border-radius: 8px; }
.totals b { display: block; font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .45rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; font-size: .85rem; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.free { min-width: 10rem; overflow-wrap: anywhere; } td.wide { min-width: 18rem; overflow-wrap: anywhere; } .id { font-size: .85em; }
.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.mark { white-space: nowrap; font-weight: 600; } .mark.success { color: var(--success); } .mark.failure { color: var(--failure); } .mark.skipped { color: var(--dim); }
.todo { border-left: 3px solid var(--failure); padding-left: .6rem; }
details { margin-top: .25rem; } summary { cursor: pointer; color: var(--dim); } ol { margin: .25rem 0; padding-left: 1.4rem; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--dim); font-size: 12px; } svg text.number { text-anchor: end; }
svg .axis { stroke: var(--dim); } svg .grid { stroke: var(--line); }
rect.success, .key.success { fill: var(--success); background: var(--success); } rect.failure, .key.failure { fill: var(--failure); background: var(--failure); }
rect.skipped, .key.skipped { fill: var(--skipped); background: var(--skipped); }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .35em 0 1em; border-radius: 2px; } .key:first-child { margin-left: 0; }
@page { margin: 14mm; }
@media print { :root { color-scheme: light; --text: #000; --dim: #444; --line: #bbb; --ground: #fff; --raised: #fff; --success: #1a7f37; --failure: #cf222e; --skipped: #8c959f; }
  body { max-width: none; padding: 0; font-size: 10pt; } tr, .totals li, svg { break-inside: avoid; } h2 { break-after: avoid; } thead { display: table-header-group; }
  .scroll { overflow: visible; } details:not([open]) { display: none; } .key, rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
`;

/** Nothing is loaded from anywhere, and no script runs (CSP3): the only style is the one in the page. */
const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'`;
export const REPORT_POLICY = `${POLICY}; frame-ancestors 'none'; sandbox`;

const counted = (count: number, one: string): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? one : `${one}s`}`;
const timeOf = (at: string): string => `${at.slice(0, 10)} ${at.slice(11, 19)}`;
const WORDS = { success: 'done', failure: 'failed', skipped: 'skipped' } as const;

const objectOf = ({ type, name, id }: ReportObject): string =>
  `${escaped(name ?? id ?? '(nothing that is known)')}<br><span class="dim id">${escaped([type, name === null ? null : id].filter((one) => one !== null).join(' '))}</span>`;

const totals = ({ totals: found }: ProvisioningReport): string => {
  if (!found) return '';
  const { requests, results, objects } = found;
  const of = (count: number, words: string): string =>
    `<li><b>${count.toLocaleString('en-US')}</b>${escaped(words)}</li>`;
  return `<ul class="totals">${of(requests, 'requests')}${of(results.success, 'done')}${of(results.failure, 'failed')}${of(results.skipped, 'skipped: all was so already')}${objects === null ? '' : of(objects, 'users and groups')}</ul>
${found.unrecorded > 0 ? `<p>${counted(found.unrecorded, 'more request')} could not be recorded, because there were too many at once.</p>` : ''}
${found.countedSince === null ? '' : `<p>Counted since ${escaped(timeOf(found.countedSince))}: there are more requests before.</p>`}`;
};

const chart = ({ chart: found }: ProvisioningReport): string =>
  found
    ? `<h2>Over time</h2>
<p class="dim"><span class="key success"></span>done<span class="key skipped"></span>skipped<span class="key failure"></span>failed</p>
<div class="scroll">${chartOf(found.bars, found.seconds)}</div>`
    : '';

const actions = ({ totals: found }: ProvisioningReport): string =>
  found && found.actions.length > 0
    ? `<h2>By action</h2><div class="scroll"><table><thead><tr><th>Action<th class="number">Done<th class="number">Failed<th class="number">Skipped</tr></thead><tbody>
${found.actions
  .map(
    ({ action, success, failure, skipped }) =>
      `<tr><td>${escaped(action)}<td class="number">${success.toLocaleString('en-US')}<td class="number">${failure.toLocaleString('en-US')}<td class="number">${skipped.toLocaleString('en-US')}</tr>`,
  )
  .join('\n')}
</tbody></table></div>`
    : '';

const failing = ({ failing: found }: ProvisioningReport): string =>
  found && found.length > 0
    ? `<h2>What fails</h2><div class="scroll"><table><thead><tr><th>Object<th class="number">Times<th>First<th>Last<th>Why, and what to do</tr></thead><tbody>
${found
  .map(
    ({ object, count, first, last, status, scimType, reason, whatToDo }) =>
      `<tr><td class="free">${objectOf(object)}<td class="number">${count.toLocaleString('en-US')}<td class="time">${escaped(timeOf(first))}<td class="time">${escaped(timeOf(last))}<td class="wide"><p><span class="mark failure">${status}${scimType === null ? '' : ` ${escaped(scimType)}`}</span> ${escaped(reason ?? '')}</p><p class="todo">${escaped(whatToDo)}</p></tr>`,
  )
  .join('\n')}
</tbody></table></div>`
    : '';

const row = ({
  at,
  object,
  action,
  result,
  status,
  scimType,
  reason,
  whatToDo,
  steps,
  directory,
}: ReportItem): string =>
  `<tr><td class="time">${escaped(timeOf(at))}<td class="free">${objectOf(object)}<td>${escaped(action)}<br><span class="dim">${escaped(directory?.name ?? '')}</span><td class="mark ${result}">${WORDS[result]} ${status}${scimType === null ? '' : `<br>${escaped(scimType)}`}<td class="wide">${
    reason === null ? '' : `<p>${escaped(reason)}</p>`
  }${whatToDo === null ? '' : `<p class="todo">${escaped(whatToDo)}</p>`}<details${result === 'failure' ? ' open' : ''}><summary>${counted(steps.length, 'step')}</summary><ol>${steps
    .map(({ step, isDone, text }) => `<li>${isDone ? '' : '<b>failed: </b>'}${escaped(step)}: ${escaped(text)}</li>`)
    .join('')}</ol></details></tr>`;

/** The report as a page that is printed, saved or sent: it needs nothing but itself. */
export const reportPage = (report: ProvisioningReport): string => {
  const { since, until, items, next, message, asked } = report;
  const filters = Object.entries(asked).map(([name, value]) => `${name} ${value}`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="${escaped(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Provisioning report, ${escaped(timeOf(since))} to ${escaped(timeOf(until))} UTC</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Provisioning report</h1>
<p>From <span class="time">${escaped(timeOf(since))}</span> to <span class="time">${escaped(timeOf(until))}</span> (UTC)${filters.length === 0 ? '' : ` · ${escaped(filters.join(' · '))}`}</p>
${message === null ? '' : `<p><b>${escaped(message)}</b></p>`}
${totals(report)}
${chart(report)}
${actions(report)}
${failing(report)}
${
  items.length === 0
    ? ''
    : `<h2>Requests, the newest first</h2><div class="scroll"><table><thead><tr><th>Time (UTC)<th>Object<th>Action<th>Result<th>What happened</tr></thead><tbody>
${items.map(row).join('\n')}
</tbody></table></div>${next === null ? '' : '<p class="dim">There are more: choose a shorter timespan, or take the report as CSV, which has all of them.</p>'}`
}
</body>
</html>
`;
};
