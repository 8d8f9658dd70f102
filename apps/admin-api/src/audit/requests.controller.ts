import { Get, Param, Query } from '@nestjs/common';
import { Transform, Type } from 'class-transformer';
import { IsBoolean, IsInt, IsOptional, IsString, IsUUID, Matches, Max, MaxLength, Min } from 'class-validator';
import { ASKED_FACES, EFFECTS, idMs } from '#contracts';
import { MAX_KEY_CHARACTERS } from '#scim';
import { AuditController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { PageQuery, Pages, rowsOf } from '../http/pages.queries.js';
import { asBoolean, NOT_BLANK } from '../http/query-values.js';
import { ID, listOf, MOMENT, nullable, NUMBER, objectOf, oneOf, TEXT } from '../http/shapes.js';
import { MAX_CORRELATION_CHARACTERS, NAMED, searchOf, type Searched } from './entries.controller.js';
import { Bearers } from './bearers.queries.js';
import type { Named } from './entry.js';
import { timespanIn } from './moments.js';
import { AuditNames } from './names.queries.js';
import { checkTenant, Reads, type Reader } from './reader.guard.js';
import { Readings } from './readings.sender.js';
import { unrepeatable, unsendable } from './replayable.js';
import { Replays, type Replay } from './replays.queries.js';
import { helpfulCommands, whatToDo } from './what-to-do.js';
import { Where } from './where.queries.js';
import type { RequestRow } from './asked-request.js';
import { AskedRequests, type RequestFilter } from './requests.queries.js';

class RequestsPage extends PageQuery {
  /** The id of a tenant; left out = that of the directory, or the first one. INSTALLATION has those of nobody that is known. */
  @IsOptional() @IsUUID() tenant?: string;
  /** True = only requests that were refused. */
  @Transform(asBoolean) @IsBoolean() failed = false;
  /** Name or id of a directory. */
  @IsOptional() @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_KEY_CHARACTERS) directory?: string;
  /** The id of a user or group that the path names, or that was made. */
  @IsOptional() @IsUUID() object?: string;
  /** The userName or displayName in the body. */
  @IsOptional() @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_KEY_CHARACTERS) name?: string;
  @IsOptional() @Type(() => Number) @IsInt() @Min(100) @Max(599) status?: number;
  /** The correlation id of a request, which its answer has as X-Request-Id. */
  @IsOptional() @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_CORRELATION_CHARACTERS) correlation?: string;
  /** Not before this moment, such as 2026-01-31T12:00:00Z, or this day. */
  @IsOptional() @IsString() since?: string;
  /** Before this moment, or this day. */
  @IsOptional() @IsString() until?: string;
}

/** A request in a list. */
export interface ListedRequest extends Omit<RequestRow, 'directory' | 'actor'> {
  readonly directory: Named | null;
  readonly actor: Named | null;
}
type ShownRequest = ListedRequest & {
  /** Secrets are masked, and a long one is cut off; null = it had none, or it is kept nowhere. */
  readonly body: string | null;
  /** Null = it was not refused. */
  readonly whatToDo: string | null;
  /** Commands of the command line that show what was in its way, or mend it. */
  readonly commands: readonly string[];
  /** Why it cannot be sent again as things are now; null = it can be. */
  readonly notReplayable: string | null;
  /** Requests that repeat the same one, and that one itself, the oldest first. */
  readonly replays: readonly Replay[];
};

const LISTED = {
  tenant: ID,
  id: ID,
  at: MOMENT,
  durationMs: { type: 'number' },
  face: oneOf(ASKED_FACES),
  directory: nullable(NAMED),
  actor: nullable(NAMED),
  method: TEXT,
  path: TEXT,
  resourceType: nullable(TEXT),
  object: nullable(ID),
  name: nullable(TEXT),
  status: NUMBER,
  effect: nullable(oneOf([...EFFECTS, 'nothing'])),
  scimType: nullable(TEXT),
  detail: nullable(TEXT),
  address: TEXT,
  userAgent: nullable(TEXT),
  correlationId: TEXT,
  bodyBytes: NUMBER,
  ifMatch: nullable(TEXT),
  ifNoneMatch: nullable(TEXT),
  replayOf: nullable(ID),
};
const LISTED_REQUEST = objectOf<ListedRequest>(LISTED, 'ListedRequest');
const REPLAY = objectOf<Replay>({ id: ID, at: MOMENT, status: NUMBER, replayOf: nullable(ID) }, 'Replay');
const SHOWN_REQUEST = objectOf<ShownRequest>(
  {
    ...LISTED,
    body: nullable(TEXT),
    whatToDo: nullable(TEXT),
    commands: listOf(TEXT),
    notReplayable: nullable(TEXT),
    replays: listOf(REPLAY),
  },
  'Request',
);

