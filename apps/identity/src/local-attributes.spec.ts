import { describe, expect, it } from 'vitest';
import type { AttributeChanges, UserCommand } from '#contracts';
import type { Json, JsonObject } from '#scim';
import { refused } from '../../../test/support/decisions.js';
import { directory, UserWorld } from '../../../test/support/user-world.js';

const WORK = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const LEFT = ['title', 'name.givenName', `${WORK}:department`, 'phoneNumbers'];

const world = (localAttributes: readonly string[] = LEFT, more: object = {}): UserWorld =>
  new UserWorld([
    directory('d', { localAttributes, offerExistingUsers: true, ...more }),
    directory('other'),
    directory('alike', { localAttributes }),
  ]);
const ADA: JsonObject = {
  userName: 'ada',
  active: true,
  title: 'Analyst',
  name: { givenName: 'Ada', familyName: 'Byron' },
  [WORK]: { department: 'Engines', costCenter: '7' },
};
const create = (rest: JsonObject = {}): UserCommand => ({
  type: 'CreateUser',
  userId: 'u',
  resource: { ...ADA, ...rest },
});
const set = (changes: AttributeChanges): UserCommand => ({ type: 'SetAttributes', userId: 'u', changes });
const patch = (path: string, value: Json): UserCommand => ({
  type: 'PatchUser',
  userId: 'u',
  ifMatch: null,
  operations: [{ op: 'replace', path, value }],
});
const replace = (rest: JsonObject): UserCommand => ({
  type: 'ReplaceUser',
  userId: 'u',
  ifMatch: null,
  resource: { userName: 'ada', active: true, ...rest },
});
/** Ada in the world, after commands of an administrator (null) or a directory. */
const after = (
  users: UserWorld,
  ...commands: readonly (readonly [sender: string | null, command: UserCommand])[]
): JsonObject => {
  for (const [sender, command] of commands) {
    const { outcome } = users.send(sender, command);
    expect(outcome).toMatchObject({ status: 'done' });
  }
  return users.users.get('u')!.resource;
};
const why = (sender: string | null, command: UserCommand, users: UserWorld): unknown =>
  refused(users.decide(sender, command));

describe('an attribute that the directory leaves to administrators', () => {
  it('takes the value of the directory until an administrator sets one', () => {
    expect(after(world(), ['d', create()], ['d', patch('title', 'Programmer')])).toMatchObject({ title: 'Programmer' });
  });

  it('stays as an administrator has set it, and a directory that sends its own again changes nothing', () => {
    const users = world();
    after(users, ['d', create()]);
    expect(users.send(null, set({ title: 'Countess' })).events).toEqual([
      { type: 'AttributesSet', changes: { title: 'Countess' }, local: ['title'] },
    ]);
    const version = users.users.get('u')!.version;
    const again = users.send('d', patch('title', 'Analyst'));
    expect(again.events).toEqual([]);
    expect(again.outcome).toMatchObject({ value: { version, resource: { title: 'Countess' } } });
    const { title: _title, ...rest } = ADA;
    expect(users.send('d', replace(rest)).events).toEqual([]);
  });

  it('is left out of a change, and the event says so', () => {
    const users = world();
    after(users, ['d', create()], [null, set({ title: 'Countess', 'name.givenName': 'Augusta' })]);
    const name = { givenName: 'Ada', familyName: 'King' };
    expect(users.send('d', replace({ title: 'Analyst', name })).events).toMatchObject([
      {
        type: 'UserChanged',
        changes: { name: { givenName: 'Augusta', familyName: 'King' }, [WORK]: null },
        leftOut: ['name.givenName', 'title'],
      },
    ]);
  });

  it('may be a part of an extension, whose other parts are those of the directory', () => {
    const users = world();
    const department = `${WORK}:department`;
    after(users, ['d', create()], [null, set({ [department]: 'Poetry' })]);
    expect(after(users, ['d', patch(`${WORK}:costCenter`, '8')], ['d', patch(department, 'Engines')])).toMatchObject({
      [WORK]: { department: 'Poetry', costCenter: '8' },
    });
    expect(after(users, ['d', replace({ title: 'Analyst' })])[WORK]).toEqual({ department: 'Poetry' });
  });

  it('may be a list, and may be set to none', () => {
    const users = world();
    after(users, ['d', create({ phoneNumbers: [{ type: 'work', value: '1' }] })], [null, set({ phoneNumbers: [] })]);
    const again = patch('phoneNumbers[type eq "work"].value', '1');
    expect(users.send('d', again).events).toEqual([]);
    expect(users.users.get('u')!.resource).not.toHaveProperty('phoneNumbers');
  });

  it('is the administrators’ from the moment they set it, also to the value that it has', () => {
    const users = world();
    after(users, ['d', create()]);
    expect(users.send(null, set({ title: 'Analyst' })).events).toEqual([
      { type: 'AttributesSet', changes: {}, local: ['title'] },
    ]);
    expect(users.send(null, set({ title: 'Analyst' })).events).toEqual([]);
    expect(after(users, ['d', patch('title', 'Programmer')]).title).toBe('Analyst');
  });

  it('is given back by null: it has no value until the directory writes one', () => {
    const users = world();
    expect(
      after(users, ['d', create()], [null, set({ title: 'Countess' })], [null, set({ title: null })]),
    ).not.toHaveProperty('title');
    expect(users.users.get('u')).not.toHaveProperty('local');
    expect(after(users, ['d', patch('title', 'Analyst')]).title).toBe('Analyst');
  });

  it('is kept behind an attribute mapping that writes it', () => {
    const users = world(LEFT, { attributeMapping: [{ target: 'title', expression: 'ToUpper([jobTitle], )' }] });
    after(users, ['d', create()], [null, set({ title: 'Countess' })]);
    expect(after(users, ['d', patch('title', 'Programmer')], ['d', patch('nickName', 'A')])).toMatchObject({
      title: 'Countess',
      nickName: 'A',
    });
    expect(after(users, [null, set({ title: null })], ['d', patch('nickName', 'B')]).title).toBe('PROGRAMMER');
  });

  it('is the directory’s again once the directory does not leave it any more, and has written it', () => {
    const left = world();
    after(left, ['d', create()], [null, set({ title: 'Countess', 'name.givenName': 'Augusta' })]);
    const narrowed = world(['name']);
    narrowed.users.set('u', left.users.get('u')!);
    after(narrowed, ['d', replace({ title: 'Analyst', name: { givenName: 'Ada' } })]);
    expect(narrowed.users.get('u')).toMatchObject({
      resource: { title: 'Analyst', name: { givenName: 'Augusta' } },
      local: ['name.givenName'],
    });
  });
});

