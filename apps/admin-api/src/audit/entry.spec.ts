import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as contracts from '#contracts';
import { ACTIONS, actionOf, typesOf } from './actions.js';
import { eventOf, listedEntry, resultOf, shownEntry, type EntryRow } from './entry.js';
import { afterEvent, afterUnread, newSubject, type Subject } from './subject.js';
import { matchingInWords } from './words.js';

interface Fixture {
  readonly type: string;
  readonly after: readonly string[];
  readonly data: EntryRow['data'];
  readonly personal: object | null;
  readonly state: { readonly resource?: object; readonly directory?: string | null } | null;
}
const fixture = (type: string): Fixture =>
  JSON.parse(readFileSync(`test/fixtures/events/${type}.json`, 'utf8')) as Fixture;
const TYPES = [
  ...Object.entries(contracts)
    .filter(([name]) => name.endsWith('_EVENT_TYPES'))
    .flatMap(([, types]) => Object.values(types as object) as string[]),
  ...contracts.OLD_USER_EVENTS.keys(),
];

const ID = '01980000-0000-7000-8000-000000000003';
const NAMES = { nameOf: (id: string) => (id === ID ? 'ada' : `name ${id.slice(-2)}`) };
const rowOf = ({ type, data }: Pick<Fixture, 'type' | 'data'>, more: Partial<EntryRow> = {}): EntryRow => ({
  tenant: '01980000-0000-7000-8000-000000000001',
  number: 7,
  owner: 'identity',
  sequence: 8,
  stream: ID,
  version: 1,
  type,
  recordedAt: '2026-01-02T03:04:05.678901Z',
  commandId: ID,
  correlationId: 'c',
  actor: 'key:k',
  directory: null,
  data,
  personal: null,
  ...more,
});

/** Wire type → the sentence of the event in its fixture. */
const SENTENCES: Readonly<Record<string, string>> = {
  'muster.api-key.created.v1': 'The key "ada" was made, with the scopes read and manage, for the tenant "name 01".',
  'muster.api-key.revoked.v1': 'The key "ada" was revoked.',
  'muster.audit.purge-announced.v1':
    'What the entries before number 5000 say has been kept for 365 days (AUDIT_KEEP_DAYS), and is purged a day from now: their digests stay.',
  'muster.audit.read.v1': 'Somebody was shown a history of the audit log (person=ada@contoso.com).',
  'muster.client.created.v1': 'The client "ada" was made.',
  'muster.client.revoked.v1': 'The client "ada" was revoked.',
  'muster.client.secret-added.v1': 'The client "ada" was given another secret.',
  'muster.client.secret-expiring.v1': 'A secret of the client "ada" expires in 7 days or less.',
  'muster.client.secret-removed.v1': 'A secret of the client "ada" was removed.',
  'muster.directory.changed.v1': 'The directory "ada" changed: offerExistingUsers and emailIsLoginName.',
  'muster.directory.connected.v1': 'The directory "ada" was connected again.',
  'muster.directory.created.v1': 'The directory "ada" was created, of the kind entra.',
  'muster.directory.deleted.v1': 'The directory "ada" was deleted.',
  'muster.directory.disabled.v1': 'The directory "ada" was disabled, and answers nobody.',
  'muster.directory.disconnected.v1':
    'The directory "ada" was disconnected: what its identity provider had to get in opens nothing any more.',
  'muster.directory.enabled.v1': 'The directory "ada" was enabled, and answers again.',
  'muster.directory.moved.v1': 'The directory "ada" was moved to another identity provider, of the kind okta.',
  'muster.directory.renamed.v1': 'The directory "ada" was named "Contoso".',
  'muster.domain.added.v1': 'The domain "ada" was added.',
  'muster.domain.removed.v1': 'The domain "ada" was removed.',
  'muster.domain.verified.v1': 'The domain "ada" was verified by its DNS record.',
  'muster.group.changed.v1': 'The group "ada" changed: displayName and externalId.',
  'muster.group.created.v1': 'The group "ada" was created through the directory "name 02".',
  'muster.group.deleted.v1': 'The group "ada" was deleted.',
  'muster.group.members-changed.v1': '2 members joined the group "ada".',
  'muster.schema.changed.v1': 'The schema "ada" was changed.',
  'muster.schema.defined.v1': 'The schema "ada" was defined, for resources of the type User.',
  'muster.signing-key.added.v1': 'The signing key "ada" was added: access tokens are signed with it from now on.',
  'muster.tenant.changed.v1': 'The tenant "ada" changed: revealTokens.',
  'muster.tenant.created.v1': 'The tenant "ada" was created.',
  'muster.tenant.renamed.v1': 'The tenant "ada" was named "Contoso".',
  'muster.token.changed.v1': 'The token "ada" changed: description and status.',
  'muster.token.created.v1': 'The token "ada" was made.',
  'muster.token.expiring.v1': 'The token "ada" expires in 7 days or less.',
  'muster.token.revealed.v1': 'The token "ada" was shown to somebody again.',
  'muster.token.revoked.v1': 'The token "ada" was revoked.',
  'muster.token.rotated.v1':
    'The token "ada" was replaced by the token "name 0a", and ends at 2026-01-03T03:04:05.678Z.',
  'muster.user.active-deferred.v1':
    'Its directory says that the user "ada" is not active, which counts when an administrator restores the user.',
  'muster.user.archived.v1': 'The user "ada" was archived by an administrator, and may act no longer.',
  'muster.user.attributes-mapped.v1':
    'The attribute mapping of the directory wrote userName (line 1) of the user "ada".',
  'muster.user.attributes-set.v1': 'An administrator set title of the user "ada"; administrators own title of it.',
  'muster.user.changed.v1': 'The user "ada" changed: active, title and externalId.',
  'muster.user.created.v1': 'The user "ada" was created through the directory "name 02".',
  'muster.user.created.v2': 'The user "ada" was created through the directory "name 02".',
  'muster.user.deactivated.v1': 'The user "ada" was deactivated, and may act no longer.',
  'muster.user.deleted.v1': 'The user "ada" was deleted for good.',
  'muster.user.linked.v1':
    'The directory "name 02" manages the user "ada" from now on, and changed displayName, name, emails and title.',
  'muster.user.reactivated.v1': 'The user "ada" was reactivated, and may act again.',
  'muster.user.restored.v1': 'The user "ada" was restored by an administrator.',
  'muster.user.sign-in-unlinked.v1': 'A sign-in (oidc) of the directory "name 02" was taken from the user "ada".',
  'muster.user.signed-in.v1': 'The user "ada" signed in through the directory "name 02" (oidc).',
  'muster.user.transferred.v1': 'The user "ada" was given to the directory "name 05".',
  'muster.user.unlinked.v1': 'The directory "name 05" manages the user "ada" no longer.',
  'muster.user.withdrawn.v1': 'The user "ada" was deleted by the directory "name 02", and is kept as archived.',
};

