import {
  fold,
  isRejection,
  MAX_KEY_CHARACTERS,
  STANDARD,
  touchesUserName,
  uniqueKey,
  USER_URN,
  type Json,
  type PatchOperation,
  type Resource,
  type TenantSchema,
} from '#scim';
import {
  DIRECTORIES_VIEW,
  DOMAINS_VIEW,
  MEMBERS_OF_ANY,
  MEMBERS_VIEW,
  REVISIONS_VIEW,
  schemasAsJson,
  settingsSql,
  WITHDRAWN,
  type SignIn,
  type UserCommand,
} from '#contracts';
import type { Command, WritePart } from '#event-store';
import {
  externalIdKey,
  keysOf,
  signInKey,
  upnOf,
  withoutTombstone,
  workEmailOf,
  type Key,
  type KeyKind,
} from './identifiers.js';
import { chanceOf, incoming } from './incoming.js';
import type { Links } from './links.js';
import { MAX_EMAIL_BEARERS } from './matching.js';
import { personKey, tenantKey, type WrappedTenantKey } from './person-keys.projection.js';
import type { RememberedTenant, RememberedUser, UserMemory } from './user-memory.js';
import type { Directory } from './user.js';

/**
 * One query loads this for a batch: every user that a decision may look at, named by a command or not.
 */
export interface LoadedUsers {
  readonly users:
    | {
        tenant: string;
        id: string;
        directory: string | null;
        version: number;
        created: string;
        last_modified: string;
        resource: Resource;
        links: Links | null;
        wrapped: string;
        /** True if the user is in any group. */
        is_member: boolean;
      }[]
    | null;
  readonly directories: (Directory & { tenant: string })[] | null;
  readonly tenant_keys: WrappedTenantKey[] | null;
  readonly schemas: (TenantSchema & { tenant: string })[] | null;
  /** The e-mail domains that are verified in a tenant. */
  readonly domains: { tenant: string; name: string; shown_name: string }[] | null;
  /** The last event of each tenant's directories, schemas and domains. */
  readonly revisions: { tenant: string; revision: number }[] | null;
  /** Those of some groups in which a user is; one that is null = there are too many to look into. */
  readonly among: { tenant: string; id: string; groups: (string | null)[] | null }[] | null;
}

export interface Touched {
  readonly users: { tenant: string; id: string }[];
  /** Users whose name before a link may be given back. */
  readonly unlinked: { tenant: string; id: string }[];
  readonly claims: { tenant: string; kind: KeyKind; value: string }[];
  readonly former_upns: { tenant: string; value: string }[];
  readonly emails: { tenant: string; value: string }[];
  readonly external_ids: { tenant: string; directory: string; value: string }[];
  readonly tenants: string[];
  /** Users of whom it is asked in which of some groups they are. */
  readonly among: { tenant: string; id: string; groups: readonly string[] }[];
  /** Nothing is loaded: that nobody bears these keys is assumed, and the write statement looks. */
  readonly isAssumed?: boolean;
}

/**
 * SQL of the users that each part names. OFFSET 0 keeps each look-up a look-up: merged into the query, it is planned by
 * statistics, and these say nothing of an empty table.
 */
