import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';
import type { Pool, QueryConfig, QueryResultRow } from 'pg';
import { GROUPS_VIEW, MEMBERS_VIEW, USERS_VIEW, WITHDRAWN_VIEW, type GroupSnapshot, type Member } from '#contracts';
import { inSlices, nextSlice, NoSlot, type Slots } from '#runtime';
import { Rejected, type Place, type Selection } from '#scim';
import type { Caller } from '../caller.js';
import type { Scope } from './resource-tables.js';
import { LIST_END, listBegin, toGroup, toMember, wantsMembers, wantsNames } from './to-response.js';

/** So many members are read at a time, so that a group of any size takes the same memory. */
const MEMBERS_PER_PAGE = 1_000;
/** A longer list is sent in pieces of this length. */
const PIECE_CHARACTERS = 131_072;
const LEAST_ID = '00000000-0000-0000-0000-000000000000';

/** The material of a page of users and groups. */
export interface MixedPage {
  /** Each as JSON. */
  readonly users: readonly string[];
  readonly groups: readonly Head[];
  readonly totalResults: number;
  readonly place: Place;
  /** The attributes of groups that are to be shown. */
  readonly selection: Selection | undefined;
}

/** A page as JSON: as a whole, or in pieces where it is long or members are read for it. */
export type ListAnswer = string | StreamableFile;

/** An answer in pieces. It says how much of it is held in memory at a time, which is less than its length. */
export interface HeldStream {
  readonly heldBytes: number;
}

/** `requireToken` is asked again for each piece: a large group is read for minutes. */
export type Reader = Scope & Pick<Caller, 'requireToken'>;

/** A group, without its members. */
export interface Head {
  readonly id: string;
  readonly memberCount: number;
  /** JSON. */
  readonly text: string;
}

interface NamedMember extends Member {
  /** Null = it is not asked for, or not to be seen. */
  readonly display: string | null;
}
interface MembersOfGroup {
  readonly group: string;
  readonly members: readonly NamedMember[];
}
interface MemberRow {
  readonly member: string;
  readonly kind: string;
  readonly display: string | null;
  readonly hidden: boolean;
}
type NameReader = Reader & { readonly wantsNames: boolean };

/** The bytes of a member in an answer, with a name of usual length; with the longest one it is twice that. */
const MEMBER_BYTES = 240;
/** The longest name of a member that is shown: a page of the longest names that there may be would have 130 MB. */
const MAX_DISPLAY_CHARACTERS = 200;
/**
 * The name of a user is not shown when the user, as stored, is longer than this: all of it would be read for the name,
 * and a page may have 1,000 users.
 */
const MAX_USER_BYTES = 8_000;
/**
 * SQL: the name of a member `m` as the directory `$2` sees it, by the primary key; `$3` and `$4`: whether it sees
 * users, and groups, of nobody. A member that is not seen, or has just been deleted, has none.
 */
const DISPLAY = `
  CASE m.kind WHEN 'U' THEN (
    SELECT CASE WHEN pg_column_size(u.resource) <= ${MAX_USER_BYTES} THEN left(coalesce(nullif(u.resource->>'displayName', ''), u.resource->>'userName'), ${MAX_DISPLAY_CHARACTERS}) END
    FROM ${USERS_VIEW} u WHERE u.tenant = $1 AND u.id = m.member AND (u.directory = $2 OR (u.directory IS NULL AND $3)))
  ELSE (
    SELECT left(g.resource->>'displayName', ${MAX_DISPLAY_CHARACTERS})
    FROM ${GROUPS_VIEW} g WHERE g.tenant = $1 AND g.id = m.member AND (g.directory = $2 OR (g.directory IS NULL AND $4))) END`;

/** SQL: whether the directory of a member has deleted it: the membership is kept, but is shown to no client. */
const HIDDEN = `EXISTS (SELECT FROM ${WITHDRAWN_VIEW} w WHERE w.id = m.member AND w.tenant = $1 OFFSET 0)`;
const shownOf = (rows: readonly MemberRow[]): readonly NamedMember[] => rows.filter(({ hidden }) => !hidden).map(ofRow);

/**
 * The columns that a statement reads of each member, with its first parameters; `next` is the number of the one after
 * them. Names are read only where they are shown.
 */
