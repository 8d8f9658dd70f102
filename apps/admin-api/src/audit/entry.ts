import type { AttributeChanges, Held, Matching, MemberType } from '#contracts';
import { actionOf, isKnown, subjectTypeOf, upcastAudited, type AuditedEvent, type SubjectType } from './actions.js';
import { changesBetween, type AttributeChange } from './changes.js';
import { membersIn, type ReadEvent, type Subject } from './subject.js';
import { matchingInWords, sentenceOf, type Names } from './words.js';

/** A row of the audit log with what its event says, as its owner has stored it. */
export interface EntryRow {
  readonly tenant: string;
  readonly number: number;
  readonly owner: string;
  readonly sequence: number;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  /** ISO 8601, UTC, to a microsecond. */
  readonly recordedAt: string;
  readonly commandId: string;
  readonly correlationId: string;
  readonly actor: string;
  readonly directory: string | null;
  /** Null = it has been purged. */
  readonly data: Readonly<Record<string, unknown>> | null;
  /** Sealed with the key of the person; null = nothing of it is personal. */
  readonly personal: string | null;
}

/** `held`: done, but the user is kept archived. `partly`: some attributes stayed as administrators have set them. */
export const RESULTS = ['done', 'held', 'partly'] as const;
export type Result = (typeof RESULTS)[number];

export interface Named {
  readonly id: string;
  /** Null = nobody knows it any more. */
  readonly name: string | null;
}

/** An entry in a list. */
export interface ListedEntry {
  readonly tenant: string;
  readonly number: number;
  readonly at: string;
  readonly action: string;
  /** For people. */
  readonly sentence: string;
  readonly subject: Named & { readonly type: SubjectType };
  readonly actor: Named;
  readonly directory: Named | null;
  readonly result: Result;
  /** Why, in the words of the one who asked. */
  readonly reason: string | null;
  /** The request that the actor has sent again as the directory; null = the request came by itself. */
  readonly replayOf: string | null;
  /** How it was decided who is meant. */
  readonly matching: string | null;
  readonly attributes: readonly string[];
  readonly correlationId: string;
  readonly owner: string;
  readonly sequence: number;
  readonly version: number;
}

export interface NamedMember extends Named {
  readonly type: MemberType;
}

/** An entry with its values. */
export interface ShownEntry extends ListedEntry {
  /** `erased`: the key of the person is gone. `purged`: what the event says was kept long enough. */
  readonly values: 'shown' | 'erased' | 'purged';
  readonly changes: readonly AttributeChange[];
  readonly members: { readonly added: readonly NamedMember[]; readonly removed: readonly NamedMember[] };
  /** The values that the identity provider sent, of attributes that a mapping made others of; null = none. */
  readonly received: AttributeChanges | null;
}

const PURGED = 'What this event said has been purged; its digest is kept.';
const UNKNOWN = 'This event was written by a newer version of Muster, which knows its words.';

/**
 * The event of a row; `opened` is its personal part, null = it could not be opened, or is not asked for. Null = it has
 * been purged, or this version does not know it.
 */
export const eventOf = ({ type, data }: Pick<EntryRow, 'type' | 'data'>, opened: object | null): ReadEvent | null =>
  data && isKnown(type) ? upcastAudited(type, { ...data, ...opened }) : null;

/** Attributes of a resource, settings of a directory, or properties of a token, that an event names. */
export const attributesOf = (event: ReadEvent | null): readonly string[] => {
  if (!event) return [];
  const { attributes, changes, settings } = event as {
    readonly attributes?: readonly string[];
    readonly changes?: object;
    readonly settings?: object;
  };
  if (attributes) return attributes;
  if (event.type === 'TokenChanged')
    return Object.keys(event).filter((name) => name === 'description' || name === 'status');
  return Object.keys(changes ?? settings ?? {});
};

/** The ids of which an entry tells the names, besides its subject, actor and directory. */
export const idsIn = (event: ReadEvent | null): readonly string[] => {
  if (!event) return [];
  const { added, removed } = membersIn(event);
  const { manager, directoryId, newTokenId, tenantId } = event as Readonly<Record<string, unknown>>;
  const shown = event.type === 'AuditRead' && 'asked' in event ? event.asked.subject : undefined;
  return [
    ...[...added, ...removed].map(({ value }) => value),
    ...[manager, directoryId, newTokenId, tenantId, shown].filter((id): id is string => typeof id === 'string'),
  ];
};

/** Those of a sentence. Of more than one who came or went it says how many. */
export const toldIdsIn = (event: ReadEvent | null): readonly string[] => {
  const ids = idsIn(event);
  return ids.length > MAX_TOLD_IDS ? [] : ids;
};
const MAX_TOLD_IDS = 4;

export const resultOf = (event: ReadEvent | null): Result => {
  const { held, leftOut } = (event ?? {}) as { readonly held?: Held | null; readonly leftOut?: readonly string[] };
  if (held && !held.letIn) return 'held';
  return leftOut?.length ? 'partly' : 'done';
};

