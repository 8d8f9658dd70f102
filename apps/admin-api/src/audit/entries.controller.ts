import { Get, Param, Query } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, IsUUID, Matches, MaxLength } from 'class-validator';
import { MEMBER_TYPES } from '#contracts';
import { isUuid } from '#runtime';
import { MAX_KEY_CHARACTERS, quote, Rejected } from '#scim';
import { AuditController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { PageQuery, Pages, rowsOf, type Listed } from '../http/pages.queries.js';
import { lowerCase, NOT_BLANK } from '../http/query-values.js';
import {
  ID,
  listOf,
  MOMENT,
  nullable,
  NUMBER,
  OBJECT,
  objectOf,
  oneOf,
  optional,
  TEXT,
  type Shape,
} from '../http/shapes.js';
import { ACTIONS, SUBJECT_TYPES } from './actions.js';
import type { AttributeChange } from './changes.js';
import { Entries, type EntryFilter, type EntryPlace } from './entries.queries.js';
import {
  eventOf,
  toldIdsIn,
  listedEntry,
  RESULTS,
  type EntryRow,
  type ListedEntry,
  type Named,
  type NamedMember,
  type Result,
  type ShownEntry,
} from './entry.js';
import type { EntryClient } from './entry-clients.queries.js';
import { Histories, type TracedEntry } from './histories.queries.js';
import { timespanIn } from './moments.js';
import { AuditNames } from './names.queries.js';
import { People } from './people.queries.js';
import { checkTenant, Reads, type Reader } from './reader.guard.js';
import { Readings } from './readings.sender.js';
import { Where } from './where.queries.js';

export const MAX_CORRELATION_CHARACTERS = 200;

class EntriesPage extends PageQuery {
  /** The id of a tenant; left out = that of what is asked for, or the first one. INSTALLATION is one: it has the entries of keys. */
  @IsOptional() @Transform(lowerCase) @IsUUID() tenant?: string;
  /** An identifier that somebody has or ever had: user name, e-mail, UPN, externalId, provider id, name, id. */
  @IsOptional() @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_KEY_CHARACTERS) person?: string;
  /** The id of a user, group, directory, token or another thing, also of one that was deleted. */
  @IsOptional() @Transform(lowerCase) @IsUUID() subject?: string;
  /** The one who did it: a name of a key, client, token or directory, or `key:<id>`, `token:<id>`, `client:<id>`, `admin`. */
  @IsOptional() @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_KEY_CHARACTERS) actor?: string;
  /** Name or id of the directory through which it came. */
  @IsOptional() @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_KEY_CHARACTERS) directory?: string;
  @IsOptional() @IsIn(ACTIONS) action?: string;
  @IsOptional() @IsIn(RESULTS) result?: Result;
  /** The correlation id of a request, which its answer has as X-Request-Id. */
  @IsOptional() @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_CORRELATION_CHARACTERS) correlation?: string;
  /** Not before this moment, such as 2026-01-31T12:00:00Z, or this day. */
  @IsOptional() @IsString() since?: string;
  /** Before this moment, or this day. */
  @IsOptional() @IsString() until?: string;
}

export const NAMED: Shape = objectOf<Named>({ id: TEXT, name: nullable(TEXT) });
const LISTED = {
  tenant: ID,
  number: NUMBER,
  at: MOMENT,
  action: oneOf(ACTIONS),
  sentence: TEXT,
  subject: objectOf<ListedEntry['subject']>({ type: oneOf(SUBJECT_TYPES), id: ID, name: nullable(TEXT) }),
  actor: NAMED,
  directory: nullable(NAMED),
  result: oneOf(RESULTS),
  reason: nullable(TEXT),
  replayOf: nullable(ID),
  matching: nullable(TEXT),
  attributes: listOf(TEXT),
  correlationId: TEXT,
  owner: TEXT,
  sequence: NUMBER,
  version: NUMBER,
};
const LISTED_ENTRY = objectOf<ListedEntry>(LISTED, 'ListedEntry');
const ANY: Shape = {};
export const CHANGE = objectOf<AttributeChange>(
  {
    attribute: TEXT,
    before: optional(ANY),
    after: optional(ANY),
    added: optional(listOf(ANY)),
    removed: optional(listOf(ANY)),
  },
  'AttributeChange',
);
export const NAMED_MEMBER = objectOf<NamedMember>(
  { type: oneOf(MEMBER_TYPES), id: ID, name: nullable(TEXT) },
  'NamedMember',
);
export const SHOWN_ENTRY = objectOf<TracedEntry>(
  {
    ...LISTED,
    values: oneOf(['shown', 'erased', 'purged']),
    changes: listOf(CHANGE),
    members: objectOf<ShownEntry['members']>({ added: listOf(NAMED_MEMBER), removed: listOf(NAMED_MEMBER) }),
    received: nullable(OBJECT),
    client: nullable(objectOf<EntryClient>({ request: ID, address: TEXT, userAgent: nullable(TEXT) })),
  },
  'Entry',
);

