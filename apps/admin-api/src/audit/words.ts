import type { Held, Matching } from '#contracts';
import type { AuditedEvent } from './actions.js';

/** Names of what entries are about, by their ids. */
export interface Names {
  /** Null = nobody knows it any more. */
  nameOf(id: string): string | null;
}

/** An event as people are told of it. Its personal part need not be there: no word is made of it. */
interface Told {
  /** `the user "ada@example.org"` */
  readonly subject: string;
  /** The names of the attributes that it changed. */
  readonly attributes: readonly string[];
  /** The name of something else, in quotes, or its id. */
  named(id: string | null): string;
}

type Of<Type extends AuditedEvent['type']> = Extract<AuditedEvent, { readonly type: Type }>;
type Words = { readonly [Type in AuditedEvent['type']]: (told: Told, event: Of<Type>) => string };

const MAX_TOLD_ATTRIBUTES = 6;

/** `a`, `a and b`, `a, b and c` */
export const listed = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;

const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** `urn:…:extension:enterprise:2.0:User` is long: its last parts say enough. */
const shortName = (attribute: string): string =>
  /:extension:(\w+):/.exec(attribute)?.[1]?.concat(' extension') ?? attribute;

const changed = (attributes: readonly string[]): string => {
  const told = attributes.slice(0, MAX_TOLD_ATTRIBUTES).map(shortName);
  const more = attributes.length - told.length;
  return listed(more > 0 ? [...told, `${more} more`] : told);
};

const changes = (subject: string, attributes: readonly string[]): string =>
  `${subject} changed: ${changed(attributes)}`;

const HOLDS = { create: 'its directory makes no users', scope: 'it is not in the scope of its directory' } as const;
const holding = (held: Held | null | undefined): string =>
  held && !held.letIn ? `, and is kept archived: ${listed(held.reasons.map((reason) => HOLDS[reason]))}` : '';

const leftOut = (paths: readonly string[] | undefined): string =>
  paths?.length ? `; ${changed(paths)} stayed as an administrator has set ${paths.length === 1 ? 'it' : 'them'}` : '';

const and = (attributes: readonly string[]): string =>
  attributes.length === 0 ? '' : `, and changed ${changed(attributes)}`;

