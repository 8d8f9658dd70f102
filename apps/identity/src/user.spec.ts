import { describe, expect, it } from 'vitest';
import type { Matching, UserCommand, UserEvent } from '#contracts';
import type { Json, Resource } from '#scim';
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

describe('decide', () => {
  it.each<[string, Given, UserCommand, UserEvent[]]>([
    ['a new user is created', [], create({ userName: 'ada' }), [created()]],
    [
      'a new user may be as large as a user may be',
      [],
      create({ userName: 'ada', ...bulky(MOST) }),
      [created(bulky(MOST))],
    ],
    [
      'one that has become too large may shrink',
      given(created(bulky(2 * MOST))),
      replace({ userName: 'ada', active: true, ...bulky(2 * MOST - 1) }),
      [{ type: 'UserChanged', changes: bulky(2 * MOST - 1), ...under }],
    ],
    [
      'one that is as large as it may be, or larger, is shut out all the same',
      given(created(bulky(MOST))),
      patch('active', false),
      [
        { type: 'UserChanged', changes: { active: false }, ...under },
        { type: 'UserDeactivated', ...under },
      ],
    ],
    [
      'also with the longer name of a soft deletion',
      given(created(bulky(2 * MOST))),
      {
        ...patch('active', false),
        operations: [
          { op: 'replace', path: 'active', value: false },
          { op: 'replace', path: 'userName', value: TOMBSTONE },
        ],
      } as UserCommand,
      [
        { type: 'UserChanged', changes: { active: false, userName: TOMBSTONE }, ...under },
        { type: 'UserDeactivated', ...under },
      ],
    ],
    ['one that is too large goes', given(created(bulky(2 * MOST))), remove, [{ type: 'UserDeleted', ...under }]],
    [
      'a new user may be inactive',
      [],
      create({ userName: 'ada', active: false }),
      [created({ active: false }), { type: 'UserDeactivated', ...under }],
    ],
    [
      'a change names what changed',
      given(created()),
      patch('title', 'Dr'),
      [{ type: 'UserChanged', changes: { title: 'Dr' }, ...under }],
    ],
    ['no change is no event', given(created()), patch('userName', 'ada'), []],
    [
      'another spelling of the own name is a change',
      given(created()),
      patch('userName', 'ADA'),
      [{ type: 'UserChanged', changes: { userName: 'ADA' }, ...under }],
    ],
    [
      'active:false archives',
      given(created()),
      patch('active', 'False'),
      [
        { type: 'UserChanged', changes: { active: false }, ...under },
        { type: 'UserDeactivated', ...under },
      ],
    ],
    [
      'a current If-Match passes',
      given(created()),
      patch('title', 'Dr', [1]),
      [{ type: 'UserChanged', changes: { title: 'Dr' }, ...under }],
    ],
    ['a deletion', given(created()), remove, [{ type: 'UserDeleted', ...under }]],
    [
      'a replacement removes what it leaves out, and names only what changed',
      given(created({ title: 'Dr', nickName: 'A' })),
      replace({ userName: 'ada', active: true, nickName: 'A', locale: 'it' }),
      [{ type: 'UserChanged', changes: { locale: 'it', title: null }, ...under }],
    ],
    ['a replacement by the same is no event', given(created()), replace({ active: true, userName: 'ada' }), []],
    [
      'a replacement archives',
      given(created()),
      replace({ userName: 'ada', active: false }),
      [
        { type: 'UserChanged', changes: { active: false }, ...under },
        { type: 'UserDeactivated', ...under },
      ],
    ],
    [
      'a replacement that does not speak of active leaves an archived user archived',
      given(created({ active: false })),
      replace({ userName: 'ada' }),
      [],
    ],
    [
      'a replacement reactivates only when it says so',
      given(created({ active: false })),
      replace({ userName: 'ada', active: true }),
      [
        { type: 'UserChanged', changes: { active: true }, ...under },
        { type: 'UserReactivated', ...under },
      ],
    ],
    [
      "a blank externalId is nobody's",
      [['other', created({ userName: 'bob', externalId: '', active: false })]],
      create({ userName: 'ada', externalId: '' }),
      [created({ externalId: '' })],
    ],
    [
      "a change to one is nobody's either",
      [
        ['u', created()],
        ['other', created({ userName: 'bob', externalId: '' })],
      ],
      patch('externalId', ''),
      [{ type: 'UserChanged', changes: { externalId: '' }, ...under }],
    ],
    [
      "a blank e-mail is nobody's",
      [
        ['other', created({ userName: 'bob', ...email(' '), active: false }, 'okta')],
        ['third', created({ userName: 'eve', ...email('') }, null)],
      ],
      create({ userName: 'ada', ...email('') }),
      [created(email(''))],
    ],
    [
      'a blank e-mail is no login name',
      [['other', created({ userName: 'bob', ...email('') }, 'mail')]],
      create({ userName: 'ada', ...email('') }),
      [created(email(''))],
    ],
    [
      'e-mails are not unique by themselves',
      [['other', created({ userName: 'bob', ...email('m@x') })]],
      create({ userName: 'ada', ...email('m@x') }),
      [{ ...created(email('m@x')), matching: { rule: 'create', candidates: ['other'], result: 'u' } } as UserEvent],
    ],
    [
      'whom nobody manages a POST links, and the user becomes what was sent',
      given(created(ada, null)),
      create({ userName: 'Ada', externalId: 'e1' }),
      [
        {
          type: 'UserLinked',
          matching: byUpn,
          changes: { userName: 'Ada', externalId: 'e1', displayName: null, emails: null },
          ...under,
        },
      ],
    ],
    [
      'who comes back after an archive is reactivated',
      given(created({ active: false })),
      create({ userName: 'ada', title: 'Dr' }),
      [
        { type: 'UserLinked', matching: byUpn, changes: { active: true, title: 'Dr' }, ...under },
        { type: 'UserReactivated', ...under },
      ],
    ],
    ['a first sign-in makes a user whom nobody manages', [], signIn, [created(ada, null), signedIn(nobody)]],
    [
      'a further sign-in is recorded',
      given(created(ada, null), signedIn(nobody)),
      signIn,
      [signedIn({ rule: 'providerId', candidates: ['u'], result: 'u' })],
    ],
    [
      'a soft deletion leaves the e-mail as it was, also when it is renamed along',
      given(created({ userName: 'ada@example.org', ...email('ada@example.org') })),
      {
        type: 'PatchUser',
        userId: 'u',
        ifMatch: null,
        operations: [
          { op: 'replace', path: 'userName', value: TOMBSTONE },
          { op: 'replace', path: 'active', value: false },
          { op: 'replace', path: 'emails[type eq "work"].value', value: TOMBSTONE },
        ],
      },
      [
        { type: 'UserChanged', changes: { userName: TOMBSTONE, active: false }, ...under },
        { type: 'UserDeactivated', ...under },
      ],
    ],
    [
      'a soft deletion brings no e-mail, though its mapping makes one of the UPN',
      given(created({ userName: 'ada@example.org' })),
      {
        type: 'PatchUser',
        userId: 'u',
        ifMatch: null,
        operations: [
          { op: 'replace', path: 'userName', value: TOMBSTONE },
          { op: 'replace', path: 'active', value: false },
          { op: 'replace', path: 'emails[type eq "work"].value', value: TOMBSTONE },
        ],
      },
      [
        { type: 'UserChanged', changes: { userName: TOMBSTONE, active: false }, ...under },
        { type: 'UserDeactivated', ...under },
      ],
    ],
    [
      'nor does it when it comes as a POST of somebody known',
      given(created({ userName: 'ada@example.org', ...email('ada@mail') }, null)),
      create({ userName: TOMBSTONE, active: false, ...email(TOMBSTONE) }),
      [
        { type: 'UserLinked', matching: byUpn, changes: { userName: TOMBSTONE, active: false }, ...under },
        { type: 'UserDeactivated', ...under },
      ],
    ],
    [
      'a transfer takes the externalId along with the directory',
      given(created({ externalId: 'e1' })),
      { type: 'TransferUser', userId: 'u', directoryId: 'okta' },
      [{ type: 'UserTransferred', changes: { externalId: null }, ...by('okta') }],
    ],
    [
      'a transfer to where the user is changes nothing',
      given(created()),
      { type: 'TransferUser', userId: 'u', directoryId: 'entra' },
      [],
    ],
    [
      'an unlink takes the externalId',
      given(created({ externalId: 'e1' })),
      UNLINK,
      [{ type: 'UserUnlinked', changes: { externalId: null }, ...under }],
    ],
    [
      'an unlink gives back what the user was before the link',
      given(...linked),
      UNLINK,
      [{ type: 'UserUnlinked', changes: { userName: 'ada', externalId: null, displayName: 'Ada' }, ...under }],
    ],
    [
      'an unlink lets nobody in who is out',
      given(...linked, { type: 'UserChanged', changes: { active: false }, ...under }),
      UNLINK,
      [{ type: 'UserUnlinked', changes: { userName: 'ada', externalId: null, displayName: 'Ada' }, ...under }],
    ],
    [
      'an unlink takes the access that the link gave',
      given(created({ ...ada, active: false }, null), { ...linked[2]!, changes: { active: true } } as UserEvent, {
        type: 'UserReactivated',
        ...under,
      }),
      UNLINK,
      [
        { type: 'UserUnlinked', changes: { active: false }, ...under },
        { type: 'UserDeactivated', ...under },
      ],
    ],
    ['an unlink of whom nobody manages changes nothing', given(created(ada, null)), UNLINK, []],
    [
      'an unlink of a sign-in identity',
      given(created(ada, null), signedIn(nobody)),
      unlinkSignIn('p1'),
      [{ type: 'SignInUnlinked', loginType: 'oidc', providerId: 'p1', ...under }],
    ],
  ])('%s', (_rule, past, command, events) => {
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
    expect(when(given(created(ada, null)), remove, 'offered')).toEqual([{ type: 'UserDeleted', ...by('offered') }]);
  });

  it.each<[string, Given, UserCommand, string | null, string, RegExp]>([
    [
      'a taken name',
      [['x', created()]],
      create({ userName: 'ADA' }),
      'entra',
      'uniqueness',
      /userName ADA is taken by .* x,/,
    ],
    [
      'a rename to a taken name',
      [
        ['x', created({ userName: 'taken' })],
        ['u', created()],
      ],
      patch('userName', 'Taken'),
      'entra',
      'uniqueness',
      /userName Taken .* x\./,
    ],
    [
      'the externalId of another',
      [
        ['x', created({ userName: 'x', externalId: 'e1' })],
        ['u', created()],
      ],
      patch('externalId', 'e1'),
      'entra',
      'uniqueness',
      /externalId e1 .* x\./,
    ],
    ['a user that is not there', [], patch('title', 'Dr'), 'entra', 'notFound', / u\./],
    ["another directory's user", given(created()), patch('title', 'Dr'), 'okta', 'notFound', / u\./],
    [
      'a user of nobody, where these are not offered',
      given(created(ada, null)),
      patch('title', 'Dr'),
      'entra',
      'notFound',
      / u\./,
    ],
    [
      'a write to a user of nobody who has a web role',
      given(created({ roles: [{ value: 'Admin' }] }, null)),
      patch('title', 'Dr'),
      'offered',
      'conflict',
      /web role/,
    ],
    [
      'the deletion of such a user',
      given(created({ roles: [{ value: 'Admin' }] }, null)),
      remove,
      'offered',
      'conflict',
      /web role/,
    ],
    [
      'a name that looks like another',
      [
        ['x', created({ userName: 'taken' })],
        ['u', created()],
      ],
      patch('userName', 'taken\u200b'),
      'entra',
      'uniqueness',
      /is taken by .* x, whose name differs only in spaces/,
    ],
    [
      'a replacement with one',
      [
        ['x', created({ userName: 'taken' }, 'okta')],
        ['u', created()],
      ],
      replace({ userName: ' Ｔaken' }),
      'entra',
      'uniqueness',
      /x, whom the directory "Directory okta" manages, whose name differs only/,
    ],
    [
      'a name of which nothing is left',
      given(created()),
      patch('userName', '\u200b '),
      'entra',
      'invalidValue',
      /userName is required and must not be blank/,
    ],
    [
      'an e-mail that looks like a login name',
      [['x', created({ userName: 'x', ...email('m@x') }, 'mail')]],
      create({ userName: 'ada', ...email('m@x\u00ad') }),
      'mail',
      'uniqueness',
      /x\./,
    ],
    ['a stale If-Match', given(created()), patch('title', 'Dr', [7]), 'entra', 'preconditionFailed', /W\/"1"/],
    [
      'a replacement with a taken name',
      [
        ['x', created({ userName: 'taken' })],
        ['u', created()],
      ],
      replace({ userName: 'Taken' }),
      'entra',
      'uniqueness',
      /userName Taken .* x\./,
    ],
    [
      'a rename to a name in another directory, which it names',
      [
        ['x', created({ userName: 'taken' }, 'okta')],
        ['u', created()],
      ],
      patch('userName', 'taken'),
      'entra',
      'uniqueness',
      /userName taken .* x, whom the directory "Directory okta" manages\./,
    ],
    [
      'a replacement with the externalId of another',
      [
        ['x', created({ userName: 'x', externalId: 'e1' })],
        ['u', created()],
      ],
      replace({ userName: 'ada', externalId: 'e1' }),
      'entra',
      'uniqueness',
      /externalId e1 .* x\./,
    ],
    ['a replacement of a user that is not there', [], replace({ userName: 'ada' }), 'entra', 'notFound', / u\./],
    [
      'a replacement with a stale If-Match',
      given(created()),
      replace({ userName: 'ada' }, [7]),
      'entra',
      'preconditionFailed',
      /W\/"1"/,
    ],
    ['a deleted user', given(created(), { type: 'UserDeleted', ...under }), remove, 'entra', 'notFound', / u\./],
    [
      'an e-mail that is a login name',
      [['x', created({ userName: 'x', ...email('m@x') }, 'mail')]],
      create({ userName: 'ada', ...email('M@x') }),
      'mail',
      'uniqueness',
      /e-mail M@x.* x\./,
    ],
    [
      'a change to such an e-mail',
      [
        ['x', created({ userName: 'x', ...email('m@x') }, 'mail')],
        ['u', created({}, 'mail')],
      ],
      patch('emails[type eq "work"].value', 'm@x'),
      'mail',
      'uniqueness',
      /m@x/,
    ],
    [
      'a login name of another directory',
      [
        ['x', created({ userName: 'x', ...email('m@x') }, 'mail')],
        ['u', created()],
      ],
      patch('emails[type eq "work"].value', 'm@x'),
      'entra',
      'uniqueness',
      /m@x/,
    ],
    [
      'a login name that somebody elsewhere bears',
      [
        ['x', created({ userName: 'x', ...email('m@x') })],
        ['u', created({}, 'mail')],
      ],
      patch('emails[type eq "work"].value', 'm@x'),
      'mail',
      'uniqueness',
      /m@x/,
    ],
    [
      'a transfer to where the e-mail is a login name that somebody bears',
      [
        ['x', created({ userName: 'x', ...email('m@x') })],
        ['u', created(email('M@x'))],
      ],
      { type: 'TransferUser', userId: 'u', directoryId: 'mail' },
      null,
      'uniqueness',
      /e-mail M@x.* x,/,
    ],
    [
      "an unlink whose e-mail is somebody's login name",
      [
        ['u', ...linked.slice(0, 2), { ...linked[2]!, changes: { emails: null } } as UserEvent],
        ['x', created({ userName: 'x', ...email('ada@example.org') }, 'mail')],
      ],
      UNLINK,
      null,
      'uniqueness',
      /e-mail ada@example.org.* x,/,
    ],
    [
      'a new user that is too large',
      [],
      create({ userName: 'ada', ...bulky(MOST + 1) }),
      'entra',
      'invalidValue',
      /262145 bytes.*262144 \(MAX_RESOURCE_BYTES\)/,
    ],
    [
      'a PATCH that lets a user grow too large',
      given(created(bulky(MOST))),
      patch('title', 'x'),
      'entra',
      'invalidValue',
      /MAX_RESOURCE_BYTES/,
    ],
    [
      'a PUT that lets a user grow too large',
      given(created(bulky(MOST))),
      replace({ userName: 'ada', active: true, ...bulky(MOST + 1) }),
      'entra',
      'invalidValue',
      /MAX_RESOURCE_BYTES/,
    ],
    [
      'a link that lets a user grow too large',
      given(created(bulky(MOST), null)),
      patch('title', 'x'),
      'offered',
      'invalidValue',
      /MAX_RESOURCE_BYTES/,
    ],
    [
      'one that is too large and grows',
      given(created(bulky(2 * MOST))),
      patch('title', 'x'),
      'entra',
      'invalidValue',
      /MAX_RESOURCE_BYTES/,
    ],
    [
      'an unlink whose name is taken',
      [
        ['u', ...linked],
        ['x', created()],
      ],
      UNLINK,
      null,
      'uniqueness',
      /userName ada .* x,/,
    ],
    [
      'an unlink of a sign-in identity that is not there',
      given(created(ada, null)),
      unlinkSignIn('p2'),
      null,
      'notFound',
      /sign-in identity/,
    ],
    [
      'a transfer to nowhere',
      given(created()),
      { type: 'TransferUser', userId: 'u', directoryId: 'gone' },
      null,
      'notFound',
      /directory .* gone/,
    ],
    ['a sign-in through nothing', [], signIn, 'gone', 'notFound', /directory .* gone/],
  ])('refuses %s', (_rule, past, command, sender, code, detail) => {
    expect(refused(world(past).decide(sender, command))).toMatchObject({ code, detail: expect.stringMatching(detail) });
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
