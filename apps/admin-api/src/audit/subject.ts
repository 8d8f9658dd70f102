import type { AttributeChanges, Held, Member, MemberType } from '#contracts';
import { applyChanges, type Json } from '#scim';
import { actionOf, type AuditedEvent } from './actions.js';
import type { Values } from './changes.js';

/** A user, group or another thing that entries are about, as the fold of its events. */
export interface Subject {
  /** False before its first event, and after it was deleted. */
  readonly exists: boolean;
  /**
   * Its attributes, and beside those of a resource what is known of a user or group: `directory`, which manages it,
   * `signIns`, `held`, `archivedBy`, `localAttributes`.
   */
  readonly values: Values;
  /** False: something could not be read, so that nobody can say which value an attribute has that is not there. */
  readonly isComplete: boolean;
  /** Of a group, by their ids. It grows with each event: a group may have very many. */
  readonly members: Map<string, MemberType>;
}

/** Before its first event. */
export const newSubject = (): Subject => ({ exists: false, values: {}, isComplete: true, members: new Map() });

/** An event whose personal part may be missing, because the key of the person is gone. */
export type ReadEvent = AuditedEvent | Unopened;
interface Unopened {
  readonly type: AuditedEvent['type'];
  /** The names of the attributes whose values cannot be read; left out = all of them. */
  readonly attributes?: readonly string[];
}

/** Of whose event nothing is left but its type: what this alone says. */
const GONE: ReadonlySet<string> = new Set(['user.deleted', 'group.deleted', 'directory.deleted', 'domain.removed']);
const IS_ACTIVE: Readonly<Record<string, boolean>> = { 'user.deactivated': false, 'user.reactivated': true };

/** After an event of which nothing can be read any more but its type. */
export const afterUnread = (subject: Subject, type: string): Subject => {
  const action = actionOf(type);
  if (GONE.has(action)) return gone(subject);
  const active = IS_ACTIVE[action];
  return { ...subject, exists: true, values: active === undefined ? {} : { active }, isComplete: false };
};

const gone = (subject: Subject): Subject => ({
  ...subject,
  exists: false,
  values: {},
  isComplete: true,
  members: new Map(),
});

/** After an event that changed these attributes to what cannot be read. */
const afterUnopened = (subject: Subject, attributes: readonly string[] | undefined): Subject =>
  attributes
    ? {
        ...subject,
        values: set(subject.values, Object.fromEntries(attributes.map((name) => [name, null]))),
        isComplete: false,
      }
    : { ...subject, values: {}, isComplete: false };

/** Null and undefined = it has no value. */
const set = (values: Values, changes: { readonly [name: string]: unknown }): Values =>
  applyChanges(
    values,
    Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, (value ?? null) as Json | null])),
  );

/** A part that is personal is there, unless it could not be opened. */
type Opened<Event, Part extends string> = Event extends { readonly [name in Part]: infer Value }
  ? Omit<Event, Part> & { readonly [name in Part]?: Value }
  : Event;
type Readable = Opened<Opened<Opened<AuditedEvent, 'resource'>, 'changes'>, 'providerId'> & {
  readonly attributes?: readonly string[];
};