/** A page of a search, which ends when it has taken long enough. */
export interface Searched<Row> extends Listed<Row> {
  /** The moment back to which it has searched; null = to the end. */
  readonly searchedTo: string | null;
}
export const searchOf = (items: Shape): Shape =>
  objectOf<Searched<unknown>>({ items: listOf(items), next: nullable(TEXT), searchedTo: nullable(MOMENT) });

/** Entries of the audit log. */
@AuditController('entries')
export class EntriesController {
  constructor(
    private readonly entries: Entries,
    private readonly histories: Histories,
    private readonly names: AuditNames,
    private readonly people: People,
    private readonly where: Where,
    private readonly pages: Pages,
    private readonly readings: Readings,
  ) {}

  @Get()
  @Needs('audit')
  @Documented({
    summary: 'List entries of the audit log, the newest first',
    description:
      'Of one tenant; all filters must be true of an entry. A page ends after a second: when little fits, it may have few entries or none, and `next` goes on from `searchedTo`. Values are in the entry itself, and in a history. That you read is an entry, too.',
    query: EntriesPage,
    answer: searchOf(LISTED_ENTRY),
  })
  async list(@Query() query: unknown, @Reads() reader: Reader): Promise<Searched<ListedEntry>> {
    const page = checked(EntriesPage, query);
    const filter = await this.filterOf(page);
    checkTenant(reader.key, filter.tenant);
    const of = ['audit', filter];
    const after = this.pages.placeIn<EntryPlace>(of, page);
    const { actors: _actors, ...asked } = filter;
    await this.readings.record(reader, filter.tenant, 'entries', {
      ...asked,
      actor: page.actor,
      ...(after && { from: after.join(' ') }),
    });
    const { items, reached } = await this.entries.page(filter, after, rowsOf(page));
    return {
      items: await this.named(filter.tenant, items),
      next: reached && this.pages.cursorOf(of, reached),
      searchedTo: reached && reached[0],
    };
  }

  @Get(':tenant/:number')
  @Needs('audit')
  @Documented({
    summary: 'Show an entry, with the values before and after',
    description:
      '`tenant` and `number` are those of an entry in a list. Values of a person who was erased are shown by nobody.',
    answer: SHOWN_ENTRY,
  })
  async show(
    @Param('tenant') tenant: string,
    @Param('number') given: string,
    @Reads() reader: Reader,
  ): Promise<TracedEntry> {
    const number = /^\d{1,15}$/.test(given) ? Number(given) : null;
    if (number === null || !isUuid(tenant))
      throw new Rejected(
        'notFound',
        `There is no entry ${quote(`${tenant}/${given}`)}: its path is the id of its tenant and its number, as lists have them.`,
      );
    checkTenant(reader.key, await this.where.tenant(tenant.toLowerCase()));
    await this.readings.record(reader, tenant.toLowerCase(), 'entry', { number });
    const found = await this.entries.show(tenant, number);
    if (!found) throw new Rejected('notFound', `The audit log of the tenant ${tenant} has no entry ${number}.`);
    return this.histories.entry(tenant.toLowerCase(), found);
  }

  /** Throws Rejected: what was asked for is not there. */
  private async filterOf(page: EntriesPage): Promise<EntryFilter> {
    const { action, result, correlation } = page;
    const person = page.person === undefined ? undefined : await this.people.find(page.tenant ?? null, page.person);
    if (person && page.subject !== undefined)
      throw new Rejected('invalidValue', 'person and subject both say of whom: leave one of them out.');
    const subject = page.subject ?? person?.id;
    const ofSubject = subject === undefined ? undefined : (person?.tenant ?? (await this.histories.tenantOf(subject)));
    const directory =
      page.directory === undefined
        ? undefined
        : await this.where.directory(page.tenant ?? ofSubject ?? null, page.directory);
    const tenant = await this.where.tenant(page.tenant ?? ofSubject ?? directory?.tenant);
    const actors = page.actor === undefined ? undefined : await this.names.actors(tenant, page.actor);
    if (actors?.length === 0)
      throw new Rejected(
        'notFound',
        `No key, client, token or directory is called ${quote(page.actor!)}: key list, token list and directory list show their names; key:<id>, token:<id> and client:<id> are taken, too.`,
      );
    return {
      tenant,
      ...(subject === undefined ? {} : { subject }),
      ...(actors && { actors }),
      ...(directory && { directory: directory.id }),
      ...(action === undefined || action === null ? {} : { action }),
      ...(result === undefined || result === null ? {} : { result }),
      ...(correlation === undefined || correlation === null ? {} : { correlation }),
      ...timespanIn(page),
    };
  }

  private async named(tenant: string, rows: readonly EntryRow[]): Promise<ListedEntry[]> {
    const events = rows.map((row) => eventOf(row, null));
    const names = await this.names.of(
      tenant,
      rows.flatMap((row, index) => [row.stream, row.actor, row.directory, ...toldIdsIn(events[index]!)]),
    );
    return rows.map((row, index) => listedEntry(row, events[index]!, names));
  }
}