const NAMED_BY: { readonly [part in Exclude<keyof Touched, 'tenants' | 'among' | 'isAssumed'>]: string } = {
  users: "SELECT tenant, id FROM json_to_recordset(($json)->'users') AS t(tenant uuid, id uuid)",
  claims: `
    SELECT t.tenant, c.holder FROM json_to_recordset(($json)->'claims') AS t(tenant uuid, kind text, value text)
    CROSS JOIN LATERAL (SELECT holder FROM identity.claims
      WHERE tenant = t.tenant AND kind = t.kind AND value = t.value COLLATE "C" OFFSET 0) c`,
  unlinked: `
    SELECT t.tenant, c.holder FROM json_to_recordset(($json)->'unlinked') AS t(tenant uuid, id uuid)
    CROSS JOIN LATERAL (SELECT links->>'nameBefore' AS name FROM identity.users WHERE tenant = t.tenant AND id = t.id OFFSET 0) u
    CROSS JOIN LATERAL (SELECT holder FROM identity.claims
      WHERE tenant = t.tenant AND kind = 'userName' AND value = u.name COLLATE "C" OFFSET 0) c`,
  former_upns: `
    SELECT t.tenant, u.id FROM json_to_recordset(($json)->'former_upns') AS t(tenant uuid, value text)
    CROSS JOIN LATERAL (SELECT id FROM identity.users
      WHERE former_upn_key = t.value COLLATE "C" AND tenant = t.tenant LIMIT ${MAX_EMAIL_BEARERS}) u`,
  emails: `
    SELECT t.tenant, u.id FROM json_to_recordset(($json)->'emails') AS t(tenant uuid, value text)
    CROSS JOIN LATERAL (
      (SELECT id FROM identity.users WHERE work_email_folded = t.value COLLATE "C" AND tenant = t.tenant LIMIT ${MAX_EMAIL_BEARERS})
      UNION ALL
      (SELECT id FROM identity.users WHERE work_email_key = t.value COLLATE "C" AND tenant = t.tenant LIMIT ${MAX_EMAIL_BEARERS})) u`,
  external_ids: `
    SELECT t.tenant, u.id FROM json_to_recordset(($json)->'external_ids') AS t(tenant uuid, directory uuid, value text)
    CROSS JOIN LATERAL (SELECT id FROM identity.users
      WHERE external_id = t.value COLLATE "C" AND tenant = t.tenant AND directory IN (t.directory, '${WITHDRAWN}') LIMIT ${MAX_EMAIL_BEARERS}) u`,
};
const NAMING = Object.keys(NAMED_BY) as (keyof typeof NAMED_BY)[];

/** Groups that contain each other densely must not hold up a lane: with more of them than these nothing is said. */
const MAX_GROUPS_AMONG = 1_000;

/** SQL: in which of some groups users are. */
const AMONG = `
  SELECT json_agg(json_build_object('tenant', t.tenant, 'id', t.id, 'groups', (SELECT json_agg(m.group_id) FROM
    ${MEMBERS_OF_ANY}(t.tenant, ARRAY(SELECT json_array_elements_text(t.groups)::uuid), t.id, t.id, ${MAX_GROUPS_AMONG}) m)))
  FROM json_to_recordset(($json)->'among') AS t(tenant uuid, id uuid, groups json)`;

/** SQL: the last event of a tenant's directories, schemas and domains. */
export const revisionOf = (tenant: string): string =>
  `coalesce((SELECT r.revision FROM ${REVISIONS_VIEW} r WHERE r.tenant = ${tenant} ORDER BY r.revision DESC LIMIT 1), 0)`;

/** SQL: whether a user is in any group. */
export const isMemberOf = (tenant: string, user: string): string =>
  `EXISTS (SELECT FROM ${MEMBERS_VIEW} m WHERE m.tenant = ${tenant} AND m.member = ${user})`;

/** The e-mail domains of a tenant, folded, as DNS has them and as people write them. */
export const domainsOf = (tenant: string, rows: NonNullable<LoadedUsers['domains']>): ReadonlySet<string> =>
  new Set(rows.flatMap((row) => (row.tenant === tenant ? [fold(row.name), fold(row.shown_name)] : [])));

/** Tells whether nothing has to be loaded. */
export const asksNothing = (touched: Touched): boolean =>
  touched.isAssumed === true || (touched.tenants.length === 0 && NAMING.every((part) => touched[part].length === 0));

/** The keys by which somebody new might be somebody who is known. */
const KEYS_OF_NEW = ['claims', 'former_upns', 'emails', 'external_ids'] as const;

