import { Readable } from 'node:stream';
import { Get, Headers, Query, Res, StreamableFile } from '@nestjs/common';
import { Transform, Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, IsUUID, Matches, Max, MaxLength, Min } from 'class-validator';
import type { FastifyReply } from 'fastify';
import { idMs } from '#contracts';
import { isUuid } from '#runtime';
import { MAX_KEY_CHARACTERS, quote, Rejected } from '#scim';
import { AuditController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { PageQuery, Pages, rowsOf } from '../http/pages.queries.js';
import { lowerCase, NOT_BLANK } from '../http/query-values.js';
import { BOOLEAN, ID, listOf, MOMENT, nullable, NUMBER, OBJECT, objectOf, oneOf, TEXT } from '../http/shapes.js';
import { Users } from '../users/users.queries.js';
import { NAMED } from './entries.controller.js';
import { eventOf, toldIdsIn } from './entry.js';
import { Bearers } from './bearers.queries.js';
import { FAILING_OBJECT, failingObject, REPORT_OBJECT } from './failing-object.js';
import { timespanIn } from './moments.js';
import { AuditNames } from './names.queries.js';
import { checkTenant, Reads, type Reader } from './reader.guard.js';
import { Readings } from './readings.sender.js';
import { CSV_HEAD, csvRow } from './report-csv.js';
import { REPORT_POLICY, reportPage } from './report-page.js';
import { Reports, type Joined, type ReportFilter } from './report.queries.js';
import {
  barSeconds,
  REPORT_ACTIONS,
  REPORT_RESULTS,
  reportItem,
  STEPS,
  totalsOf,
  type ActionCounts,
  type Bar,
  type Counts,
  type FailingObject,
  type ProvisioningReport,
  type ReportAction,
  type ReportItem,
  type ReportResult,
  type ReportStep,
  type ReportTotals,
} from './report.js';
import { Streams } from './streams.queries.js';
import { Totals } from './totals.queries.js';
import { Where } from './where.queries.js';

const DEFAULT_MS = 24 * 3_600_000;
const PAGE_ROWS = 500;
/** A report of more is taken in shorter timespans. */
const MAX_CSV_ROWS = 1_000_000;
const FORMATS = ['json', 'csv', 'html'] as const;
type Format = (typeof FORMATS)[number];

class ReportQuery extends PageQuery {
  /** The id of a tenant; left out = that of the directory, or the first one. */
  @IsOptional() @IsUUID() tenant?: string;
  /** An identifier that somebody has or ever had, or the name that a request called somebody who never came to be. */
  @IsOptional() @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_KEY_CHARACTERS) person?: string;
  /** Name or id of a directory. */
  @IsOptional() @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_KEY_CHARACTERS) directory?: string;
  @IsOptional() @IsIn(REPORT_ACTIONS) action?: ReportAction;
  @IsOptional() @IsIn(REPORT_RESULTS) result?: ReportResult;
  @IsOptional() @Type(() => Number) @IsInt() @Min(100) @Max(599) status?: number;
  /** Not before this moment, such as 2026-01-31T12:00:00Z, or this day; left out = 24 hours before `until`. */
  @IsOptional() @IsString() since?: string;
  /** Before this moment, or this day; left out = now. */
  @IsOptional() @IsString() until?: string;
  /** Left out = html where Accept asks for text/html, csv where it asks for text/csv, and JSON otherwise. */
  @IsOptional()
  @Transform(lowerCase)
  @IsIn(FORMATS)
  format?: Format;
}

const COUNTS = { success: NUMBER, failure: NUMBER, skipped: NUMBER };
const ITEM = objectOf<ReportItem>(
  {
    id: ID,
    at: MOMENT,
    durationMs: { type: 'number' },
    directory: nullable(NAMED),
    actor: nullable(NAMED),
    object: REPORT_OBJECT,
    action: oneOf(REPORT_ACTIONS),
    result: oneOf(REPORT_RESULTS),
    status: NUMBER,
    scimType: nullable(TEXT),
    reason: nullable(TEXT),
    whatToDo: nullable(TEXT),
    steps: listOf(objectOf<ReportStep>({ step: oneOf(STEPS), isDone: BOOLEAN, text: TEXT })),
    correlationId: TEXT,
    method: TEXT,
    path: TEXT,
  },
  'ReportItem',
);
const REPORT = objectOf<ProvisioningReport>(
  {
    tenant: ID,
    since: MOMENT,
    until: MOMENT,
    asked: OBJECT,
    message: nullable(TEXT),
    totals: nullable(
      objectOf<ReportTotals>({
        requests: NUMBER,
        results: objectOf<Counts>(COUNTS),
        actions: listOf(objectOf<ActionCounts>({ action: oneOf(REPORT_ACTIONS), ...COUNTS })),
        objects: nullable(NUMBER),
        unrecorded: NUMBER,
        countedSince: nullable(MOMENT),
      }),
    ),
    chart: nullable(
      objectOf<{ seconds: number; bars: readonly Bar[] }>({
        seconds: NUMBER,
        bars: listOf(objectOf<Bar>({ at: MOMENT, ...COUNTS })),
      }),
    ),
    failing: nullable(listOf(objectOf<FailingObject>(FAILING_OBJECT))),
    items: listOf(ITEM),
    next: nullable(TEXT),
    searchedTo: nullable(MOMENT),
  },
  'ProvisioningReport',
);

