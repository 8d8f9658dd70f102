import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import {
  ADMINISTERED_USERS_VIEW,
  DELETED_USERS_VIEW,
  DIRECTORIES_VIEW,
  DIRECTORY_EVENT_TYPES,
  eventsViewOf,
  GROUPS_OF,
  KNOWN_AS_VIEW,
  settingsOf,
  type DirectorySettings,
  type EventRow,
  type GroupOfUser,
  type Held,
  type MappingLine,
  type Matching,
  type SignIn,
} from '#contracts';
import { isUuid } from '#runtime';
import { effectiveRoleOf, Rejected, roleSourcesOf, type Resource, type RoleSource, type WebRole } from '#scim';
import { RoleGroups } from '../groups/role-groups.queries.js';
import { StreamEvents } from '../events/stream-events.queries.js';
import { LEAST_ID } from '../http/pages.queries.js';
import { POOL } from '../injected.js';
import { MAPPING_EVENT_TYPES, mappedBy, type MappedTarget, type MappingEvent, type ShownLine } from './mapped-by.js';
import {
  isBetter,
  MATCHES,
  matchedBy,
  shown,
  soughtBy,
  type MatchedBy,
  type Sought,
  type UserColumns,
  type UserState,
  type UserView,
} from './found.js';

/** The tenants that somebody may see; null = all. */
export type Visible = readonly string[] | null;

/** The conditions that choose the users of a list. */
export interface Listing {
  readonly tenants: Visible;
  /** Left out = active and archived ones. */
  readonly state?: UserState | undefined;
  readonly directory?: string | undefined;
}

/** The place of a user in a list. */
export type Place = readonly [tenant: string, id: string];

/** A user with everything that is known of it. */
export interface ShownUser extends UserView {
  readonly version: number;
  /** Null = the user is deleted. */
  readonly attributes: Resource | null;
  /** Who keeps an archived user from acting: an administrator does so until one restores it. */
  readonly archivedBy: 'administrator' | 'directory' | null;
  /** The role on the web; null = none. */
  readonly webRole: WebRole | null;
  /** Its sources, also those that would give it if the user were not archived. */
  readonly webRoleSources: readonly ShownRoleSource[];
  /** What made the user, when, through which directory, and how it was matched. */
  readonly origin: {
    readonly by: 'provisioning' | 'sign-in';
    readonly at: Date;
    readonly directory: UserView['directory'];
    readonly actor: string;
    readonly matching: Matching | null;
  } | null;
  /** The directory that has deleted the user, who is kept as archived; null = none has. */
  readonly withdrawnFrom: UserView['directory'];
  /** Why the user is archived although the identity provider wants otherwise; null = it is not. */
  readonly held: Held | null;
  /** The paths of attributes that administrators have set. */
  readonly localAttributes: readonly string[];
  /** The lines of the attribute mapping that wrote attributes, as far as the last events tell. */
  readonly mappedBy: readonly ShownLine[];
  readonly signIns: readonly SignIn[];
  /** Groups in which the user is, directly or through others, by the order of their ids; some of very many. */
  readonly groups: readonly GroupOfUser[];
  readonly lastEvents: readonly Pick<EventRow, 'version' | 'type' | 'recordedAt' | 'actor' | 'data'>[];
}

/** Something that gives a user a web role; `group` null = the attribute `roles` does. */
export interface ShownRoleSource extends Omit<RoleSource, 'group'> {
  readonly group: { readonly id: string; readonly displayName: string } | null;
}

export interface FoundUser extends UserView {
  readonly matchedBy: MatchedBy;
}

/** A name may be that of everybody: no more are found by one text. */
const MAX_FOUND = 100;
/** Users that each index gives for one text: one user may come by several of them. */
const MAX_CANDIDATES = 2 * MAX_FOUND;
/**
 * A name that a user was given again and again, as two programs that correct each other do, must not hide the others: so
 * many rows are read where the first ones are those of few users.
 */