/** A part of the write statement that makes its one row where nobody bears any of the keys. */
export const NOBODY_PART: WritePart = {
  name: 'nobody_known',
  // As json, the lists of all new users would be read through for each of the lists.
  type: 'jsonb',
  sql: (rows) => `
    SELECT WHERE NOT EXISTS (SELECT FROM (${KEYS_OF_NEW.map((part) => NAMED_BY[part].replace('json_to_recordset(($json)', `jsonb_to_recordset(${rows}->0`)).join(' UNION ALL ')})
      AS named(tenant, id) WHERE named.id IS NOT NULL)`,
  written: () => 1,
};
export const nobodyRows = ({ isAssumed, claims, former_upns, emails, external_ids }: Touched): readonly unknown[] =>
  isAssumed === true && claims.length + former_upns.length + emails.length + external_ids.length > 0
    ? [{ claims, former_upns, emails, external_ids }]
    : [];

/**
 * Tells whether commands are only about users who are remembered, and about new ones, whose names nearly always belong
 * to nobody: the load would find nothing, and the write statement notices if there was something to find.
 */
const mayAssume = (
  commands: readonly Command<UserCommand>[],
  touched: Touched,
  wanted: readonly Wanted[],
  memory: UserMemory | undefined,
): boolean => {
  if (!memory?.mayAssume || touched.tenants.length + touched.unlinked.length + wanted.length > 0) return false;
  const keys = lookedUp(touched);
  // The write statement would find a user who bears such a key already.
  const bears = (tenant: string, { state }: RememberedUser): boolean =>
    keys.size > 0 && keysOf(state).some((key) => keys.has(keyText({ tenant, ...key })));
  return commands.every(({ tenant, command }) => {
    if (command.type === 'CreateUser') return true;
    const user = command.type === 'RecordSignIn' ? undefined : memory.user(tenant, command.userId);
    return user !== undefined && !bears(tenant, user);
  });
};

/**
 * Only the parts that name somebody: beginning one costs, also when it finds nothing, and a PATCH names its user and
 * hardly ever another one. Where nobody is named, the lane proves that it can load whatever a command may need: all
 * parts.
 */
export const loadSql = (touched: Touched): string => {
  const isProof = asksNothing(touched);
  const naming = NAMING.filter((part) => isProof || part === 'users' || touched[part].length > 0);
  const ofTenants = `,
    'revisions', (SELECT json_agg(json_build_object('tenant', t.tenant, 'revision', ${revisionOf('t.tenant::uuid')}))
      FROM json_array_elements_text(($json)->'tenants') AS t(tenant)),
    'directories', (SELECT json_agg(json_build_object('tenant', t.tenant, 'id', d.id, 'version', d.version, 'name', d.name, 'status', d.status, 'movedVersion', d.moved_version,
                ${settingsSql('identity', 'd.settings')}))
      FROM json_array_elements_text(($json)->'tenants') AS t(tenant)
      CROSS JOIN LATERAL (SELECT * FROM ${DIRECTORIES_VIEW} WHERE tenant = t.tenant::uuid OFFSET 0) d),
    'domains', (SELECT json_agg(json_build_object('tenant', t.tenant, 'name', d.name, 'shown_name', d.shown_name))
      FROM json_array_elements_text(($json)->'tenants') AS t(tenant)
      CROSS JOIN LATERAL (SELECT name, shown_name FROM ${DOMAINS_VIEW}
        WHERE tenant = t.tenant::uuid AND verified_by IS NOT NULL OFFSET 0) d),
    'tenant_keys', (SELECT json_agg(json_build_object('tenant', t.tenant, 'wrapped', k.wrapped))
      FROM json_array_elements_text(($json)->'tenants') AS t(tenant)
      CROSS JOIN LATERAL ${tenantKey('t.tenant::uuid')} k),
    'schemas', ${schemasAsJson("= ANY (ARRAY(SELECT json_array_elements_text(($json)->'tenants')::uuid))")}`;
  return `
  SELECT json_build_object(
    'users', (SELECT json_agg(json_build_object('tenant', t.tenant, 'id', t.id, 'directory', u.directory, 'version', u.version,
        'created', u.created, 'last_modified', u.last_modified, 'resource', u.resource, 'links', u.links, 'wrapped', k.wrapped,
        'is_member', ${isMemberOf('t.tenant', 't.id')}))
      FROM (${naming.map((part) => NAMED_BY[part]).join(' UNION ')}) t
      CROSS JOIN LATERAL (SELECT * FROM identity.users WHERE tenant = t.tenant AND id = t.id OFFSET 0) u
      LEFT JOIN LATERAL ${personKey('t.tenant', 't.id')} k ON true)${isProof || touched.among.length > 0 ? `, 'among', (${AMONG})` : ''}${isProof || touched.tenants.length > 0 ? ofTenants : ''}
  )`;
};

/** A key within a tenant. */
export interface TenantKey extends Key {
  readonly tenant: string;
}
/** Something that a decision missed: who bears a key, or in which of some groups a user is. */
export type Wanted = TenantKey | AskedGroups;
export interface AskedGroups {
  readonly tenant: string;
  readonly kind: 'among';
  /** The id of the user. */
  readonly value: string;
  readonly groups: readonly string[];
}
export const keyText = ({ tenant, kind, value }: TenantKey): string => `${tenant}/${kind}/${value}`;

/** The keys whose bearers a load knows, as texts. */
export const lookedUp = ({ claims, former_upns, emails, external_ids }: Touched): Set<string> =>
  new Set([
    ...claims.map(keyText),
    ...former_upns.map(({ tenant, value }) => keyText({ tenant, kind: 'formerUpn', value })),
    ...emails.map(({ tenant, value }) => keyText({ tenant, kind: 'email', value })),
    ...external_ids.map(({ tenant, directory, value }) =>
      keyText({ tenant, kind: 'externalId', value: externalIdKey(directory, value) }),
    ),
  ]);

/**
 * Returns what has to be loaded for these commands: what they mention, which is almost always all that is asked for,
 * and what was `wanted` beyond it, like the e-mail that an unlink gives back; but not what is in the memory. A command
 * of a wrong shape touches nothing: decide will say what is wrong.
 */
export const touches = (
  commands: readonly Command<UserCommand>[],
  wanted: readonly Wanted[],
  memory?: UserMemory,
): Touched => {
  const touched: Touched = {
    users: [],
    unlinked: [],
    claims: [],
    former_upns: [],
    emails: [],
    external_ids: [],
    tenants: [],
    among: [],
  };
  for (const { id, tenant, directory, command: sent } of commands) {
    const remembered = memory?.tenant(tenant);
    if (!remembered) touched.tenants.push(tenant);
    const command = remembered && directory ? mapped(id, sent, directory, remembered) : sent;
    if (typeof command.userId === 'string' && !memory?.user(tenant, command.userId))
      touched.users.push({ tenant, id: command.userId });
    const {
      userNames = [],
      formerUpns = [],
      emails = [],
      externalIds = [],
      signIns = [],
    } = mentioned(command, directory);
    touched.claims.push(
      ...userNames.map((name) => ({ tenant, kind: 'userName', value: uniqueKey(name) }) as const),
      ...signIns.map((signIn) => ({ tenant, kind: 'signIn', value: signInKey(signIn) }) as const),
    );
    touched.former_upns.push(...formerUpns.map((upn) => ({ tenant, value: uniqueKey(upn) })));
    touched.emails.push(...emails.map((email) => ({ tenant, value: uniqueKey(email) })));
    if (directory) touched.external_ids.push(...externalIds.map((value) => ({ tenant, directory, value })));
    if (command.type === 'UnlinkUser' && typeof command.userId === 'string')
      touched.unlinked.push({ tenant, id: command.userId });
  }
  for (const one of wanted) {
    const { tenant, kind, value } = one;
    switch (kind) {
      case 'among':
        touched.among.push({ tenant, id: value, groups: one.groups });
        break;
      case 'userName':
      case 'signIn':
        touched.claims.push({ tenant, kind, value });
        break;
      case 'formerUpn':
        touched.former_upns.push({ tenant, value });
        break;
      case 'email':
        touched.emails.push({ tenant, value });
        break;
      case 'externalId': {
        const end = value.indexOf('/');
        touched.external_ids.push({ tenant, directory: value.slice(0, end), value: value.slice(end + 1) });
      }
    }
  }
  return {
    ...(Object.fromEntries(
      Object.entries(touched).map(([name, rows]) => [name, distinct(rows as unknown[])]),
    ) as unknown as Touched),
    isAssumed: mayAssume(commands, touched, wanted, memory),
  };
};

const distinct = <T>(rows: T[]): T[] =>
  rows.length < 2 ? rows : [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()];

/**
 * A new user as the mapping of its directory has it, so that one load finds who bears the names that are stored. A
 * tenant that is not remembered is loaded in any case, and then asked for those once more.
 */
const mapped = (
  id: string,
  command: UserCommand,
  directory: string,
  { directories, definitions }: RememberedTenant,
): UserCommand => {
  if (command.type !== 'CreateUser' || typeof command.resource?.userName !== 'string') return command;
  const known = directories.find((one) => one.id === directory);
  if (!known || known.attributeMapping.length === 0) return command;
  const made = incoming(command.resource, null, known, {
    definition: (definitions ?? STANDARD).user,
    maxResourceBytes: Number.POSITIVE_INFINITY,
    bearersOf: () => [],
    chance: chanceOf(id, Date.now()),
  });
  return isRejection(made) ? command : { ...command, resource: made.resource };
};

interface Mentioned {
  readonly userNames?: readonly string[];
  readonly formerUpns?: readonly string[];
  readonly emails?: readonly string[];
  readonly externalIds?: readonly string[];
  readonly signIns?: readonly SignIn[];
}

/** The keys by which a decision about a command may look for users. */
const mentioned = (command: UserCommand, directory: string | null): Mentioned => {
  switch (command.type) {
    case 'CreateUser': {
      const { resource } = command;
      if (typeof resource?.userName !== 'string') return {};
      const upn = upnOf(resource);
      return {
        userNames: [resource.userName, upn].filter(canBeKey),
        formerUpns: texts(upn),
        emails: texts(workEmailOf(withoutTombstone(resource))),
        externalIds: texts(resource.externalId),
      };
    }
    case 'ReplaceUser': {
      const { resource } = command;
      if (typeof resource?.userName !== 'string') return {};
      return {
        userNames: texts(resource.userName),
        externalIds: texts(resource.externalId),
        emails: texts(workEmailOf(resource)),
      };
    }
    case 'PatchUser':
      if (!Array.isArray(command.operations)) return {};
      return {
        userNames: touchesUserName(command.operations).filter(canBeKey),
        externalIds: assigned(command.operations, EXTERNAL_ID),
        emails: assigned(command.operations, EMAILS),
      };
    case 'RecordSignIn': {
      const { upn, email, loginType, providerId } = command;
      return {
        userNames: texts(upn),
        formerUpns: texts(upn),
        emails: texts(email),
        signIns: directory ? [{ directory, loginType, providerId }] : [],
      };
    }
    default:
      return {};
  }
};

/**
 * Only the core's attributes, in any spelling: an extension of a tenant may have one of the same name, and of an e-mail
 * only the value is a key.
 */
const ofCore = (path: string): RegExp => new RegExp(`^(?:${USER_URN.replaceAll('.', String.raw`\.`)}:)?${path}$`, 'is');
const EXTERNAL_ID = ofCore('externalId');
const EMAILS = ofCore(String.raw`emails(?:\[.*\])?(?:\.value)?`);

/** A longer text is refused wherever a key is written, so that nobody has it. */
const canBeKey = (text: string): boolean => text.length <= MAX_KEY_CHARACTERS;
const texts = (value: unknown): string[] => (typeof value === 'string' && canBeKey(value) ? [value] : []);

/** The texts that operations may assign to an attribute, however they spell the path. */
const assigned = (operations: readonly PatchOperation[], path: RegExp): string[] =>
  operations.flatMap((operation) =>
    path.test(operation?.path) ? [operation.value ?? null].flat(1).flatMap(textsOf) : [],
  );

const textsOf = (value: Json): string[] =>
  typeof value === 'string' ? texts(value) : texts((value as { value?: unknown } | null)?.value);