/** Never throws: history is a fact. */
export const afterEvent = (subject: Subject, read: ReadEvent): Subject => {
  const event = read as Readable;
  const { values } = subject;
  const changed = (more: object = {}): Subject => {
    const { changes } = event as { readonly changes?: AttributeChanges };
    const after = changes
      ? { ...subject, values: applyChanges(values, changes) }
      : afterUnopened(subject, event.attributes);
    return { ...after, exists: true, values: set(after.values, more as Readonly<Record<string, unknown>>) };
  };
  const became = (more: object): Subject => ({
    ...subject,
    exists: true,
    values: set(values, more as Readonly<Record<string, unknown>>),
  });
  switch (event.type) {
    case 'UserCreated':
    case 'GroupCreated': {
      const begun = { ...subject, exists: true, isComplete: event.resource !== undefined };
      const { held, directory } =
        event.type === 'UserCreated' ? { held: event.held, directory: event.manager } : { held: null, ...event };
      return { ...begun, values: set(event.resource ?? {}, { directory, held }) };
    }
    case 'UserChanged':
    case 'GroupChanged':
      return changed('held' in event ? { held: event.held } : {});
    case 'UserLinked':
      return changed({ directory: event.directory, ...('held' in event ? { held: event.held } : {}) });
    case 'UserWithdrawn':
    case 'UserUnlinked':
      return changed({ directory: null, held: null });
    case 'UserTransferred':
      return changed({ directory: event.directory, held: null });
    case 'UserArchived':
      return changed({ archivedBy: 'administrator' });
    case 'UserRestored': {
      const held = values.held as unknown as Held | undefined;
      const after = changed({ archivedBy: null });
      return held && after.values.active !== false
        ? { ...after, values: set(after.values, { held: { ...held, letIn: true } }) }
        : after;
    }
    case 'AttributesSet':
      return changed({ localAttributes: event.local.length === 0 ? null : event.local });
    // The event before it, of the same command, says what `active` became.
    case 'UserDeactivated':
    case 'UserReactivated':
    // These are attributes as they were sent, before the mapping made others of them.
    case 'AttributesMapped':
    // Clients see the same user as before.
    case 'ActiveDeferred':
      return subject;
    case 'UserSignedIn':
    case 'SignInUnlinked': {
      if (event.providerId === undefined) return afterUnopened(subject, ['signIns']);
      const { directory, loginType, providerId, movedVersion } = event;
      const signIn = { directory, loginType, providerId, ...(movedVersion === undefined ? {} : { movedVersion }) };
      const others = signInsIn(values).filter((one) => JSON.stringify(one) !== JSON.stringify(signIn));
      const isThere = others.length < signInsIn(values).length;
      if (event.type === 'UserSignedIn') return isThere ? subject : became({ signIns: [...others, signIn] });
      return became({ signIns: others.length === 0 ? null : others });
    }
    case 'GroupMembersChanged':
      for (const { value } of event.removed) subject.members.delete(value);
      for (const { type, value } of event.added) subject.members.set(value, type);
      return subject;
    case 'UserDeleted':
    case 'GroupDeleted':
    case 'DirectoryDeleted':
    case 'DomainRemoved':
      return gone(subject);
    case 'TenantCreated':
    case 'TenantRenamed':
    case 'DirectoryRenamed':
      return became({ name: event.name });
    case 'TenantChanged':
    case 'DirectoryChanged':
      return became(event.settings);
    case 'DirectoryCreated':
      return became({ name: event.name, kind: event.kind, status: 'active' });
    case 'DirectoryMoved':
      return became({ kind: event.kind });
    case 'DirectoryEnabled':
    case 'DirectoryConnected':
      return became({ status: 'active' });
    case 'DirectoryDisabled':
      return became({ status: 'disabled' });
    case 'DirectoryDisconnected':
      return became({ status: 'disconnected' });
    case 'TokenCreated':
      return became({
        directory: event.directoryId,
        description: event.description,
        expiresAt: event.expiresAt,
        status: 'active',
      });
    case 'TokenChanged': {
      const { description = values.description, status = values.status } = event;
      return became({ description, status });
    }
    case 'TokenRotated':
      return became({ replacedBy: event.newTokenId, expiresAt: event.expiresAt });
    case 'ApiKeyCreated':
      return became({
        name: event.name,
        scopes: event.scopes,
        tenant: event.tenantId,
        expiresAt: event.expiresAt,
        status: 'active',
      });
    case 'TokenRevoked':
    case 'ApiKeyRevoked':
    case 'ClientRevoked':
      return became({ status: 'revoked' });
    case 'DomainAdded':
      return became({ name: event.shownName, record: event.record });
    case 'DomainVerified':
      return became({ verifiedBy: event.by });
    case 'SchemaDefined':
      return became({ resourceType: event.resourceType, schema: event.schema });
    case 'SchemaChanged':
      return became({ schema: event.schema });
    case 'ClientCreated':
      return became({ directory: event.directoryId, name: event.name, federation: event.federation, status: 'active' });
    case 'ClientSecretAdded': {
      const { secretId: id, description, expiresAt } = event;
      return became({ secrets: [...secretsIn(values), { id, description, expiresAt }] });
    }
    case 'ClientSecretRemoved':
      return became({ secrets: secretsIn(values).filter(({ id }) => id !== event.secretId) });
    case 'SigningKeyAdded':
      return became({ publicKey: event.publicKey });
    // Somebody was told or shown something: nothing has changed.
    case 'TokenExpiring':
    case 'TokenRevealed':
    case 'ClientSecretExpiring':
    case 'AuditRead':
    case 'PurgeAnnounced':
      return { ...subject, exists: true };
    default:
      event satisfies never;
      return subject;
  }
};

const signInsIn = ({ signIns }: Values): readonly Json[] => (signIns ?? []) as readonly Json[];
const secretsIn = ({ secrets }: Values): readonly { readonly id: string }[] =>
  (secrets ?? []) as unknown as readonly { readonly id: string }[];

/** Members who came and went, of events that hold them. */
export const membersIn = (
  event: ReadEvent,
): { readonly added: readonly Member[]; readonly removed: readonly Member[] } =>
  'added' in event ? { added: event.added, removed: event.removed } : { added: [], removed: [] };