const MAX_KNOWN_AS_ROWS = 10 * MAX_CANDIDATES;
const MAX_TEXT_CHARACTERS = 400;
const MAX_EMAILS = 20;
/** E-mails of so many bytes in all, as nearly all users have them, are read as they are: to choose and cut takes longer. */
const MAX_EMAILS_BYTES = 2_000;
const MAX_GROUPS = 1_000;
const LAST_EVENTS = 10;
/** The last events that are looked through for lines of a mapping, and so many of those that tell of it. */
const MAX_SEARCHED_EVENTS = 1_000;
const MAX_MAPPING_EVENTS = 200;
/** Comes after each text that begins as the one before it, in the order of COLLATE "C". */
const LAST_CHARACTER = '\u{10ffff}';
const EVENTS = eventsViewOf('identity');
const DIRECTORY_EVENTS = eventsViewOf('directory');

const directoryOf = (id: string): string =>
  `(SELECT json_build_object('id', ${id}, 'name', (SELECT d.name FROM ${DIRECTORIES_VIEW} d WHERE d.id = ${id})) WHERE ${id} IS NOT NULL)`;
const text = (value: string): string => `left(${value}, ${MAX_TEXT_CHARACTERS})`;

const DIRECTORY_COLUMNS = `u.directory AS "directoryId", (SELECT d.name FROM ${DIRECTORIES_VIEW} d WHERE d.id = u.directory) AS "directoryName"`;

/** Columns of UserColumns, of users who are there and of those who were deleted. */
const COLUMNS = `
  u.id, u.tenant, ${text("u.resource->>'userName'")} AS "userName",
  CASE WHEN u.archived THEN 'archived' ELSE 'active' END AS state,
  ${text(`coalesce(nullif(btrim(u.resource->>'displayName'), ''), nullif(btrim(u.resource->'name'->>'formatted'), ''),
    nullif(concat_ws(' ', nullif(btrim(u.resource->'name'->>'givenName'), ''), nullif(btrim(u.resource->'name'->>'familyName'), '')), ''))`)} AS "displayName",
  CASE WHEN jsonb_typeof(u.resource->'emails') <> 'array' THEN NULL WHEN pg_column_size(u.resource->'emails') <= ${MAX_EMAILS_BYTES} THEN u.resource->'emails' ELSE
  (SELECT jsonb_agg(jsonb_build_object('type', left(e.one->>'type', 20), 'value', ${text("e.one->>'value'")}))
   FROM (SELECT one FROM jsonb_array_elements(u.resource->'emails') AS t(one) LIMIT ${MAX_EMAILS}) e) END AS emails,
  u.external_id AS "externalId", ${DIRECTORY_COLUMNS}, u.sign_ins AS "signIns",
  u.created, u.last_modified AS "lastModified"`;
const DELETED_COLUMNS = `
  u.id, u.tenant, u.user_name AS "userName", 'deleted' AS state, ${text('u.display_name')} AS "displayName",
  jsonb_build_array(jsonb_build_object('type', 'work', 'value', ${text('u.email')})) AS emails,
  u.external_id AS "externalId", ${DIRECTORY_COLUMNS}, NULL::jsonb AS "signIns",
  u.created, u.deleted AS "lastModified"`;

/** SQL: the users who bear what is sought, each look-up by an index of its own. */
const candidates = ({ isPrefix }: Sought, tenants: string): string => {
  const is = (column: string, value: string): string =>
    isPrefix ? `${column} >= ${value} AND ${column} < ${value} || '${LAST_CHARACTER}'` : `${column} = ${value}`;
  const known = isPrefix ? is('value', '$4') : 'value = ANY (ARRAY[$1, $3, $4])';
  const ofUsers = (kind: string, column: string, value: string): string =>
    `(SELECT tenant, id, '${kind}' AS kind, ${column} AS value FROM ${ADMINISTERED_USERS_VIEW}
      WHERE ${is(column, value)} ${tenants} LIMIT ${MAX_CANDIDATES})`;
  const ofKnown = (rows: number): string =>
    `SELECT tenant, id, kind, value FROM ${KNOWN_AS_VIEW} WHERE ${known} ${tenants} LIMIT ${rows}`;
  return [
    ofUsers('userName', 'user_name_folded', '$2'),
    ofUsers('formerUserName', 'former_upn_key', '$3'),
    ofUsers('email', 'work_email_folded', '$2'),
    ofUsers('email', 'work_email_key', '$3'),
    ofUsers('externalId', 'external_id', '$1'),
    `(WITH few AS MATERIALIZED (${ofKnown(MAX_CANDIDATES)})
      SELECT * FROM few
      UNION ALL (SELECT DISTINCT * FROM (${ofKnown(MAX_KNOWN_AS_ROWS)}) AS k
        WHERE (SELECT count(*) = ${MAX_CANDIDATES} AND (SELECT count(*) < ${MAX_FOUND} FROM (SELECT DISTINCT id FROM few) AS d) FROM few)
        LIMIT ${MAX_CANDIDATES}))`,
  ].join(' UNION ALL ');
};

