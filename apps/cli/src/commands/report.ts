import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { call, callForStream, callText } from '../admin-api.sender.js';
import { inTenant } from '../named.sender.js';
import { describeReport, type ReportItemView, type ReportView } from '../report-views.js';
import { A_TIME, filters, paint, rowsIn } from './audit.js';
import { AS_JSON, print, WrongUse } from './command.js';

const DEFAULT_ROWS = 50;
const MAX_PAGE_ROWS = 1_000;

interface Options {
  readonly tenant?: string;
  readonly limit: number;
  readonly json?: boolean;
  readonly html?: string;
  readonly csv?: string;
  readonly directory?: string;
  readonly since?: string;
  readonly until?: string;
  readonly action?: string;
  readonly result?: string;
  readonly status?: string;
}

/** It holds names of people: nobody else on this machine reads it. */
const PRIVATE = 0o600;
const cannotWrite = (path: string) => (error: NodeJS.ErrnoException) => {
  if (error.syscall === undefined) throw error;
  throw new WrongUse(`${path} cannot be written: ${error.message}.`);
};

const write = async (query: URLSearchParams, { html, csv }: Options): Promise<void> => {
  if (html !== undefined) {
    const page = await callText('GET', `audit/report?${query}&format=html`);
    await writeFile(html, page, { mode: PRIVATE }).catch(cannotWrite(html));
    console.log(`${html} has the report: open it in a browser, from which it can be printed.`);
  }
  if (csv !== undefined) {
    const rows = await callForStream(`audit/report?${query}&format=csv`);
    await pipeline(rows, createWriteStream(csv, { mode: PRIVATE })).catch(cannotWrite(csv));
    console.log(`${csv} has all requests of the timespan.`);
  }
};

export const addReport = (program: Command): void => {
  program
    .command('report')
    .description(
      'the provisioning report: what identity providers asked, what became of it, and what to do about what failed',
    )
    .argument(
      '[person]',
      'any identifier that somebody has or ever had, or the userName of one who was refused; left out = everybody',
    )
    .addHelpText(
      'after',
      '\nExample:\n  npm run -s cli -- report ada@example.org --since 7d\n  npm run -s cli -- report --directory "Contoso Entra" --result failure\n  npm run -s cli -- report --since 2026-01-01 --html report.html --csv report.csv',
    )
    .option('--directory <directory>', 'through a directory: its name or id')
    .option('--since <time>', `not before: ${A_TIME} (default: 24 hours before the end)`)
    .option('--until <time>', 'before: a time like that (default: now)')
    .option('--action <action>', 'such as create, update, disable, enable, delete, link, "add members"')
    .option('--result <result>', 'success, failure, or skipped: it was so already')
    .option('--status <number>', 'with this status, such as 409')
    .option('--tenant <tenant>', 'name or id of the tenant (default: that of the directory, or the first one)')
    .option('--limit <number>', 'so many requests at most', rowsIn, DEFAULT_ROWS)
    .option('--html <file>', 'write a page with a chart, to read and print')
    .option('--csv <file>', 'write all requests of the timespan, for a spreadsheet')
    .option(...AS_JSON)
    .action(async (person: string | undefined, options: Options) => {
      const { tenant, limit, json, html, csv, ...rest } = options;
      const asked = { ...(await inTenant(tenant)), ...filters({ ...rest, ...(person !== undefined && { person }) }) };
      if (html !== undefined || csv !== undefined) {
        const rows = String(Math.min(limit, MAX_PAGE_ROWS));
        return write(new URLSearchParams({ ...asked, limit: rows }), options);
      }
      const { report, items, isMore } = await read(asked, limit);
      print(
        json,
        { ...report, items },
        describeReport(report, items, { withSteps: person !== undefined, isMore }, paint),
      );
    });
};

/** The first page has the totals; the rows may take several. */
const read = async (
  asked: Record<string, string>,
  limit: number,
): Promise<{ readonly report: ReportView; readonly items: readonly ReportItemView[]; readonly isMore: boolean }> => {
  const items: ReportItemView[] = [];
  let report: ReportView | undefined;
  for (let cursor: string | undefined; ;) {
    const rows = String(Math.min(limit - items.length, MAX_PAGE_ROWS));
    const query = new URLSearchParams({ ...asked, limit: rows, ...(cursor === undefined ? {} : { cursor }) });
    const page = await call<ReportView>('GET', `audit/report?${query}`);
    report ??= page;
    items.push(...page.items);
    if (page.next === null || items.length >= limit) return { report, items, isMore: page.next !== null };
    cursor = page.next;
  }
};
