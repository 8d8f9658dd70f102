import { Readable } from 'node:stream';
import type { Pool } from 'pg';
import { MEMBERS_VIEW, type GroupRow, type GroupSnapshot, type Member, type UserRow } from '#contracts';
import { LIST_RESPONSE_URN, listResponse, type Place, type Selection } from '#scim';
import { ofGroupRow, ofUserRow, toGroup, toMember, toUser, wantsMembers, type Seer } from './to-response.js';

/** Members that are read at once: what a group of any size takes of memory. */
const MEMBERS_PER_PAGE = 2_000;
const LEAST_ID = '00000000-0000-0000-0000-000000000000';

/** What a page of users and groups is made of. */
export interface MixedPage {
  readonly users: readonly UserRow[];
  readonly groups: readonly GroupRow[];
  readonly totalResults: number;
  readonly place: Place;
  readonly selections: { readonly users: Selection | undefined; readonly groups: Selection | undefined };
}

/** Who reads, and of which tenant. */
export type Reader = Seer & { readonly tenant: string };

interface MembersOfGroup {
  readonly group: string;
  readonly members: readonly Member[];
}

/** Reads the members of groups, and writes groups with them as JSON in pieces: there may be more than fit into memory. */
export class MemberQueries {
  constructor(private readonly pool: Pool, private readonly scimBaseUrl: string) {}

  /** A group as a client sees it: as a whole where no members are to be shown. */
  show(reader: Reader, group: GroupSnapshot, selection: Selection | undefined): object {
    if (!hasMembers([group], selection)) return toGroup(group, reader.definitions, this.scimBaseUrl, selection);
    return Readable.from(this.texts(reader, [group], selection));
  }

  /** A page of users and then groups (RFC 7644 §3.4.3). */
  showPage(reader: Reader, page: MixedPage): object {
    const { users, groups, totalResults, place, selections } = page;
    if (hasMembers(groups, selections.groups)) return Readable.from(this.pageTexts(reader, page));
    const resources = [
      ...users.map((row) => toUser(ofUserRow(row), reader, this.scimBaseUrl, selections.users)),
      ...groups.map((row) => toGroup(ofGroupRow(row), reader.definitions, this.scimBaseUrl, selections.groups)),
    ];
    return listResponse(resources, totalResults, place, resources.length);
  }

  private async *pageTexts(reader: Reader, page: MixedPage): AsyncGenerator<string> {
    const { users, groups, totalResults, place, selections } = page;
    const head = { schemas: [LIST_RESPONSE_URN], totalResults, ...place, itemsPerPage: users.length + groups.length };
    yield `${JSON.stringify(head).slice(0, -1)},"Resources":[`;
    yield users.map((row) => JSON.stringify(toUser(ofUserRow(row), reader, this.scimBaseUrl, selections.users))).join(',');
    if (users.length > 0 && groups.length > 0) yield ',';
    yield* this.texts(reader, groups.map(ofGroupRow), selections.groups);
    yield ']}';
  }

  private async *texts({ tenant, definitions }: Reader, groups: readonly GroupSnapshot[], selection: Selection | undefined): AsyncGenerator<string> {
    const withMembers = wantsMembers(selection) ? groups.filter(({ memberCount }) => memberCount > 0) : [];
    const pages = this.pages(tenant, withMembers);
    let page = await pages.next();
    for (const [index, group] of groups.entries()) {
      const text = JSON.stringify(toGroup(group, definitions, this.scimBaseUrl, selection));
      if (index > 0) yield ',';
      if (page.done || page.value.group !== group.id) {
        yield text;
        continue;
      }
      yield `${text.slice(0, -1)},"members":[`;
      for (let separator = ''; !page.done && page.value.group === group.id; page = await pages.next()) {
        yield separator + page.value.members.map((member) => JSON.stringify(toMember(member, this.scimBaseUrl, selection))).join(',');
        separator = ',';
      }
      yield ']}';
    }
  }

  /**
   * All members of one group after another, as pages of one group each. Groups that are small are read together. Whoever is a member
   * all the time comes exactly once; whoever comes or goes meanwhile, perhaps.
   */
  private async *pages(tenant: string, groups: readonly { readonly id: string; readonly memberCount: number }[]): AsyncGenerator<MembersOfGroup, void> {
    for (let at = 0; at < groups.length; ) {
      const together: string[] = [];
      for (let sum = 0; at < groups.length && (together.length === 0 || sum + groups[at]!.memberCount <= MEMBERS_PER_PAGE); at++) {
        sum += groups[at]!.memberCount;
        together.push(groups[at]!.id);
      }
      yield* this.all(tenant, together);
    }
  }

  private async *all(tenant: string, groups: readonly string[]): AsyncGenerator<MembersOfGroup, void> {
    if (groups.length === 1) return yield* this.large(tenant, groups[0]!);
    const { rows } = await this.pool.query<{ group_id: string; member: string; kind: string }>({
      name: 'members-of-groups',
      text: `SELECT m.group_id, m.member, m.kind FROM unnest($2::uuid[]) WITH ORDINALITY AS t(id, place)
        CROSS JOIN LATERAL (SELECT * FROM ${MEMBERS_VIEW} WHERE tenant = $1 AND group_id = t.id ORDER BY member LIMIT ${MEMBERS_PER_PAGE}) m
        ORDER BY t.place, m.member`,
      values: [tenant, groups],
    });
    for (const [group, members] of Map.groupBy(rows, ({ group_id }) => group_id)) {
      yield { group, members: members.map(ofRow) };
      // It has grown since its members were counted.
      if (members.length === MEMBERS_PER_PAGE) yield* this.large(tenant, group, members.at(-1)!.member);
    }
  }

  private async *large(tenant: string, group: string, from = LEAST_ID): AsyncGenerator<MembersOfGroup, void> {
    for (let after = from, full = true; full; ) {
      const { rows } = await this.pool.query<{ member: string; kind: string }>({
        name: 'members-of-group',
        text: `SELECT member, kind FROM ${MEMBERS_VIEW} WHERE tenant = $1 AND group_id = $2 AND member > $3 ORDER BY member LIMIT ${MEMBERS_PER_PAGE}`,
        values: [tenant, group, after],
      });
      if (rows.length > 0) yield { group, members: rows.map(ofRow) };
      full = rows.length === MEMBERS_PER_PAGE;
      after = rows.at(-1)?.member ?? after;
    }
  }
}

const hasMembers = (groups: readonly { readonly memberCount: number }[], selection: Selection | undefined): boolean =>
  groups.some(({ memberCount }) => memberCount > 0) && wantsMembers(selection);

const ofRow = ({ member, kind }: { readonly member: string; readonly kind: string }): Member => ({ value: member, type: kind === 'U' ? 'User' : 'Group' });