/** Users as administrators see them: those that are there, and those that were deleted. */
@Injectable()
export class Users {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly events: StreamEvents,
    private readonly roleGroups: RoleGroups,
  ) {}

  /** In the order of tenants and ids, those behind a place. */
  async page({ tenants, state, directory }: Listing, after: Place | null, limit: number): Promise<UserView[]> {
    const isDeleted = state === 'deleted';
    const conditions = [
      '(u.tenant, u.id) > ($1::uuid, $2::uuid)',
      ...(tenants ? ['u.tenant = ANY ($4::uuid[])'] : ['$4::uuid[] IS NULL']),
      ...(directory === undefined ? ['$5::uuid IS NULL'] : ['u.directory = $5::uuid']),
      ...(state === 'archived' ? ['u.archived'] : []),
      ...(state === 'active' ? ['u.archived IS NULL'] : []),
    ];
    // Named, so that it is planned once: that takes as long as to read half of a page.
    const { rows } = await this.pool.query<UserColumns>({
      name: `users-${state ?? 'present'}${tenants ? '-of-tenants' : ''}${directory === undefined ? '' : '-of-directory'}`,
      text: `SELECT ${isDeleted ? DELETED_COLUMNS : COLUMNS} FROM ${isDeleted ? DELETED_USERS_VIEW : ADMINISTERED_USERS_VIEW} u
       WHERE ${conditions.join(' AND ')} ORDER BY u.tenant, u.id LIMIT $3`,
      values: [...(after ?? [LEAST_ID, LEAST_ID]), limit, tenants, directory ?? null],
    });
    return rows.map(shown);
  }

  /**
   * Everybody who has an identifier, or had it: user name, e-mail, UPN, externalId, provider id, name, id; those who
   * have it come first. A text that ends in `*` stands for all that begin with it. The first 100 at the most. Throws
   * Rejected(invalidValue).
   */
  async find(tenants: Visible, given: string, limit = MAX_FOUND): Promise<FoundUser[]> {
    const sought = soughtBy(given);
    if (sought.key === '') throw new Rejected('invalidValue', 'Nothing can be found by a text that shows nothing.');
    // Named, because to read and plan them takes longer than they do.
    const { rows } = await this.pool.query<{ tenant: string; id: string; kind: MatchedBy; value: string }>({
      name: `found-by-${sought.isPrefix ? 'beginning' : 'identifier'}-in-${tenants ? 'tenants' : 'all'}`,
      text: candidates(sought, tenants ? 'AND tenant = ANY ($5::uuid[])' : 'AND $5::uuid[] IS NULL'),
      values: [sought.exact, sought.folded, sought.key, sought.name, tenants],
    });
    const id = sought.exact.toLowerCase();
    const tenant = isUuid(id) ? await this.tenantOf(tenants, id) : null;
    const candidatesOf = byUser([
      ...(tenant === null ? [] : [{ tenant, id, kind: 'id' as const, value: id }]),
      ...rows,
    ]);
    const wanted = Math.min(limit, MAX_FOUND);
    const found: FoundUser[] = [];
    // The others are read only if one of them may come before one of the first, who has another name by now.
    for (const some of [candidatesOf.slice(0, wanted), candidatesOf.slice(wanted, MAX_CANDIDATES)]) {
      const best = some[0]?.[0].kind;
      if (!best || found.filter(({ matchedBy: by }) => !isBetter(best, by)).length >= wanted) break;
      const users = await this.byIds(some.map(([first]) => first));
      for (const ofOne of some) {
        const user = users.get(ofOne[0].id);
        if (!user) continue;
        const all = ofOne.map(({ kind, value }) => matchedBy(user, kind, value));
        found.push({ ...shown(user), matchedBy: all.reduce((one, other) => (isBetter(other, one) ? other : one)) });
      }
    }
    return found
      .sort((a, b) =>
        isBetter(a.matchedBy, b.matchedBy) ? -1 : isBetter(b.matchedBy, a.matchedBy) ? 1 : a.id < b.id ? -1 : 1,
      )
      .slice(0, wanted);
  }

  /** Throws Rejected(notFound). */
  async show(given: string): Promise<ShownUser> {
    const id = given.toLowerCase();
    const tenant = isUuid(id) ? await this.tenantOf(null, id) : null;
    if (tenant === null) throw noUser(id);
    const user = (await this.byIds([{ tenant, id }])).get(id);
    if (!user) throw noUser(id);
    const { rows } = await this.pool.query<{
      resource: Resource | null;
      version: number;
      archival: object | null;
      withdrawnFrom: UserView['directory'];
      held: Held | null;
      local: readonly string[] | null;
      groups: readonly GroupOfUser[] | null;
      settings: Partial<DirectorySettings> | null;
    }>(
      `SELECT coalesce(u.version, d.version) AS version, u.resource, u.archival, u.holds AS held, u.local,
         ${directoryOf('u.withdrawn_from')} AS "withdrawnFrom",
         (SELECT settings FROM ${DIRECTORIES_VIEW} WHERE id = u.directory) AS settings, (SELECT json_agg(g.*) FROM (
           SELECT id, directory, display, direct FROM ${GROUPS_OF}($1, ARRAY[$2::uuid]) LIMIT ${MAX_GROUPS}) g) AS groups
       FROM (SELECT) AS one
       LEFT JOIN ${ADMINISTERED_USERS_VIEW} u ON u.tenant = $1 AND u.id = $2
       LEFT JOIN ${DELETED_USERS_VIEW} d ON d.tenant = $1 AND d.id = $2`,
      [tenant, id],
    );
    const { resource, version, archival, withdrawnFrom, held, local, groups, settings } = rows[0]!;
    const sources = resource ? await this.roleSources({ id, tenant, resource, settings }) : [];
    const [first] = await this.events.page('user', id, 0, 1);
    const last = await this.events.page('user', id, Math.max(0, version - LAST_EVENTS), LAST_EVENTS);
    return {
      ...shown(user),
      version,
      attributes: resource,
      archivedBy: user.state !== 'archived' ? null : archival ? 'administrator' : 'directory',
      webRole: resource && effectiveRoleOf(resource, sources),
      webRoleSources: sources,
      origin: first ? await this.originOf(first) : null,
      withdrawnFrom,
      held,
      localAttributes: local ?? [],
      mappedBy: resource ? await this.mappedBy(id, version) : [],
      signIns: user.signIns ?? [],
      groups: groups ?? [],
      lastEvents: last.map(({ version: number, type, recordedAt, actor, data }) => ({
        version: number,
        type,
        recordedAt,
        actor,
        data,
      })),
    };
  }

  private async roleSources({
    id,
    tenant,
    resource,
    settings,
  }: {
    readonly id: string;
    readonly tenant: string;
    readonly resource: Resource;
    /** Null = no directory manages the user. */
    readonly settings: Partial<DirectorySettings> | null;
  }): Promise<readonly ShownRoleSource[]> {
    const rules = settings && settingsOf(settings);
    const mapped = Object.keys(rules?.groupRoles ?? {});
    const groups = (await this.roleGroups.memberships(tenant, mapped, id, id)).get(id) ?? [];
    const names = await this.roleGroups.namesOf(tenant, groups);
    return roleSourcesOf(resource, groups, rules).map(({ group, ...source }) => ({
      group: group === null ? null : { id: group, displayName: names.get(group) ?? group },
      ...source,
    }));
  }

  private async tenantOf(tenants: Visible, id: string): Promise<string | null> {
    const { rows } = await this.pool.query<{ tenant: string }>(
      `SELECT tenant FROM ${EVENTS} WHERE stream = $1 AND version = 1`,
      [id],
    );
    const tenant = rows[0]?.tenant;
    return tenant !== undefined && (!tenants || tenants.includes(tenant)) ? tenant : null;
  }

  private async byIds(
    found: readonly { readonly tenant: string; readonly id: string }[],
  ): Promise<Map<string, UserColumns>> {
    const { rows } = await this.pool.query<UserColumns>({
      name: 'users-by-ids',
      text: `SELECT ${COLUMNS} FROM unnest($1::uuid[], $2::uuid[]) AS s(tenant, id)
       CROSS JOIN LATERAL (SELECT * FROM ${ADMINISTERED_USERS_VIEW} WHERE tenant = s.tenant AND id = s.id OFFSET 0) u
       UNION ALL SELECT ${DELETED_COLUMNS} FROM unnest($1::uuid[], $2::uuid[]) AS s(tenant, id)
       CROSS JOIN LATERAL (SELECT * FROM ${DELETED_USERS_VIEW} WHERE tenant = s.tenant AND id = s.id OFFSET 0) u`,
      values: [found.map(({ tenant }) => tenant), found.map(({ id }) => id)],
    });
    return new Map(rows.map((row) => [row.id, row]));
  }

  private async mappedBy(id: string, version: number): Promise<ShownLine[]> {
    const { rows } = await this.pool.query<MappingEvent>(
      `SELECT type, directory, data FROM ${EVENTS} WHERE stream = $1 AND version > $2 AND type = ANY ($3)
       ORDER BY version DESC LIMIT ${MAX_MAPPING_EVENTS}`,
      [id, version - MAX_SEARCHED_EVENTS, MAPPING_EVENT_TYPES],
    );
    const { last, once } = mappedBy(rows.toReversed());
    const lines = await this.textsOf([...last, ...once]);
    return lines.filter(({ when }, index) => index < last.length || when === 'create');
  }

  /** The lines as the settings had them in the version that wrote: each is found by the index of streams. */
  private async textsOf(lines: readonly MappedTarget[]): Promise<ShownLine[]> {
    if (lines.length === 0) return [];
    const { rows } = await this.pool.query<{ text: MappingLine | null }>(
      `SELECT (SELECT e.data->'settings'->'attributeMapping'->(l.line - 1) FROM ${DIRECTORY_EVENTS} e
         WHERE e.stream = l.directory AND e.version <= l.version AND e.type = $4
           AND e.data->'settings'->'attributeMapping' IS NOT NULL
         ORDER BY e.version DESC LIMIT 1) AS text
       FROM unnest($1::uuid[], $2::int[], $3::int[]) WITH ORDINALITY AS l(directory, version, line, n) ORDER BY n`,
      [
        lines.map(({ directory }) => directory),
        lines.map(({ directoryVersion }) => directoryVersion),
        lines.map(({ line }) => line),
        DIRECTORY_EVENT_TYPES.DirectoryChanged,
      ],
    );
    return lines.map((line, index) => {
      const text = rows[index]!.text;
      return { ...line, expression: text?.expression ?? null, when: text ? (text.when ?? 'always') : null };
    });
  }

  private async originOf({ type, recordedAt, directory, actor, data }: EventRow): Promise<ShownUser['origin']> {
    const { rows } = await this.pool.query<{ directory: UserView['directory'] }>(
      `SELECT ${directoryOf('s.id')} AS directory FROM (SELECT $1::uuid AS id) s`,
      [directory],
    );
    const isSignIn = type !== 'muster.user.created.v1' && (data as { manager?: string | null }).manager === null;
    return {
      by: isSignIn ? 'sign-in' : 'provisioning',
      at: recordedAt,
      directory: rows[0]!.directory,
      actor,
      matching: data.matching ?? null,
    };
  }
}

interface Candidate {
  readonly tenant: string;
  readonly id: string;
  readonly kind: MatchedBy;
  readonly value: string;
}

/** Everything by which each user was found, what says most first; users in the order of what says most of them. */
const byUser = (found: readonly Candidate[]): readonly (readonly [Candidate, ...Candidate[]])[] => {
  const inOrder = MATCHES.flatMap((kind) => found.filter((one) => one.kind === kind));
  return [...Map.groupBy(inOrder, ({ id }) => id).values()] as [Candidate, ...Candidate[]][];
};

const noUser = (id: string): Rejected =>
  new Rejected('notFound', `There is no user with the id ${id}, and none was deleted.`);