it.each(TYPES)('%s has an action and a sentence, which need nothing that is personal', (type) => {
  const { data } = fixture(type);
  const row = rowOf({ type, data });
  const { sentence, action, subject } = listedEntry(row, eventOf(row, null), NAMES);
  expect(ACTIONS).toContain(action);
  expect(typesOf(action)).toContain(type);
  expect(subject).toMatchObject({ type: action.split('.')[0], id: ID, name: 'ada' });
  expect({ [type]: sentence }).toEqual({ [type]: SENTENCES[type] });
});

it('versions of an event are one action', () => {
  expect(actionOf('muster.user.created.v2')).toBe('user.created');
  expect(typesOf('user.created').toSorted()).toEqual(['muster.user.created.v1', 'muster.user.created.v2']);
});

/** The subject after the events of a fixture and those before it, and each entry. */
const fold = (type: string): { subject: Subject; last: ReturnType<typeof shownEntry> } => {
  const streams = [...fixture(type).after, type];
  let subject = newSubject();
  let last: ReturnType<typeof shownEntry> | undefined;
  for (const one of streams) {
    const { data, personal } = fixture(one);
    const row = rowOf({ type: one, data });
    const event = eventOf(row, personal)!;
    const before = subject;
    subject = afterEvent(before, event);
    last = shownEntry(row, event, NAMES, { before, after: subject, isErased: false });
  }
  return { subject, last: last! };
};

it.each(TYPES.filter((type) => fixture(type).state?.resource))(
  'after %s the attributes are those to which its owner folds',
  (type) => {
    const { state } = fixture(type);
    const {
      directory,
      signIns: _s,
      held: _h,
      archivedBy: _a,
      localAttributes: _l,
      ...resource
    } = fold(type).subject.values;
    expect({ resource, directory: directory ?? null }).toEqual({
      resource: state!.resource,
      directory: state!.directory ?? null,
    });
  },
);