const asked = ({
  tenant,
  directory,
  seesUnmanaged,
  seesLocalGroups,
  wantsNames: isNamed,
}: NameReader): { suffix: string; display: string; values: readonly unknown[]; next: number } =>
  isNamed
    ? { suffix: '-named', display: DISPLAY, values: [tenant, directory, seesUnmanaged, seesLocalGroups], next: 5 }
    : { suffix: '', display: 'NULL::text', values: [tenant], next: 2 };

/**
 * Reads the members of groups, and writes groups with them as JSON in pieces: there may be more than fit into memory.
 */
export class MemberQueries {
  constructor(
    private readonly pool: Pool,
    private readonly scimBaseUrl: string,
    private readonly slots: Slots,
  ) {}

  /** A group as a client sees it; it is streamed only where members are to be shown. */
  show(reader: Reader, group: GroupSnapshot, selection: Selection | undefined): object {
    if (!hasMembers([group], selection)) return toGroup(group, reader.definitions, this.scimBaseUrl, selection);
    const head = this.headOf(reader, group, selection);
    return inPieces(this.texts(reader, [head], selection), [head]);
  }

  /** A page of users and then groups (RFC 7644 §3.4.3). */
  async showPage(reader: Reader, { users, groups, totalResults, place, selection }: MixedPage): Promise<ListAnswer> {
    const streamed = hasMembers(groups, selection) ? groups : [];
    const whole = streamed.length > 0 ? users : [...users, ...groups.map(({ text }) => text)];
    const begin = listBegin(totalResults, place, users.length + groups.length);
    const pieces = [...piecesOf(begin, whole, streamed.length === 0 ? LIST_END : users.length > 0 ? ',' : '')];
    if (streamed.length === 0 && pieces.length === 1) return pieces[0]!;
    const held = await inSlices(pieces, (piece) => Buffer.from(piece));
    return inPieces(
      this.pageTexts(reader, held, streamed, selection),
      streamed,
      held.reduce((sum, { length }) => sum + length, 0),
    );
  }

  headOf({ definitions }: Reader, group: GroupSnapshot, selection: Selection | undefined): Head {
    return {
      id: group.id,
      memberCount: group.memberCount,
      text: JSON.stringify(toGroup(group, definitions, this.scimBaseUrl, selection)),
    };
  }

  private async *pageTexts(
    reader: Reader,
    pieces: readonly Buffer[],
    heads: readonly Head[],
    selection: Selection | undefined,
  ): AsyncGenerator<Buffer | string> {
    for (const piece of pieces) {
      yield piece;
      // To hand 4 MiB to a connection that takes them at once would take 15 ms.
      await nextSlice();
    }
    if (heads.length === 0) return;
    yield* this.texts(reader, heads, selection);
    yield LIST_END;
  }

  private async *texts(
    reader: Reader,
    heads: readonly Head[],
    selection: Selection | undefined,
  ): AsyncGenerator<string> {
    const withMembers = wantsMembers(selection) ? heads.filter(({ memberCount }) => memberCount > 0) : [];
    const pages = this.pages({ ...reader, wantsNames: wantsNames(selection) }, withMembers);
    let page = await pages.next();
    for (const [index, { id, text }] of heads.entries()) {
      if (index > 0) yield ',';
      if (page.done || page.value.group !== id) {
        yield text;
        continue;
      }
      yield `${text.slice(0, -1)},"members":[`;
      for (let separator = ''; !page.done && page.value.group === id; page = await pages.next()) {
        yield (
          separator +
          page.value.members.map((member) => JSON.stringify(toMember(member, this.scimBaseUrl, selection))).join(',')
        );
        separator = ',';
      }
      yield ']}';
    }
  }

  /**
   * Reads the members of one group after the other; each page is of one group. Small groups are read together. A user
   * or group that is a member all the time comes exactly once; one that joins or leaves meanwhile may come or not.
   */
  private async *pages(reader: NameReader, groups: readonly Head[]): AsyncGenerator<MembersOfGroup, void> {
    for (let at = 0; at < groups.length;) {
      const together: string[] = [];
      for (
        let sum = 0;
        at < groups.length && (together.length === 0 || sum + groups[at]!.memberCount <= MEMBERS_PER_PAGE);
        at++
      ) {
        sum += groups[at]!.memberCount;
        together.push(groups[at]!.id);
      }
      yield* this.all(reader, together);
    }
  }

