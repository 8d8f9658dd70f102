import { Get, Param, Query } from '@nestjs/common';
import { IsOptional, IsString, IsUUID } from 'class-validator';
import { isUuid } from '#runtime';
import { quote, Rejected } from '#scim';
import { AuditController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { PageQuery, Pages, rowsOf, type Listed } from '../http/pages.queries.js';
import {
  BOOLEAN,
  ID,
  listOf,
  MOMENT,
  nullable,
  NUMBER,
  OBJECT,
  objectOf,
  oneOf,
  pageOf,
  TEXT,
} from '../http/shapes.js';
import { SUBJECT_TYPES } from './actions.js';
import { CHANGE, NAMED_MEMBER, SHOWN_ENTRY } from './entries.controller.js';
import { Histories, STATES, type Difference, type SubjectState, type TracedEntry } from './histories.queries.js';
import { momentIn } from './moments.js';
import { People } from './people.queries.js';
import { checkTenant, Reads, type Reader } from './reader.guard.js';
import { Readings } from './readings.sender.js';

class OfPerson extends PageQuery {
  /** The id of a tenant; left out = any. */
  @IsOptional() @IsUUID() tenant?: string;
}

class AtMoment {
  /** Such as 2026-01-31T12:00:00Z, or a day; left out = now. */
  @IsOptional() @IsString() at?: string;
  /** Another moment, to which the first one is compared. */
  @IsOptional() @IsString() compare?: string;
}
class PersonAtMoment extends AtMoment {
  /** The id of a tenant; left out = any. */
  @IsOptional() @IsUUID() tenant?: string;
}

const STATE = {
  subject: objectOf<SubjectState['subject']>({ type: oneOf(SUBJECT_TYPES), id: ID, name: nullable(TEXT) }),
  at: MOMENT,
  state: oneOf(STATES),
  version: NUMBER,
  since: nullable(MOMENT),
  isComplete: BOOLEAN,
  purgedUntil: nullable(MOMENT),
  attributes: OBJECT,
  memberCount: NUMBER,
  members: listOf(NAMED_MEMBER),
};
const SHOWN_STATE = objectOf<Awaited<ReturnType<Histories['state']>>>(
  {
    ...STATE,
    compared: nullable(
      objectOf<SubjectState & Difference>({
        ...STATE,
        changes: listOf(CHANGE),
        added: listOf(NAMED_MEMBER),
        removed: listOf(NAMED_MEMBER),
      }),
    ),
  },
  'State',
);

const PERSON = 'A person is named by any identifier that it has or ever had, also one that was deleted.';

/** The history of one person, group or other thing, and how it was at any moment. */
@AuditController('')
export class HistoriesController {
  constructor(
    private readonly histories: Histories,
    private readonly people: People,
    private readonly pages: Pages,
    private readonly readings: Readings,
  ) {}

  @Get('people/:person/history')
  @Needs('audit')
  @Documented({
    summary: 'List everything that happened to a person, with values, the oldest first',
    description: PERSON,
    query: OfPerson,
    answer: pageOf(SHOWN_ENTRY),
  })
  async ofPerson(
    @Param('person') person: string,
    @Query() query: unknown,
    @Reads() reader: Reader,
  ): Promise<Listed<TracedEntry>> {
    const page = checked(OfPerson, query);
    const { id, tenant } = await this.people.find(page.tenant ?? reader.key.tenant, person);
    return this.history(reader, tenant, id, page);
  }

  @Get('people/:person/state')
  @Needs('audit')
  @Documented({
    summary: 'Show a person at any past moment, and the difference to another',
    description: PERSON,
    query: PersonAtMoment,
    answer: SHOWN_STATE,
  })
  async stateOfPerson(
    @Param('person') person: string,
    @Query() query: unknown,
    @Reads() reader: Reader,
  ): ReturnType<Histories['state']> {
    const asked = checked(PersonAtMoment, query);
    const moments = momentsIn(asked);
    const { id, tenant } = await this.people.find(asked.tenant ?? reader.key.tenant, person);
    return this.state(reader, tenant, id, moments);
  }

  @Get('subjects/:id/history')
  @Needs('audit')
  @Documented({
    summary:
      'List everything that happened to a user, group, directory, token or another thing, with values, the oldest first',
    query: PageQuery,
    answer: pageOf(SHOWN_ENTRY),
  })
  async ofSubject(
    @Param('id') given: string,
    @Query() query: unknown,
    @Reads() reader: Reader,
  ): Promise<Listed<TracedEntry>> {
    const page = checked(PageQuery, query);
    const id = idIn(given);
    return this.history(reader, await this.histories.tenantOf(id), id, page);
  }

  @Get('subjects/:id/state')
  @Needs('audit')
  @Documented({
    summary: 'Show a user, group or another thing at any past moment, and the difference to another',
    description:
      'Of a group with its members. `compared` is the second moment, with what changed from the first to it.',
    query: AtMoment,
    answer: SHOWN_STATE,
  })
  async stateOfSubject(
    @Param('id') given: string,
    @Query() query: unknown,
    @Reads() reader: Reader,
  ): ReturnType<Histories['state']> {
    const moments = momentsIn(checked(AtMoment, query));
    const id = idIn(given);
    return this.state(reader, await this.histories.tenantOf(id), id, moments);
  }

  private async history(reader: Reader, tenant: string, id: string, page: PageQuery): Promise<Listed<TracedEntry>> {
    checkTenant(reader.key, tenant);
    const of = ['history', id];
    const from = this.pages.placeIn<number>(of, page);
    await this.readings.record(reader, tenant, 'history', { subject: id, ...(from === null ? {} : { from }) });
    const { items, next } = await this.histories.history(tenant, id, from ?? 0, rowsOf(page));
    if (items.length === 0 && from === null) throw noEntries(id);
    return { items, next: next === null ? null : this.pages.cursorOf(of, next) };
  }

  private async state(
    reader: Reader,
    tenant: string,
    id: string,
    { at, compare }: { readonly at: string; readonly compare: string | undefined },
  ): ReturnType<Histories['state']> {
    checkTenant(reader.key, tenant);
    await this.readings.record(reader, tenant, 'state', { subject: id, at, compare });
    return this.histories.state(tenant, id, at, compare);
  }
}

const noEntries = (id: string): Rejected =>
  new Rejected(
    'notFound',
    `The audit log has nothing of ${id} yet: what was done a moment ago is there within some seconds.`,
  );

/** Throws Rejected(notFound). */
const idIn = (given: string): string => {
  if (isUuid(given)) return given.toLowerCase();
  throw new Rejected(
    'notFound',
    `${quote(given)} is no id. A person is found by name at /people/${encodeURIComponent(given.slice(0, 40))}/history.`,
  );
};

/** Throws Rejected(invalidValue). */
const momentsIn = ({ at, compare }: AtMoment): { readonly at: string; readonly compare: string | undefined } => ({
  at: momentIn('at', at) ?? new Date().toISOString(),
  compare: momentIn('compare', compare),
});
