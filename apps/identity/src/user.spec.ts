import { describe, expect, it } from 'vitest';
import type { Matching, UserCommand, UserEvent } from '#contracts';
import type { Json, RejectionCode, Resource } from '#scim';
import { accepted, refused } from '../../../test/support/decisions.js';
import { directory, UserWorld } from '../../../test/support/user-world.js';
import { evolve, type UserState } from './user.js';

const at = '2026-01-01T00:00:00.000Z';
const under = { directory: 'entra', directoryVersion: 1 };
const by = (id: string): { directory: string; directoryVersion: number } => ({ directory: id, directoryVersion: 1 });
const DIRECTORIES = [
  directory('entra'),
  directory('okta'),
  directory('offered', { offerExistingUsers: true }),
  directory('mail', { emailIsLoginName: true }),
];
const nobody: Matching = { rule: 'create', candidates: [], result: 'u' };
const named: Matching = { rule: 'id', candidates: ['u'], result: 'u' };
const byUpn: Matching = { rule: 'upn', candidates: ['u'], result: 'u' };

type Given = readonly (readonly [userId: string, ...events: UserEvent[]])[];
const given = (...events: UserEvent[]): Given => [['u', ...events]];
const world = (past: Given): UserWorld => {
  const result = new UserWorld(DIRECTORIES, at);
  for (const [userId, ...events] of past) result.apply(userId, events);
  return result;
};
const when = (past: Given, command: UserCommand, sender: string | null = 'entra'): UserEvent[] =>
  accepted(world(past).decide(sender, command)).events;

const email = (value: string): object => ({ emails: [{ type: 'work', value }] });
const created = (resource: object = {}, manager: string | null = 'entra'): UserEvent => ({
  type: 'UserCreated',
  resource: { userName: 'ada', active: true, ...resource },
  manager,
  matching: nobody,
  ...under,
});
const create = (resource: object): UserCommand => ({
  type: 'CreateUser',
  userId: 'u',
  resource: { active: true, ...resource },
});
const patch = (path: string, value: string | boolean, ifMatch: number[] | null = null): UserCommand => ({
  type: 'PatchUser',
  userId: 'u',
  operations: [{ op: 'replace', path, value }],
  ifMatch,
});
const remove: UserCommand = { type: 'DeleteUser', userId: 'u', ifMatch: null };
const withdrawn: UserEvent[] = [
  { type: 'UserWithdrawn', changes: { active: false }, ...under },
  { type: 'UserDeactivated', ...under },
];
const signIn: UserCommand = {
  type: 'RecordSignIn',
  userId: 'u',
  loginType: 'oidc',
  providerId: 'p1',
  upn: 'ada',
  email: 'ada@example.org',
  displayName: 'Ada',
};
const signedIn = (matching: Matching): UserEvent => ({
  type: 'UserSignedIn',
  loginType: 'oidc',
  providerId: 'p1',
  matching,
  ...under,
});
const ada = {
  userName: 'ada',
  active: true,
  displayName: 'Ada',
  emails: [{ type: 'work', value: 'ada@example.org', primary: true }],
};
/** Signed in first, then taken over by Entra, which calls her by another name. */
const linked: UserEvent[] = [
  created(ada, null),
  signedIn(nobody),
  {
    type: 'UserLinked',
    matching: { rule: 'email', candidates: ['u'], result: 'u' },
    changes: { userName: 'al', externalId: 'e1', displayName: null },
    ...under,
  },
];
const UNLINK: UserCommand = { type: 'UnlinkUser', userId: 'u', signIn: null };
const unlinkSignIn = (providerId: string): UserCommand => ({
  type: 'UnlinkUser',
  userId: 'u',
  signIn: { directory: 'entra', loginType: 'oidc', providerId },
});
const TOMBSTONE = `${'0123456789abcdef'.repeat(2)}ada@example.org`;

/** With its name and `active`, so many bytes as JSON. */
const bulky = (bytes: number): { nickName: string } => ({
  nickName: 'x'.repeat(bytes - JSON.stringify({ userName: 'ada', active: true, nickName: '' }).length),
});
const MOST = 262_144;