  private async *all(reader: NameReader, groups: readonly string[]): AsyncGenerator<MembersOfGroup, void> {
    if (groups.length === 1) return yield* this.large(reader, groups[0]!);
    const { suffix, display, values, next } = asked(reader);
    const rows = await this.read<MemberRow & { group_id: string }>(reader, {
      name: `members-of-groups${suffix}`,
      text: `SELECT m.group_id, m.member, m.kind, ${display} AS display, ${HIDDEN} AS hidden FROM unnest($${next}::uuid[]) WITH ORDINALITY AS t(id, place)
        CROSS JOIN LATERAL (SELECT * FROM ${MEMBERS_VIEW} WHERE tenant = $1 AND group_id = t.id ORDER BY member LIMIT ${MEMBERS_PER_PAGE}) m
        ORDER BY t.place, m.member`,
      values: [...values, groups],
    });
    for (const [group, members] of Map.groupBy(rows, ({ group_id }) => group_id)) {
      const shown = shownOf(members);
      if (shown.length > 0) yield { group, members: shown };
      // The group has grown since its members were counted.
      if (members.length === MEMBERS_PER_PAGE) yield* this.large(reader, group, members.at(-1)!.member);
    }
  }

  private async *large(reader: NameReader, group: string, from = LEAST_ID): AsyncGenerator<MembersOfGroup, void> {
    const { suffix, display, values, next } = asked(reader);
    for (let after = from, full = true; full;) {
      const rows = await this.read<MemberRow>(reader, {
        name: `members-of-group${suffix}`,
        text: `SELECT m.member, m.kind, ${display} AS display, ${HIDDEN} AS hidden FROM ${MEMBERS_VIEW} m
          WHERE m.tenant = $1 AND m.group_id = $${next} AND m.member > $${next + 1} ORDER BY m.member LIMIT ${MEMBERS_PER_PAGE}`,
        values: [...values, group, after],
      });
      const members = shownOf(rows);
      if (members.length > 0) yield { group, members };
      full = rows.length === MEMBERS_PER_PAGE;
      after = rows.at(-1)?.member ?? after;
    }
  }

  /** One statement, in its turn among those of other tenants, and only for a client that is there and may ask. */
  private async read<Row extends QueryResultRow>(
    { tenant, requireToken, requireClient }: Reader,
    statement: QueryConfig,
  ): Promise<Row[]> {
    try {
      const { rows } = await this.slots.run(tenant, async () => {
        requireClient?.();
        await requireToken();
        return this.pool.query<Row>(statement);
      });
      return rows;
    } catch (error) {
      if (!(error instanceof NoSlot)) throw error;
      throw new Rejected(
        'tooManyRequests',
        `The members of too many groups are read at once: ${error.message}. Send the request again later.`,
      );
    }
  }
}

/** Puts together what is rendered already. A text that is longer than a piece is a piece of its own. */
function* piecesOf(begin: string, texts: readonly string[], end: string): Generator<string> {
  let piece = begin;
  for (const [index, text] of texts.entries()) {
    if (piece.length > PIECE_CHARACTERS) {
      yield piece;
      piece = '';
    }
    piece += index > 0 ? `,${text}` : text;
  }
  yield piece + end;
}

/**
 * The stream is not in object mode, in which it would hold 16 pieces. It is a StreamableFile, because Nest reads any
 * other stream into one of its own, and nobody knows how much that holds.
 */
const inPieces = (texts: AsyncGenerator<Buffer | string>, heads: readonly Head[], bytes = 0): StreamableFile => {
  const members = Math.min(
    2 * MEMBERS_PER_PAGE,
    heads.reduce((sum, { memberCount }) => sum + memberCount, 0),
  );
  const heldBytes = heads.reduce((sum, { text }) => sum + text.length, bytes) + members * MEMBER_BYTES;
  const stream: Readable & HeldStream = Object.assign(Readable.from(texts, { objectMode: false }), { heldBytes });
  return new StreamableFile(stream);
};

const hasMembers = (groups: readonly { readonly memberCount: number }[], selection: Selection | undefined): boolean =>
  groups.some(({ memberCount }) => memberCount > 0) && wantsMembers(selection);

const ofRow = ({ member, kind, display }: MemberRow): NamedMember => ({
  value: member,
  type: kind === 'U' ? 'User' : 'Group',
  display,
});