const NOUNS: { readonly [type in SubjectType]: string } = {
  user: 'user',
  group: 'group',
  tenant: 'tenant',
  directory: 'directory',
  token: 'token',
  client: 'client',
  domain: 'domain',
  schema: 'schema',
  'api-key': 'key',
  'signing-key': 'signing key',
  audit: 'reading',
};

const named = (names: Names, id: string): string => {
  const name = names.nameOf(id);
  return name === null || name === '' ? id : `"${name}"`;
};

/** The user name, e-mail or provider id by which a user was looked for. */
const soughtBy = ({ rule }: Matching, event: AuditedEvent, values: Subject['values']): string | null => {
  const { providerId = null } = event as { readonly providerId?: string | null };
  if (rule === 'providerId') return providerId ?? (typeof values.externalId === 'string' ? values.externalId : null);
  if (rule === 'upn') return typeof values.userName === 'string' ? values.userName : null;
  const emails = (values.emails ?? []) as unknown as readonly { readonly type?: string; readonly value?: string }[];
  return (rule === 'email' && (emails.find(({ type }) => type === 'work') ?? emails[0])?.value) || null;
};

const replayOf = ({ data }: Pick<EntryRow, 'data'>): string | null =>
  typeof data?.replayOf === 'string' ? data.replayOf : null;

/** Says of what an administrator has sent again both whose request it was and who sent it now. */
const again = (row: EntryRow, names: Names): string =>
  replayOf(row) === null || row.directory === null
    ? ''
    : ` The request was sent again by ${named(names, row.actor)} as the directory ${named(names, row.directory)}.`;

/** An entry as a list shows it. `values` are those of its subject after the event, where they have been read. */
export const listedEntry = (
  row: EntryRow,
  event: ReadEvent | null,
  names: Names,
  values: Subject['values'] = {},
): ListedEntry => {
  const { tenant, number, stream, type, actor, directory, correlationId, owner, sequence, version } = row;
  const subjectType = subjectTypeOf(type);
  const attributes = attributesOf(event);
  const { matching = null } = (event ?? {}) as { readonly matching?: Matching | null };
  const told = {
    subject: `the ${NOUNS[subjectType]} ${named(names, stream)}`,
    attributes,
    named: (id: string | null) => (id === null ? 'nobody' : named(names, id)),
  };
  return {
    tenant,
    number,
    at: row.recordedAt,
    action: actionOf(type),
    // Its words need nothing that is personal.
    sentence: (event ? sentenceOf(event as AuditedEvent, told) : row.data ? UNKNOWN : PURGED) + again(row, names),
    subject: { type: subjectType, id: stream, name: names.nameOf(stream) },
    actor: { id: actor, name: names.nameOf(actor) },
    directory: directory === null ? null : { id: directory, name: names.nameOf(directory) },
    result: resultOf(event),
    reason: typeof row.data?.reason === 'string' ? row.data.reason : null,
    replayOf: replayOf(row),
    matching: matching && matchingInWords(matching, soughtBy(matching, event as AuditedEvent, values)),
    attributes,
    correlationId,
    owner,
    sequence,
    version,
  };
};

/** A directory is told by its id and its name. */
export const withNames = (values: Subject['values'], names: Names): Subject['values'] =>
  typeof values.directory === 'string'
    ? { ...values, directory: `${names.nameOf(values.directory) ?? '(deleted)'} (${values.directory})` }
    : values;

/** `active` changed with the event before it, and this one is the word for that. */
const ACTIVE: Readonly<Record<string, AttributeChange>> = {
  UserDeactivated: { attribute: 'active', before: true, after: false },
  UserReactivated: { attribute: 'active', before: false, after: true },
};

/** An entry with its values, by its subject as it was before the event and after it. */
export const shownEntry = (
  row: EntryRow,
  event: ReadEvent | null,
  names: Names,
  { before, after, isErased }: { readonly before: Subject; readonly after: Subject; readonly isErased: boolean },
): ShownEntry => {
  const { added, removed } = event ? membersIn(event) : { added: [], removed: [] };
  const member = ({ type, value: id }: (typeof added)[number]): NamedMember => ({ type, id, name: names.nameOf(id) });
  const special = event && ACTIVE[event.type];
  const isOpen = event !== null && !isErased;
  return {
    ...listedEntry(row, event, names, after.values),
    values: event === null ? 'purged' : isErased ? 'erased' : 'shown',
    changes: special
      ? [special]
      : isOpen
        ? changesBetween(withNames(before.values, names), withNames(after.values, names), before.isComplete)
        : attributesOf(event).map((attribute) => ({ attribute })),
    members: { added: added.map(member), removed: removed.map(member) },
    received: event?.type === 'AttributesMapped' && 'changes' in event ? event.changes : null,
  };
};