/** Writes, and requests that were refused, as faces have told them. */
@AuditController('requests')
export class RequestsController {
  constructor(
    private readonly requests: AskedRequests,
    private readonly names: AuditNames,
    private readonly bearers: Bearers,
    private readonly where: Where,
    private readonly pages: Pages,
    private readonly readings: Readings,
    private readonly replays: Replays,
  ) {}

  @Get()
  @Needs('audit')
  @Documented({
    summary: 'List writes and refused requests, the newest first',
    description:
      'Of one tenant. A page ends after a second: when little fits, it may have few requests or none, and `next` goes on from `searchedTo`.',
    query: RequestsPage,
    answer: searchOf(LISTED_REQUEST),
  })
  async list(@Query() query: unknown, @Reads() reader: Reader): Promise<Searched<ListedRequest>> {
    const page = checked(RequestsPage, query);
    const filter = await this.filterOf(page);
    checkTenant(reader.key, filter.tenant);
    const of = ['requests', filter];
    const after = this.pages.placeIn<string>(of, page);
    // The name of a person is no part of what is kept.
    const { name, failed, ...asked } = filter;
    await this.readings.record(reader, filter.tenant, 'requests', {
      ...asked,
      failed: String(failed),
      ...(name === undefined ? {} : { name: '(one name)' }),
      ...(after && { from: after }),
    });
    const { items, reached } = await this.requests.page(filter, after, rowsOf(page));
    return {
      items: await this.named(filter.tenant, items),
      next: reached && this.pages.cursorOf(of, reached),
      searchedTo: reached && new Date(idMs(reached)).toISOString(),
    };
  }

  @Get(':id')
  @Needs('audit')
  @Documented({
    summary: 'Show a request with its body, why it was refused, and what to do',
    description:
      '`notReplayable` says why it cannot be sent again; where it is null, `POST /api/admin/v1/requests/{id}/replay` sends it again.',
    answer: SHOWN_REQUEST,
  })
  async show(@Param('id') id: string, @Reads() reader: Reader): Promise<ShownRequest> {
    const kept = await this.requests.show(reader.key.tenant, id);
    const { body, ...found } = kept;
    await this.readings.record(reader, found.tenant, 'request', { id: found.id });
    const facts = await this.replays.circumstances(found);
    const isRefused = found.status >= 400;
    const bearerOf = await this.bearers.named(found.tenant, [found]);
    return {
      ...(await this.named(found.tenant, [found]))[0]!,
      body,
      whatToDo: isRefused ? whatToDo(found, bearerOf) : null,
      commands: isRefused ? helpfulCommands(found, bearerOf) : [],
      notReplayable: unsendable(kept) ?? unrepeatable(found, facts),
      replays: facts.family,
    };
  }

  /** Throws Rejected. */
  private async filterOf(page: RequestsPage): Promise<RequestFilter> {
    const directory =
      page.directory === undefined ? undefined : await this.where.directory(page.tenant ?? null, page.directory);
    const { object, name, status, correlation, failed } = page;
    const given = { object: object?.toLowerCase(), name: name?.trim(), status, correlation };
    return {
      tenant: await this.where.tenant(page.tenant?.toLowerCase() ?? directory?.tenant),
      failed,
      ...(directory && { directory: directory.id }),
      ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null)),
      ...timespanIn(page),
    };
  }

  private async named(tenant: string, rows: readonly RequestRow[]): Promise<ListedRequest[]> {
    const names = await this.names.of(
      tenant,
      rows.flatMap(({ directory, actor }) => [directory, actor]),
    );
    const named = (id: string | null): Named | null => (id === null ? null : { id, name: names.nameOf(id) });
    return rows.map((row) => ({ ...row, directory: named(row.directory), actor: named(row.actor) }));
  }
}