describe('an attribute that an administrator has set', () => {
  it('stays when the user is unlinked, although everything else becomes what it was', () => {
    const users = world();
    after(
      users,
      ['other', create()],
      [null, { type: 'UnlinkUser', userId: 'u', signIn: null }],
      ['d', patch('nickName', 'A')],
      [null, set({ title: 'Countess' })],
      [null, { type: 'UnlinkUser', userId: 'u', signIn: null }],
    );
    expect(users.users.get('u')).toMatchObject({ directory: null, resource: { title: 'Countess' }, local: ['title'] });
    expect(users.users.get('u')!.resource).not.toHaveProperty('nickName');
  });

  it('goes with the user to a directory that leaves it, and is written by one that does not', () => {
    for (const [to, title] of [
      ['alike', 'Countess'],
      ['other', 'Analyst'],
    ] as const) {
      const users = world();
      after(users, ['d', create()], [null, set({ title: 'Countess' })]);
      after(users, [null, { type: 'TransferUser', userId: 'u', directoryId: to }]);
      expect(after(users, [to, patch('title', 'Analyst')]).title, to).toBe(title);
    }
  });

  it('may be any attribute of a user whom nobody manages, and stays when a directory takes the user that leaves it', () => {
    const users = world();
    after(users, ['other', create()], [null, { type: 'UnlinkUser', userId: 'u', signIn: null }]);
    expect(after(users, [null, set({ title: 'Countess', nickName: 'A' })])).toMatchObject({ nickName: 'A' });
    const { events } = users.send('d', replace({ title: 'Analyst', nickName: 'B' }));
    expect(events).toMatchObject([{ type: 'UserLinked', leftOut: ['title'] }]);
    expect(users.users.get('u')).toMatchObject({ resource: { title: 'Countess', nickName: 'B' }, local: ['title'] });
  });
});

describe('an administrator is refused', () => {
  const users = world();
  users.send('d', create());

  it('what the directory does not leave, and is told whose it is', () => {
    expect(why(null, set({ nickName: 'A' }), users)).toMatchObject({
      code: 'conflict',
      detail: expect.stringMatching(/^nickName belongs to the directory "Directory d".*localAttributes/),
    });
    expect(why(null, set({ name: { familyName: 'King' } }), users)).toMatchObject({ code: 'conflict' });
  });

  it.each([
    'userName',
    'USERNAME',
    'urn:ietf:params:scim:schemas:core:2.0:User:roles',
    'externalId',
    'active',
    'emails',
    'emails[type eq "work"].value',
    'password',
    'id',
    'meta',
    'meta.version',
    'groups',
    'schemas',
    'entitlements',
    'nothing',
    '__proto__',
    'phoneNumbers.value',
    'phoneNumbers[type eq "work"].value',
    `${WORK}`,
    `${WORK}:manager.displayName`,
    '',
  ])('%s, whatever the directory leaves', (path) => {
    const free = world();
    free.send('other', create());
    free.send(null, { type: 'UnlinkUser', userId: 'u', signIn: null });
    const changes = JSON.parse(JSON.stringify([[path, 'x']])) as [string, string][];
    expect(why(null, set(Object.fromEntries(changes)), free)).toMatchObject({
      code: 'invalidValue',
      detail: expect.stringMatching(/cannot be left to administrators: /),
    });
  });

  it('a value that the attribute does not take, and nothing happens', () => {
    expect(why(null, set({ title: ['a', 'b'] }), users)).toMatchObject({ code: 'invalidValue' });
    expect(why(null, set({ title: 'Countess', phoneNumbers: 7 }), users)).toMatchObject({ code: 'invalidValue' });
    expect(users.users.get('u')!.resource.title).toBe('Analyst');
  });

  it('to give back a part of what was set as a whole', () => {
    const whole = world(['name']);
    whole.send('d', create());
    whole.send(null, set({ 'name.givenName': 'A' }));
    whole.send(null, set({ name: { givenName: 'Augusta' } }));
    expect(whole.users.get('u')).toMatchObject({ local: ['name'], resource: { name: { familyName: 'Byron' } } });
    expect(why(null, set({ 'name.givenName': null }), whole)).toMatchObject({ code: 'conflict' });
    whole.send(null, set({ name: null }));
    expect(whole.users.get('u')).not.toHaveProperty('local');
  });

  it('a user who is not there', () => {
    expect(why(null, { type: 'SetAttributes', userId: 'x', changes: { title: 'a' } }, users)).toMatchObject({
      code: 'notFound',
    });
  });
});