const replace = (resource: Resource, ifMatch: number[] | null = null): UserCommand => ({
  type: 'ReplaceUser',
  userId: 'u',
  resource,
  ifMatch,
});

interface Refused {
  given: Given;
  when: UserCommand;
  /** The directory that sends the command; null = an administrator does. */
  from: string | null;
  then: RejectionCode;
  because: RegExp;
}

describe('decide', () => {
  it.each(
    Object.entries<{ given: Given; when: UserCommand; then: UserEvent[] }>({
      'a new user is created': { given: [], when: create({ userName: 'ada' }), then: [created()] },
      'a new user may be as large as a user may be': {
        given: [],
        when: create({ userName: 'ada', ...bulky(MOST) }),
        then: [created(bulky(MOST))],
      },
      'one that has become too large may shrink': {
        given: given(created(bulky(2 * MOST))),
        when: replace({ userName: 'ada', active: true, ...bulky(2 * MOST - 1) }),
        then: [{ type: 'UserChanged', changes: bulky(2 * MOST - 1), ...under }],
      },
      'one that is as large as it may be, or larger, is shut out all the same': {
        given: given(created(bulky(MOST))),
        when: patch('active', false),
        then: [
          { type: 'UserChanged', changes: { active: false }, ...under },
          { type: 'UserDeactivated', ...under },
        ],
      },
      'one that is too large is shut out by a soft deletion too, though its name is longer': {
        given: given(created(bulky(2 * MOST))),
        when: {
          ...patch('active', false),
          operations: [
            { op: 'replace', path: 'active', value: false },
            { op: 'replace', path: 'userName', value: TOMBSTONE },
          ],
        } as UserCommand,
        then: [
          { type: 'UserChanged', changes: { active: false, userName: TOMBSTONE }, ...under },
          { type: 'UserDeactivated', ...under },
        ],
      },
      'one that is too large goes': { given: given(created(bulky(2 * MOST))), when: remove, then: withdrawn },
      'a new user may be inactive': {
        given: [],
        when: create({ userName: 'ada', active: false }),
        then: [created({ active: false }), { type: 'UserDeactivated', ...under }],
      },
      'a change names what changed': {
        given: given(created()),
        when: patch('title', 'Dr'),
        then: [{ type: 'UserChanged', changes: { title: 'Dr' }, ...under }],
      },
      'no change is no event': { given: given(created()), when: patch('userName', 'ada'), then: [] },
      'another spelling of the own name is a change': {
        given: given(created()),
        when: patch('userName', 'ADA'),
        then: [{ type: 'UserChanged', changes: { userName: 'ADA' }, ...under }],
      },
      'active:false archives': {
        given: given(created()),
        when: patch('active', 'False'),
        then: [
          { type: 'UserChanged', changes: { active: false }, ...under },
          { type: 'UserDeactivated', ...under },
        ],
      },
      'a current If-Match passes': {
        given: given(created()),
        when: patch('title', 'Dr', [1]),
        then: [{ type: 'UserChanged', changes: { title: 'Dr' }, ...under }],
      },
      'a deletion keeps the user, as archived': { given: given(created()), when: remove, then: withdrawn },
      'a replacement removes what it leaves out, and names only what changed': {
        given: given(created({ title: 'Dr', nickName: 'A' })),
        when: replace({ userName: 'ada', active: true, nickName: 'A', locale: 'it' }),
        then: [{ type: 'UserChanged', changes: { locale: 'it', title: null }, ...under }],
      },
      'a replacement by the same is no event': {
        given: given(created()),
        when: replace({ active: true, userName: 'ada' }),
        then: [],
      },
      'a replacement archives': {
        given: given(created()),
        when: replace({ userName: 'ada', active: false }),
        then: [
          { type: 'UserChanged', changes: { active: false }, ...under },
          { type: 'UserDeactivated', ...under },
        ],
      },
      'a replacement that does not speak of active leaves an archived user archived': {
        given: given(created({ active: false })),
        when: replace({ userName: 'ada' }),
        then: [],
      },
      'a replacement reactivates only when it says so': {
        given: given(created({ active: false })),
        when: replace({ userName: 'ada', active: true }),
        then: [
          { type: 'UserChanged', changes: { active: true }, ...under },
          { type: 'UserReactivated', ...under },
        ],
      },
      "a blank externalId is nobody's": {
        given: [['other', created({ userName: 'bob', externalId: '', active: false })]],
        when: create({ userName: 'ada', externalId: '' }),
        then: [created({ externalId: '' })],
      },
      "an externalId that becomes blank is nobody's": {
        given: [
          ['u', created()],
          ['other', created({ userName: 'bob', externalId: '' })],
        ],
        when: patch('externalId', ''),
        then: [{ type: 'UserChanged', changes: { externalId: '' }, ...under }],
      },
      "a blank e-mail is nobody's": {
        given: [
          ['other', created({ userName: 'bob', ...email(' '), active: false }, 'okta')],
          ['third', created({ userName: 'eve', ...email('') }, null)],
        ],
        when: create({ userName: 'ada', ...email('') }),
        then: [created(email(''))],
      },
      'a blank e-mail is no login name': {
        given: [['other', created({ userName: 'bob', ...email('') }, 'mail')]],
        when: create({ userName: 'ada', ...email('') }),
        then: [created(email(''))],
      },
      'e-mails are not unique by themselves': {
        given: [['other', created({ userName: 'bob', ...email('m@x') })]],
        when: create({ userName: 'ada', ...email('m@x') }),
        then: [
          { ...created(email('m@x')), matching: { rule: 'create', candidates: ['other'], result: 'u' } } as UserEvent,
        ],
      },
      'whom nobody manages a POST links, and the user becomes what was sent, but for the e-mails': {
        given: given(created(ada, null)),
        when: create({ userName: 'Ada', externalId: 'e1' }),
        then: [
          {
            type: 'UserLinked',
            matching: byUpn,
            changes: { userName: 'Ada', externalId: 'e1', displayName: null },
            ...under,
          },
        ],
      },
      'a first match never changes the e-mail in the same request': {
        given: given(created(ada, null)),
        when: create({ userName: 'ada', displayName: 'Ada', emails: [{ type: 'work', value: 'eve@example.org' }] }),
        then: [{ type: 'UserLinked', matching: byUpn, changes: {}, ...under }],
      },
      'a user without e-mails gets those of the first match': {
        given: given(created({ displayName: 'Ada' }, null)),
        when: create({ userName: 'ada', displayName: 'Ada', emails: [{ type: 'work', value: 'ada@example.org' }] }),
        then: [
          {
            type: 'UserLinked',
            matching: byUpn,
            changes: { emails: [{ type: 'work', value: 'ada@example.org' }] },
            ...under,
          },
        ],
      },
      'a user of the directory who comes back may have another e-mail': {
        given: given(created({ active: false, emails: [{ type: 'work', value: 'ada@example.org' }] })),
        when: create({ userName: 'ada', emails: [{ type: 'work', value: 'eve@example.org' }] }),
        then: [
          {
            type: 'UserLinked',
            matching: byUpn,
            changes: { active: true, emails: [{ type: 'work', value: 'eve@example.org' }] },
            ...under,
          },
          { type: 'UserReactivated', ...under },
        ],
      },
      'who comes back after an archive is reactivated': {
        given: given(created({ active: false })),
        when: create({ userName: 'ada', title: 'Dr' }),
        then: [
          { type: 'UserLinked', matching: byUpn, changes: { active: true, title: 'Dr' }, ...under },
          { type: 'UserReactivated', ...under },
        ],
      },
      'a first sign-in makes a user whom nobody manages': {
        given: [],
        when: signIn,
        then: [created(ada, null), signedIn(nobody)],
      },
      'a further sign-in is recorded': {
        given: given(created(ada, null), signedIn(nobody)),
        when: signIn,
        then: [signedIn({ rule: 'providerId', candidates: ['u'], result: 'u' })],
      },
      'a soft deletion leaves the e-mail as it was, also when it is renamed along': {
        given: given(created({ userName: 'ada@example.org', ...email('ada@example.org') })),
        when: {
          type: 'PatchUser',
          userId: 'u',
          ifMatch: null,
          operations: [
            { op: 'replace', path: 'userName', value: TOMBSTONE },
            { op: 'replace', path: 'active', value: false },
            { op: 'replace', path: 'emails[type eq "work"].value', value: TOMBSTONE },
          ],
        },
        then: [
          { type: 'UserChanged', changes: { userName: TOMBSTONE, active: false }, ...under },
          { type: 'UserDeactivated', ...under },
        ],
      },
      'a soft deletion brings no e-mail, though its mapping makes one of the UPN': {
        given: given(created({ userName: 'ada@example.org' })),
        when: {
          type: 'PatchUser',
          userId: 'u',
          ifMatch: null,
          operations: [
            { op: 'replace', path: 'userName', value: TOMBSTONE },
            { op: 'replace', path: 'active', value: false },
            { op: 'replace', path: 'emails[type eq "work"].value', value: TOMBSTONE },
          ],
        },
        then: [
          { type: 'UserChanged', changes: { userName: TOMBSTONE, active: false }, ...under },
          { type: 'UserDeactivated', ...under },
        ],
      },
      'a soft deletion that comes as a POST of somebody known brings no e-mail either': {
        given: given(created({ userName: 'ada@example.org', ...email('ada@mail') }, null)),
        when: create({ userName: TOMBSTONE, active: false, ...email(TOMBSTONE) }),
        then: [
          { type: 'UserLinked', matching: byUpn, changes: { userName: TOMBSTONE, active: false }, ...under },
          { type: 'UserDeactivated', ...under },
        ],
      },
      'a transfer takes the externalId along with the directory': {
        given: given(created({ externalId: 'e1' })),
        when: { type: 'TransferUser', userId: 'u', directoryId: 'okta' },
        then: [{ type: 'UserTransferred', changes: { externalId: null }, ...by('okta') }],
      },
      'a transfer to where the user is changes nothing': {
        given: given(created()),
        when: { type: 'TransferUser', userId: 'u', directoryId: 'entra' },
        then: [],
      },
      'an unlink takes the externalId': {
        given: given(created({ externalId: 'e1' })),
        when: UNLINK,
        then: [{ type: 'UserUnlinked', changes: { externalId: null }, ...under }],
      },
      'an unlink gives back what the user was before the link': {
        given: given(...linked),
        when: UNLINK,
        then: [{ type: 'UserUnlinked', changes: { userName: 'ada', externalId: null, displayName: 'Ada' }, ...under }],
      },
      'an unlink lets nobody in who is out': {
        given: given(...linked, { type: 'UserChanged', changes: { active: false }, ...under }),
        when: UNLINK,
        then: [{ type: 'UserUnlinked', changes: { userName: 'ada', externalId: null, displayName: 'Ada' }, ...under }],
      },
      'an unlink takes the access that the link gave': {
        given: given(
          created({ ...ada, active: false }, null),
          { ...linked[2]!, changes: { active: true } } as UserEvent,
          { type: 'UserReactivated', ...under },
        ),
        when: UNLINK,
        then: [
          { type: 'UserUnlinked', changes: { active: false }, ...under },
          { type: 'UserDeactivated', ...under },
        ],
      },
      'an unlink of whom nobody manages changes nothing': { given: given(created(ada, null)), when: UNLINK, then: [] },
      'an unlink of a sign-in identity says which one': {
        given: given(created(ada, null), signedIn(nobody)),
        when: unlinkSignIn('p1'),
        then: [{ type: 'SignInUnlinked', loginType: 'oidc', providerId: 'p1', ...under }],
      },
    }),
  )('%s', (_rule, { given: past, when: command, then: events }) => {
    expect(
      when(past, command, command.type === 'UnlinkUser' || command.type === 'TransferUser' ? null : 'entra'),
    ).toEqual(events);
  });

  it('a role that is no web role is kept as it was sent, whatever the user had', () => {
    const writer = [{ value: 'Writer' }];
    const both: Json = [{ value: 'WRITER', primary: true }, { value: 'User' }];
    expect(when([], create({ userName: 'ada', roles: writer }))).toMatchObject([
      { type: 'UserCreated', resource: { roles: writer } },
    ]);
    for (const past of [
      given(created()),
      given(created({ roles: [{ value: 'User' }] })),
      given(created({ roles: writer })),
    ]) {
      expect(when(past, replace({ userName: 'ada', active: true, roles: both }))).toEqual([
        { type: 'UserChanged', changes: { roles: both }, ...under },
      ]);
    }
    expect(
      when(
        given(created({ roles: [{ value: 'User', primary: true }] })),
        patch('roles[primary eq "True"].value', 'Writer'),
      ),
    ).toMatchObject([{ type: 'UserChanged', changes: { roles: [{ value: 'Writer', primary: true }] } }]);
    // Nobody who has such a role alone is privileged: the next directory links the user as any other.
    expect(when(given(created({ ...ada, roles: writer } as never, null)), create({ userName: 'ada' }))).toMatchObject([
      { type: 'UserLinked' },
    ]);
  });

  it('the first write of a directory that is offered existing users links one, though it changes nothing', () => {
    const link = (changes: object): UserEvent => ({
      type: 'UserLinked',
      matching: named,
      changes: changes as never,
      ...by('offered'),
    });
    expect(when(given(created(ada, null)), patch('title', 'Dr'), 'offered')).toEqual([link({ title: 'Dr' })]);
    expect(when(given(created(ada, null)), patch('userName', 'ada'), 'offered')).toEqual([link({})]);
    expect(when(given(created(ada, null)), remove, 'offered')).toEqual(
      withdrawn.map((event) => ({ ...event, ...by('offered') })),
    );
  });

  it.each([
    ['a PATCH', patch('emails[type eq "work"].value', 'eve@example.org')],
    [
      'a PATCH that removes it',
      { type: 'PatchUser', userId: 'u', operations: [{ op: 'remove', path: 'emails' }], ifMatch: null },
    ],
    ['a PUT', replace({ ...ada, ...email('eve@example.org') })],
    ['a PUT without it', replace({ userName: 'ada' })],
  ] satisfies [string, UserCommand][])(
    '%s by which a directory gets a user of nobody keeps the e-mail, and the next one changes it',
    (_what, command) => {
      const of = world(given(created(ada, null)));
      expect(of.send('offered', command).events).toMatchObject([{ type: 'UserLinked', matching: named }]);
      expect(of.users.get('u')!.resource.emails).toEqual(ada.emails);
      of.send('offered', command);
      expect(of.users.get('u')!.resource.emails).not.toEqual(ada.emails);
    },
  );

  it('a user of nobody who has no e-mail gets the one that comes with the first write', () => {
    const of = world(given(created({}, null)));
    of.send('offered', replace({ userName: 'ada', ...email('ada@example.org') }));
    expect(of.users.get('u')!.resource).toMatchObject(email('ada@example.org'));
  });

  it.each(
    Object.entries<Refused>({
      'a taken name': {
        given: [['x', created()]],
        when: create({ userName: 'ADA' }),
        from: 'entra',
        then: 'uniqueness',
        because: /userName ADA is taken by .* x,/,
      },
      'a rename to a taken name': {
        given: [
          ['x', created({ userName: 'taken' })],
          ['u', created()],
        ],
        when: patch('userName', 'Taken'),
        from: 'entra',
        then: 'uniqueness',
        because: /userName Taken .* x\./,
      },
      'the externalId of another': {
        given: [
          ['x', created({ userName: 'x', externalId: 'e1' })],
          ['u', created()],
        ],
        when: patch('externalId', 'e1'),
        from: 'entra',
        then: 'uniqueness',
        because: /externalId e1 .* x\./,
      },
      'a user that is not there': {
        given: [],
        when: patch('title', 'Dr'),
        from: 'entra',
        then: 'notFound',
        because: / u\./,
      },
      "another directory's user": {
        given: given(created()),
        when: patch('title', 'Dr'),
        from: 'okta',
        then: 'notFound',
        because: / u\./,
      },
      'a user of nobody, where these are not offered': {
        given: given(created(ada, null)),
        when: patch('title', 'Dr'),
        from: 'entra',
        then: 'notFound',
        because: / u\./,
      },
      'a write to a user of nobody who has a web role': {
        given: given(created({ roles: [{ value: 'Admin' }] }, null)),
        when: patch('title', 'Dr'),
        from: 'offered',
        then: 'conflict',
        because: /web role/,
      },
      'the deletion of a user of nobody who has a web role': {
        given: given(created({ roles: [{ value: 'Admin' }] }, null)),
        when: remove,
        from: 'offered',
        then: 'conflict',
        because: /web role/,
      },
      'a name that looks like another': {
        given: [
          ['x', created({ userName: 'taken' })],
          ['u', created()],
        ],
        when: patch('userName', 'taken\u200b'),
        from: 'entra',
        then: 'uniqueness',
        because: /is taken by .* x, whose name differs only in spaces/,
      },
      'a replacement with a name that looks like another': {
        given: [
          ['x', created({ userName: 'taken' }, 'okta')],
          ['u', created()],
        ],
        when: replace({ userName: ' Ｔaken' }),
        from: 'entra',
        then: 'uniqueness',
        because: /x, whom the directory "Directory okta" manages, whose name differs only/,
      },
      'a name of which nothing is left': {
        given: given(created()),
        when: patch('userName', '\u200b '),
        from: 'entra',
        then: 'invalidValue',
        because: /userName is required and must not be blank/,
      },
      'an e-mail that looks like a login name': {
        given: [['x', created({ userName: 'x', ...email('m@x') }, 'mail')]],
        when: create({ userName: 'ada', ...email('m@x\u00ad') }),
        from: 'mail',
        then: 'uniqueness',
        because: /x\./,
      },
      'a stale If-Match': {
        given: given(created()),
        when: patch('title', 'Dr', [7]),
        from: 'entra',
        then: 'preconditionFailed',
        because: /W\/"1"/,
      },
      'a replacement with a taken name': {
        given: [
          ['x', created({ userName: 'taken' })],
          ['u', created()],
        ],
        when: replace({ userName: 'Taken' }),
        from: 'entra',
        then: 'uniqueness',
        because: /userName Taken .* x\./,
      },
      'a rename to a name in another directory, which it names': {
        given: [
          ['x', created({ userName: 'taken' }, 'okta')],
          ['u', created()],
        ],
        when: patch('userName', 'taken'),
        from: 'entra',
        then: 'uniqueness',
        because: /userName taken .* x, whom the directory "Directory okta" manages\./,
      },
      'a replacement with the externalId of another': {
        given: [
          ['x', created({ userName: 'x', externalId: 'e1' })],
          ['u', created()],
        ],
        when: replace({ userName: 'ada', externalId: 'e1' }),
        from: 'entra',
        then: 'uniqueness',
        because: /externalId e1 .* x\./,
      },
      'a replacement of a user that is not there': {
        given: [],
        when: replace({ userName: 'ada' }),
        from: 'entra',
        then: 'notFound',
        because: / u\./,
      },
      'a replacement with a stale If-Match': {
        given: given(created()),
        when: replace({ userName: 'ada' }, [7]),
        from: 'entra',
        then: 'preconditionFailed',
        because: /W\/"1"/,
      },
      'a deleted user': {
        given: given(created(), { type: 'UserDeleted', ...under }),
        when: remove,
        from: 'entra',
        then: 'notFound',
        because: / u\./,
      },
      'an e-mail that is a login name': {
        given: [['x', created({ userName: 'x', ...email('m@x') }, 'mail')]],
        when: create({ userName: 'ada', ...email('M@x') }),
        from: 'mail',
        then: 'uniqueness',
        because: /e-mail M@x.* x\./,
      },
      'a change to an e-mail that is a login name': {
        given: [
          ['x', created({ userName: 'x', ...email('m@x') }, 'mail')],
          ['u', created({}, 'mail')],
        ],
        when: patch('emails[type eq "work"].value', 'm@x'),
        from: 'mail',
        then: 'uniqueness',
        because: /m@x/,
      },
      'a login name of another directory': {
        given: [
          ['x', created({ userName: 'x', ...email('m@x') }, 'mail')],
          ['u', created()],
        ],
        when: patch('emails[type eq "work"].value', 'm@x'),
        from: 'entra',
        then: 'uniqueness',
        because: /m@x/,
      },
      'a login name that somebody elsewhere bears': {
        given: [
          ['x', created({ userName: 'x', ...email('m@x') })],
          ['u', created({}, 'mail')],
        ],
        when: patch('emails[type eq "work"].value', 'm@x'),
        from: 'mail',
        then: 'uniqueness',
        because: /m@x/,
      },
      'a transfer to where the e-mail is a login name that somebody bears': {
        given: [
          ['x', created({ userName: 'x', ...email('m@x') })],
          ['u', created(email('M@x'))],
        ],
        when: { type: 'TransferUser', userId: 'u', directoryId: 'mail' },
        from: null,
        then: 'uniqueness',
        because: /e-mail M@x.* x,/,
      },
      "an unlink whose e-mail is somebody's login name": {
        given: [
          ['u', ...linked.slice(0, 2), { ...linked[2]!, changes: { emails: null } } as UserEvent],
          ['x', created({ userName: 'x', ...email('ada@example.org') }, 'mail')],
        ],
        when: UNLINK,
        from: null,
        then: 'uniqueness',
        because: /e-mail ada@example.org.* x,/,
      },
      'a new user that is too large': {
        given: [],
        when: create({ userName: 'ada', ...bulky(MOST + 1) }),
        from: 'entra',
        then: 'invalidValue',
        because: /262145 bytes.*262144 \(MAX_RESOURCE_BYTES\)/,
      },
      'a PATCH that lets a user grow too large': {
        given: given(created(bulky(MOST))),
        when: patch('title', 'x'),
        from: 'entra',
        then: 'invalidValue',
        because: /MAX_RESOURCE_BYTES/,
      },
      'a PUT that lets a user grow too large': {
        given: given(created(bulky(MOST))),
        when: replace({ userName: 'ada', active: true, ...bulky(MOST + 1) }),
        from: 'entra',
        then: 'invalidValue',
        because: /MAX_RESOURCE_BYTES/,
      },
      'a link that lets a user grow too large': {
        given: given(created(bulky(MOST), null)),
        when: patch('title', 'x'),
        from: 'offered',
        then: 'invalidValue',
        because: /MAX_RESOURCE_BYTES/,
      },
      'a change by which a user grows that is too large already': {
        given: given(created(bulky(2 * MOST))),
        when: patch('title', 'x'),
        from: 'entra',
        then: 'invalidValue',
        because: /MAX_RESOURCE_BYTES/,
      },
      'an unlink whose name is taken': {
        given: [
          ['u', ...linked],
          ['x', created()],
        ],
        when: UNLINK,
        from: null,
        then: 'uniqueness',
        because: /userName ada .* x,/,
      },
      'an unlink of a sign-in identity that is not there': {
        given: given(created(ada, null)),
        when: unlinkSignIn('p2'),
        from: null,
        then: 'notFound',
        because: /sign-in identity/,
      },
      'a transfer to nowhere': {
        given: given(created()),
        when: { type: 'TransferUser', userId: 'u', directoryId: 'gone' },
        from: null,
        then: 'notFound',
        because: /directory .* gone/,
      },
      'a sign-in through nothing': {
        given: [],
        when: signIn,
        from: 'gone',
        then: 'notFound',
        because: /directory .* gone/,
      },
    }),
  )('refuses %s', (_rule, { given: past, when: command, from, then: code, because }) => {
    expect(refused(world(past).decide(from, command))).toMatchObject({ code, detail: expect.stringMatching(because) });
  });
});