const formatOf = ({ format }: ReportQuery, accept: string | undefined): Format =>
  format ?? (/text\/html/i.test(accept ?? '') ? 'html' : /text\/csv/i.test(accept ?? '') ? 'csv' : 'json');

/** The provisioning report: which requests of identity providers were done, which failed, why, and what to do. */
@AuditController('report')
export class ReportController {
  constructor(
    private readonly reports: Reports,
    private readonly totals: Totals,
    private readonly names: AuditNames,
    private readonly bearers: Bearers,
    private readonly users: Users,
    private readonly streams: Streams,
    private readonly where: Where,
    private readonly pages: Pages,
    private readonly readings: Readings,
  ) {}

  @Get()
  @Needs('audit')
  @Documented({
    summary: 'Report what identity providers asked, what became of it, and what to do about what failed',
    description:
      'Of one tenant and a timespan, by default the last 24 hours, the newest first: a row for each write, and for each request that was refused. `format=html` is a page to print, and `format=csv` has all rows of the timespan. A page ends after a second; `next` goes on from `searchedTo`. It needs the scope `audit`, as requests do: it tells their answers, and names of people who never came to be. That you read it is an entry.',
    query: ReportQuery,
    answer: REPORT,
    otherMediaTypes: ['text/csv', 'text/html'],
  })
  async report(
    @Query() query: unknown,
    @Headers('accept') accept: string | undefined,
    @Reads() reader: Reader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProvisioningReport | StreamableFile> {
    const given = checked(ReportQuery, query);
    const nowMs = Date.now();
    const format = formatOf(given, accept);
    const { cursor: _cursor, limit: _limit, ...chosen } = given;
    const of = ['report', chosen];
    const place = this.pages.placeIn<readonly [id: string, since: string, until: string]>(of, given);
    const timespan = place ? { since: place[1], until: place[2] } : timespanOf(given, nowMs);
    const { filter, asked } = await this.filterOf(given, timespan, reader);
    const { tenant, since, until, person } = filter;
    await this.readings.record(reader, tenant, 'report', {
      since,
      until,
      format,
      ...asked,
      // A name that nobody bears is no part of what is kept.
      ...(person && { person: person.ids[0] ?? '(one name)' }),
      ...(place && { from: place[0] }),
    });
    void reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
    if (format === 'csv') {
      void reply.header('content-disposition', `attachment; filename="provisioning-report.csv"`);
      return new StreamableFile(Readable.from(this.csv(filter)), { type: 'text/csv; charset=utf-8' });
    }
    const { items, reached } = await this.reports.page(filter, place?.[0] ?? null, rowsOf(given));
    const first = place ? { totals: null, chart: null, failing: null } : await this.summary(filter);
    const report: ProvisioningReport = {
      tenant,
      since,
      until,
      asked,
      message: items.length === 0 && reached === null && !place ? emptyOf(filter, asked) : null,
      ...first,
      items: await this.items(tenant, items),
      next: reached && this.pages.cursorOf(of, [reached, since, until]),
      searchedTo: reached && new Date(idMs(reached)).toISOString(),
    };
    if (format === 'json') return report;
    void reply.header('content-security-policy', REPORT_POLICY).header('referrer-policy', 'no-referrer');
    return new StreamableFile(Buffer.from(reportPage(report)), { type: 'text/html; charset=utf-8' });
  }

  /** Throws Rejected: what was asked for is not there. */
  private async filterOf(
    { tenant: wanted, directory: givenDirectory, person, action, result, status }: ReportQuery,
    timespan: { readonly since: string; readonly until: string },
    { key }: Reader,
  ): Promise<{ readonly filter: ReportFilter; readonly asked: Readonly<Record<string, string>> }> {
    const directory =
      givenDirectory === undefined
        ? undefined
        : await this.where.directory(wanted?.toLowerCase() ?? null, givenDirectory);
    const tenant = await this.where.tenant(wanted?.toLowerCase() ?? directory?.tenant);
    checkTenant(key, tenant);
    if (directory && directory.tenant !== tenant)
      throw new Rejected('notFound', `The directory ${quote(givenDirectory!)} is one of another tenant.`);
    if (directory && isUuid(givenDirectory!) && !/\bdirectory\./.test((await this.streams.firstOf(directory.id))!.type))
      throw new Rejected(
        'invalidValue',
        `${quote(givenDirectory!)} is the id of something else than a directory: directory list shows their names and ids.`,
      );
    const asked = { person, directory: givenDirectory, action, result, status: status?.toString() };
    return {
      filter: {
        tenant,
        ...timespan,
        ...(directory && { directory: directory.id }),
        ...(person === undefined ? {} : { person: await this.personOf(tenant, person.trim()) }),
        ...(action && { action }),
        ...(result && { result }),
        ...(status && { status }),
      },
      asked: Object.fromEntries(
        Object.entries(asked).flatMap(([name, value]) =>
          value === undefined || value === null ? [] : [[name, value] as const],
        ),
      ),
    };
  }

  /** Everybody who has or had the identifier, and that text as a name that a request may have said. */
  private async personOf(tenant: string, given: string): Promise<ReportFilter['person']> {
    if (given.endsWith('*'))
      throw new Rejected('invalidValue', `${quote(given)} stands for all who begin so: name one.`);
    const found = await this.users.find([tenant], given);
    const ids = found.map(({ id }) => id);
    const names = [given, ...found.map(({ userName }) => userName)].map((name) => name.toLowerCase());
    return { ids: isUuid(given) ? [...new Set([...ids, given.toLowerCase()])] : ids, names: [...new Set(names)] };
  }

  private async summary(filter: ReportFilter): Promise<Pick<ProvisioningReport, 'totals' | 'chart' | 'failing'>> {
    const [sinceMs, untilMs] = [Date.parse(filter.since), Date.parse(filter.until)];
    const seconds = barSeconds(sinceMs, untilMs);
    const [{ groups, ...counted }, failing] = await Promise.all([
      this.totals.count(filter, seconds),
      this.reports.failing(filter),
    ]);
    const { results, actions, bars } = totalsOf(groups, { sinceMs, untilMs, seconds });
    const names = await this.names.of(
      filter.tenant,
      failing.map(({ last }) => last.object),
    );
    const bearerOf = await this.bearers.named(
      filter.tenant,
      failing.map(({ last }) => last),
    );
    return {
      totals: { requests: results.success + results.failure + results.skipped, results, actions, ...counted },
      chart: { seconds, bars },
      failing: failing.map((one) => failingObject(one, names, bearerOf)),
    };
  }

  private async items(tenant: string, joined: readonly Joined[]): Promise<ReportItem[]> {
    const names = await this.names.of(
      tenant,
      joined.flatMap(({ request: { directory, actor, object }, entries }) => [
        directory,
        actor,
        object,
        ...entries.flatMap((row) => [row.stream, ...toldIdsIn(eventOf(row, null))]),
      ]),
    );
    const bearerOf = await this.bearers.named(
      tenant,
      joined.map(({ request }) => request),
    );
    return joined.map(({ request, entries }) => reportItem(request, entries, names, bearerOf));
  }

  private async *csv(filter: ReportFilter): AsyncGenerator<string> {
    yield CSV_HEAD;
    let rows = 0;
    for (let after: string | null = null; rows < MAX_CSV_ROWS;) {
      const { items, reached } = await this.reports.page(filter, after, PAGE_ROWS);
      const found = await this.items(filter.tenant, items);
      yield found.map(csvRow).join('');
      rows += found.length;
      if (reached === null) return;
      after = reached;
    }
    yield `there are more than ${MAX_CSV_ROWS} rows: choose a shorter timespan\r\n`;
  }
}

/** Throws Rejected(invalidValue). */
const timespanOf = (given: ReportQuery, nowMs: number): { readonly since: string; readonly until: string } => {
  const { since, until = new Date(nowMs).toISOString() } = timespanIn(given);
  const from = since ?? new Date(Math.max(Date.parse(until) - DEFAULT_MS, 0)).toISOString();
  if (from >= until)
    throw new Rejected('invalidValue', `since (${from}) is not before now (${until}): nothing lies between.`);
  return { since: from, until };
};

const emptyOf = ({ person }: ReportFilter, asked: Readonly<Record<string, string>>): string =>
  person?.ids.length === 0
    ? `Nobody is or was called ${quote(asked.person!)}, and no request of this timespan called anybody so: user name, e-mail, UPN, externalId, provider id, name or id, as a whole. A longer timespan (since) may have more.`
    : 'No request of this timespan fits. A longer timespan (since) or fewer filters may have more.';