describe('what an entry shows', () => {
  const created: EntryRow['data'] = {
    type: 'UserCreated',
    manager: null,
    matching: null,
    directory: 'd',
    directoryVersion: 1,
  };
  const changed = (changes: object, rest: object = {}): Pick<EntryRow, 'type' | 'data'> & { personal: object } => ({
    type: 'muster.user.changed.v1',
    data: { type: 'UserChanged', directory: 'd', directoryVersion: 1, attributes: Object.keys(changes), ...rest },
    personal: { changes },
  });
  const subjectWith = (values: Subject['values'], isComplete = true): Subject => ({
    ...newSubject(),
    exists: true,
    values,
    isComplete,
  });
  const shown = (before: Subject, { type, data, personal }: ReturnType<typeof changed>) => {
    const row = rowOf({ type, data });
    const event = eventOf(row, personal)!;
    return shownEntry(row, event, NAMES, { before, after: afterEvent(before, event), isErased: false });
  };

  it('of each attribute the value before and after, of a complex one its parts, of a list what came and went', () => {
    const before = subjectWith({
      title: 'Countess',
      name: { givenName: 'Ada', familyName: 'Byron' },
      emails: [{ value: 'a' }, { value: 'b', type: 'work' }],
      'urn:example:hr:2.0:User': { badge: 'A', desk: { floor: 1 } },
    });
    const { changes } = shown(
      before,
      changed({
        title: null,
        name: { givenName: 'Ada', familyName: 'Lovelace' },
        emails: [{ type: 'work', value: 'b' }, { value: 'c' }],
        'urn:example:hr:2.0:User': { badge: 'B', desk: { floor: 2 } },
      }),
    );
    expect(changes).toEqual([
      { attribute: 'name.familyName', before: 'Byron', after: 'Lovelace' },
      {
        attribute: 'emails',
        before: [{ value: 'a' }, { value: 'b', type: 'work' }],
        after: [{ type: 'work', value: 'b' }, { value: 'c' }],
        added: [{ value: 'c' }],
        removed: [{ value: 'a' }],
      },
      { attribute: 'urn:example:hr:2.0:User:badge', before: 'A', after: 'B' },
      { attribute: 'urn:example:hr:2.0:User:desk.floor', before: 1, after: 2 },
      { attribute: 'title', before: 'Countess', after: null },
    ]);
  });

  it('no value before of which nobody can say any more what it was', () => {
    const { changes } = shown(subjectWith({ title: 'known' }, false), changed({ title: 'a', nickName: 'b' }));
    expect(changes).toEqual([
      { attribute: 'title', before: 'known', after: 'a' },
      { attribute: 'nickName', after: 'b' },
    ]);
    expect(afterUnread(subjectWith({ title: 'a' }), 'muster.user.changed.v1')).toMatchObject({
      exists: true,
      values: {},
      isComplete: false,
    });
  });

  it('of a purged event what its type alone says: whether somebody is there, and may act', () => {
    const after = (...actions: string[]) =>
      actions.reduce((subject, action) => afterUnread(subject, `muster.${action}.v1`), newSubject());
    expect(after('user.created')).toMatchObject({ exists: true, values: {}, isComplete: false });
    expect(after('user.created', 'user.changed', 'user.deactivated').values).toEqual({ active: false });
    // An event behind it may have made the user active again.
    expect(after('user.created', 'user.deactivated', 'user.linked').values).toEqual({});
    expect(after('user.created', 'user.deactivated', 'user.reactivated').values).toEqual({ active: true });
    // Of what is gone nothing is unknown.
    expect(after('user.created', 'user.deleted')).toMatchObject({ exists: false, values: {}, isComplete: true });
  });

  it('of an erased person the names of attributes, and no value', () => {
    const row = rowOf(changed({ title: 'secret' }));
    const event = eventOf(row, null);
    const before = afterEvent(newSubject(), eventOf(rowOf({ type: 'muster.user.created.v2', data: created }), null)!);
    const entry = shownEntry(row, event, NAMES, { before, after: afterEvent(before, event!), isErased: true });
    expect(entry).toMatchObject({
      values: 'erased',
      changes: [{ attribute: 'title' }],
      sentence: 'The user "ada" changed: title.',
    });
    expect(JSON.stringify(entry)).not.toContain('secret');
  });

  it('of a purged event that it is purged, and of one that a newer version wrote that it is not known', () => {
    const purged = rowOf({ type: 'muster.user.changed.v1', data: null });
    const same = { before: newSubject(), after: newSubject(), isErased: false };
    expect(shownEntry(purged, eventOf(purged, {}), NAMES, same)).toMatchObject({ values: 'purged', changes: [] });
    expect(shownEntry(purged, null, NAMES, same).sentence).toMatch(/has been purged/);
    const newer = rowOf({ type: 'muster.user.teleported.v1', data: { type: 'UserTeleported' } });
    expect(eventOf(newer, {})).toBe(null);
    expect(shownEntry(newer, null, NAMES, same).sentence).toMatch(/newer version/);
  });

  it('whether all of it was done', () => {
    const result = (rest: object) => resultOf(eventOf(rowOf(changed({ title: 'a' }, rest)), null));
    expect(result({})).toBe('done');
    expect(result({ leftOut: ['title'] })).toBe('partly');
    expect(result({ leftOut: [] })).toBe('done');
    expect(result({ held: { reasons: ['scope'], active: true } })).toBe('held');
    expect(result({ held: { reasons: ['scope'], active: true, letIn: true } })).toBe('done');
    expect(result({ held: null })).toBe('done');
  });
});

it.each([
  ['id', ['a'], null, 'named by its id'],
  ['upn', ['a'], 'ada@example.org', 'found by UPN ada@example.org: 1 candidate'],
  ['email', ['a', 'b'], null, 'found by e-mail: 2 candidates'],
  ['create', [], null, 'nobody like that was known'],
  ['create', ['a'], null, 'nobody like that was known: 1 user has the same e-mail, and is somebody else'],
] as const)('the matching by %s of %j is told in words', (rule, candidates, value, words) => {
  expect(matchingInWords({ rule, candidates, result: 'a' }, value)).toBe(words);
});