describe('what was undone', () => {
  it('is not found by its e-mail again: a person who was taken for another is not taken for it twice', () => {
    const past = world([['u', ...linked]]);
    past.send(null, UNLINK);
    const again: UserCommand = {
      type: 'CreateUser',
      userId: 'v',
      resource: { userName: 'al', externalId: 'e1', active: true, ...email('ada@example.org') },
    };
    expect(past.send('entra', again).userId).toBe('v');
    expect(past.users.get('u')).toMatchObject({ directory: null, resource: ada });
  });

  it('is not found by its e-mail again, when it was a sign-in', () => {
    const past = world([['u', created(ada)]]);
    const other: UserCommand = { ...signIn, userId: 'v', upn: 'al' } as UserCommand;
    expect(past.send('entra', other).userId).toBe('u');
    past.send(null, unlinkSignIn('p1'));
    expect(past.send('entra', other).userId).toBe('v');
  });

  it('may be done again on purpose', () => {
    const past = world([['u', ...linked]]);
    past.send(null, UNLINK);
    past.send(null, { type: 'TransferUser', userId: 'u', directoryId: 'entra' });
    const again: UserCommand = {
      type: 'CreateUser',
      userId: 'v',
      resource: { userName: 'al', externalId: 'e1', active: true, ...email('ada@example.org') },
    };
    expect(past.send('entra', again).userId).toBe('u');
  });
});