const WORDS: Words = {
  UserCreated: ({ subject, named }, { manager, held }) =>
    `${subject} was created ${manager === null ? 'by a sign-in' : `through the directory ${named(manager)}`}${holding(held)}`,
  UserChanged: ({ subject, attributes }, { held, leftOut: paths }) =>
    attributes.length === 0
      ? `${subject} was written${holding(held)}${leftOut(paths)}`
      : `${changes(subject, attributes)}${holding(held)}${leftOut(paths)}`,
  UserDeactivated: ({ subject }) => `${subject} was deactivated, and may act no longer`,
  UserReactivated: ({ subject }) => `${subject} was reactivated, and may act again`,
  UserDeleted: ({ subject }) => `${subject} was deleted for good`,
  UserWithdrawn: ({ subject, named }, { directory }) =>
    `${subject} was deleted by the directory ${named(directory)}, and is kept as archived`,
  UserLinked: ({ subject, named, attributes }, { directory, held }) =>
    `the directory ${named(directory)} manages ${subject} from now on${and(attributes)}${holding(held)}`,
  UserUnlinked: ({ subject, named, attributes }, { directory }) =>
    `the directory ${named(directory)} manages ${subject} no longer${and(attributes)}`,
  UserTransferred: ({ subject, named, attributes }, { directory }) =>
    `${subject} was given to the directory ${named(directory)}${and(attributes)}`,
  UserSignedIn: ({ subject, named }, { directory, loginType }) =>
    `${subject} signed in through the directory ${named(directory)} (${loginType})`,
  SignInUnlinked: ({ subject, named }, { directory, loginType }) =>
    `a sign-in (${loginType}) of the directory ${named(directory)} was taken from ${subject}`,
  AttributesMapped: ({ subject }, { mapped }) =>
    `the attribute mapping of the directory wrote ${
      mapped.length === 0 ? 'nothing' : changed(mapped.map(({ target, line }) => `${target} (line ${line})`))
    } of ${subject}`,
  UserArchived: ({ subject }) => `${subject} was archived by an administrator, and may act no longer`,
  UserRestored: ({ subject }) => `${subject} was restored by an administrator`,
  ActiveDeferred: ({ subject }, { active }) =>
    `its directory says that ${subject} is ${active ? 'active' : 'not active'}, which counts when an administrator restores the user`,
  AttributesSet: ({ subject, attributes }, { local }) =>
    `an administrator set ${attributes.length === 0 ? 'whose attributes are whose' : changed(attributes)} of ${subject}; administrators own ${local.length === 0 ? 'nothing' : changed(local)} of it`,
  GroupCreated: ({ subject, named }, { directory }) =>
    `${subject} was created ${directory === null ? 'as a local one' : `through the directory ${named(directory)}`}`,
  GroupChanged: ({ subject, attributes }) => changes(subject, attributes),
  GroupMembersChanged: ({ subject, named }, { added, removed }) => {
    const moved = (members: typeof added, verb: string): string[] =>
      members.length === 0
        ? []
        : [`${members.length === 1 ? named(members[0]!.value) : counted(members.length, 'member')} ${verb} ${subject}`];
    return listed([...moved(added, 'joined'), ...moved(removed, 'left')]);
  },
  GroupDeleted: ({ subject }) => `${subject} was deleted`,
  TenantCreated: ({ subject }) => `${subject} was created`,
  TenantRenamed: ({ subject }, { name }) => `${subject} was named ${JSON.stringify(name)}`,
  TenantChanged: ({ subject, attributes }) => changes(subject, attributes),
  DirectoryCreated: ({ subject }, { kind }) => `${subject} was created, of the kind ${kind}`,
  DirectoryChanged: ({ subject, attributes }) => changes(subject, attributes),
  DirectoryRenamed: ({ subject }, { name }) => `${subject} was named ${JSON.stringify(name)}`,
  DirectoryDisabled: ({ subject }) => `${subject} was disabled, and answers nobody`,
  DirectoryEnabled: ({ subject }) => `${subject} was enabled, and answers again`,
  DirectoryDisconnected: ({ subject }) =>
    `${subject} was disconnected: what its identity provider had to get in opens nothing any more`,
  DirectoryConnected: ({ subject }) => `${subject} was connected again`,
  DirectoryMoved: ({ subject }, { kind }) => `${subject} was moved to another identity provider, of the kind ${kind}`,
  DirectoryDeleted: ({ subject }) => `${subject} was deleted`,
  TokenCreated: ({ subject }) => `${subject} was made`,
  TokenChanged: ({ subject, attributes }) => changes(subject, attributes),
  TokenRotated: ({ subject, named }, { newTokenId, expiresAt }) =>
    `${subject} was replaced by the token ${named(newTokenId)}, and ends at ${expiresAt}`,
  TokenExpiring: ({ subject }, { days }) => `${subject} expires in ${counted(days, 'day')} or less`,
  TokenRevoked: ({ subject }) => `${subject} was revoked`,
  TokenRevealed: ({ subject }) => `${subject} was shown to somebody again`,
  ApiKeyCreated: ({ subject, named }, { scopes, tenantId }) =>
    `${subject} was made, with the scopes ${listed(scopes)}, for ${tenantId === null ? 'the whole installation' : `the tenant ${named(tenantId)}`}`,
  ApiKeyRevoked: ({ subject }) => `${subject} was revoked`,
  DomainAdded: ({ subject }) => `${subject} was added`,
  DomainVerified: ({ subject }, { by }) =>
    `${subject} was verified ${by === 'dns' ? 'by its DNS record' : 'by an administrator'}`,
  DomainRemoved: ({ subject }) => `${subject} was removed`,
  SchemaDefined: ({ subject }, { resourceType }) => `${subject} was defined, for resources of the type ${resourceType}`,
  SchemaChanged: ({ subject }) => `${subject} was changed`,
  ClientCreated: ({ subject }) => `${subject} was made`,
  ClientSecretAdded: ({ subject }) => `${subject} was given another secret`,
  ClientSecretExpiring: ({ subject }, { days }) => `a secret of ${subject} expires in ${counted(days, 'day')} or less`,
  ClientSecretRemoved: ({ subject }) => `a secret of ${subject} was removed`,
  ClientRevoked: ({ subject }) => `${subject} was revoked`,
  SigningKeyAdded: ({ subject }) => `${subject} was added: access tokens are signed with it from now on`,
  AuditRead: ({ named }, { what, asked }) => {
    // The tenant is that of the entry.
    const filters = Object.entries(asked).flatMap(([name, value]) =>
      name === 'tenant' ? [] : [`${name}=${name === 'subject' ? named(value) : value}`],
    );
    const shown = (READINGS as Readonly<Record<string, string>>)[what] ?? `"${what}"`;
    return `somebody was shown ${shown}${filters.length === 0 ? '' : ` (${filters.join(', ')})`}`;
  },
  PurgeAnnounced: (_told, { before, keepDays }) =>
    `what the entries before number ${before} say has been kept for ${counted(keepDays, 'day')} (AUDIT_KEEP_DAYS), and is purged a day from now: their digests stay`,
};

/** The parts of the audit log that somebody may be shown, by the word that the entry about it has. */
export const READINGS = {
  entries: 'a list of entries of the audit log',
  entry: 'an entry of the audit log',
  history: 'a history of the audit log',
  state: 'the state at a moment',
  requests: 'a list of requests',
  request: 'a request with its body',
  report: 'a provisioning report',
  health: 'the health of a directory',
  'export plan': 'the plan of an export of the audit log',
  export: 'an export of the audit log',
} as const;
export type Reading = keyof typeof READINGS;

/** One sentence for people about something that happened. */
export const sentenceOf = (event: AuditedEvent, told: Told): string => {
  const words = WORDS[event.type] as (told: Told, event: AuditedEvent) => string;
  const text = words(told, event);
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
};

const RULES = { providerId: 'provider id', upn: 'UPN', email: 'e-mail' } as const;

/** How it was decided who is meant. `value`: by what the user was looked for, where it is known. */
export const matchingInWords = ({ rule, candidates }: Matching, value: string | null): string => {
  switch (rule) {
    case 'id':
      return 'named by its id';
    case 'create':
      return candidates.length === 0
        ? 'nobody like that was known'
        : `nobody like that was known: ${counted(candidates.length, 'user has', 'users have')} the same e-mail, and ${candidates.length === 1 ? 'is somebody else' : 'are others'}`;
    default:
      return `found by ${RULES[rule]}${value === null ? '' : ` ${value}`}: ${counted(candidates.length, 'candidate')}`;
  }
};