describe('a tombstone', () => {
  const bury: UserCommand = {
    type: 'PatchUser',
    userId: 'u',
    ifMatch: null,
    operations: [
      { op: 'replace', path: 'userName', value: TOMBSTONE },
      { op: 'replace', path: 'active', value: false },
    ],
  };
  const past = (): UserWorld => {
    const result = world([
      ['u', created({ userName: 'ada@example.org', externalId: 'e1', ...email('ada@example.org') })],
    ]);
    expect(result.send('entra', bury).outcome.status).toBe('done');
    return result;
  };

  it('shows the name as it was sent, and frees the one before', () => {
    const after = past();
    expect(after.users.get('u')!.resource).toMatchObject({
      userName: TOMBSTONE,
      active: false,
      ...email('ada@example.org'),
    });
    const renamed: UserCommand = {
      type: 'PatchUser',
      userId: 'v',
      ifMatch: null,
      operations: [{ op: 'replace', path: 'userName', value: 'ada@example.org' }],
    };
    after.apply('v', [created({ userName: 'bob' })]);
    expect(after.send('entra', renamed).outcome.status).toBe('done');
  });

  it('that is archived only after it was renamed keeps the e-mail of then: who has it meanwhile keeps nobody from being archived', () => {
    const after = world([
      ['u', created({ userName: TOMBSTONE, ...email(TOMBSTONE) }, 'mail')],
      ['v', created({ userName: 'zoe', ...email('ada@example.org') }, 'mail')],
    ]);
    expect(after.send('mail', patch('active', false)).outcome.status).toBe('done');
    expect(after.users.get('u')!.resource).toMatchObject({ active: false, ...email(TOMBSTONE) });
  });

  it.each([
    ['its externalId', { userName: 'new@example.org', externalId: 'e1' }],
    ['its UPN', { userName: 'ADA@example.org' }],
    ['its UPN, as another object of the identity provider', { userName: 'ada@example.org', externalId: 'e2' }],
  ])('is found again by %s', (_key, resource) => {
    const after = past();
    const { userId, outcome } = after.send('entra', {
      type: 'CreateUser',
      userId: 'v',
      resource: { active: true, ...resource },
    });
    expect([userId, outcome.status]).toEqual(['u', 'done']);
    expect(after.users.get('u')!.resource).toEqual({ active: true, ...resource });
  });
});

describe('evolve', () => {
  const fold = (...events: UserEvent[]): UserState =>
    events.reduce<UserState>((state, event) => evolve(state, event, 'u', at), null);

  it('lastModified never goes back', () => {
    const later = evolve(fold(created()), { type: 'UserDeactivated', ...under }, 'u', '2025-01-01T00:00:00.000Z');
    expect(later?.lastModified).toBe(at);
    expect(later?.version).toBe(2);
  });

  it('a sign-in is no modification of what clients see', () => {
    const later = evolve(fold(created()), signedIn(named), 'u', '2027-01-01T00:00:00.000Z');
    expect(later).toMatchObject({
      version: 2,
      lastModified: at,
      signIns: [{ directory: 'entra', loginType: 'oidc', providerId: 'p1' }],
    });
  });

  it('a transferred user is awaited until its new directory writes', () => {
    const transferred = fold(created(), { type: 'UserTransferred', changes: {}, ...by('okta') });
    expect(transferred).toMatchObject({ directory: 'okta', awaited: true });
    expect(
      evolve(transferred, { type: 'UserChanged', changes: { title: 'Dr' }, ...by('okta') }, 'u', at),
    ).toMatchObject({ awaited: false });
  });
});
