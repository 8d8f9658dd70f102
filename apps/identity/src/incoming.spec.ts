import { describe, expect, it } from 'vitest';
import type { MappingLine, UserCommand } from '#contracts';
import type { JsonObject } from '#scim';
import { directory, UserWorld } from '../../../test/support/user-world.js';
import { chanceOf } from './incoming.js';

const FULL_NAME: MappingLine = { target: 'displayName', expression: 'Join(" ", [givenName], [surname])' };
const LOGIN: MappingLine = {
  target: 'userName',
  expression:
    'SelectUniqueValue(Append([mailNickname], "@x.example"), Append([mailNickname], "1@x.example"), Append([mailNickname], "2@x.example"))',
  when: 'create',
};

const worldWith = (...attributeMapping: readonly MappingLine[]): UserWorld =>
  new UserWorld([directory('d', { attributeMapping }), directory('other')]);
const create = (userId: string, rest: JsonObject = {}): UserCommand => ({
  type: 'CreateUser',
  userId,
  resource: {
    userName: `${userId}@idp.example`,
    externalId: userId,
    name: { givenName: 'Ada', familyName: 'Byron' },
    ...rest,
  },
});
const patch = (userId: string, path: string, value: string): UserCommand => ({
  type: 'PatchUser',
  userId,
  ifMatch: null,
  operations: [{ op: 'replace', path, value }],
});
const typesOf = ({ events }: { events: readonly { type: string }[] }): string[] => events.map(({ type }) => type);

describe('a user whom a directory sends that maps attributes', () => {
  it('is stored as the mapping has it, and what was sent is kept beside it', () => {
    const world = worldWith(FULL_NAME);
    const { events } = world.send('d', create('a'));
    expect(events).toMatchObject([
      { type: 'UserCreated', resource: { userName: 'a@idp.example', displayName: 'Ada Byron' } },
      { type: 'AttributesMapped', mapped: [{ target: 'displayName', line: 1 }] },
    ]);
    expect(world.users.get('a')!.mapping!.sent).not.toHaveProperty('displayName');
  });

  it('changes with the attributes that its expressions read, also where others wrote over them', () => {
    const world = worldWith(FULL_NAME, { target: 'name.familyName', expression: 'ToUpper([surname], )' });
    world.send('d', create('a'));
    expect(world.users.get('a')!.resource).toMatchObject({ displayName: 'Ada Byron', name: { familyName: 'BYRON' } });
    expect(typesOf(world.send('d', patch('a', 'name.givenName', 'Augusta')))).toEqual([
      'UserChanged',
      'AttributesMapped',
    ]);
    expect(world.users.get('a')!.resource).toMatchObject({
      displayName: 'Augusta Byron',
      name: { givenName: 'Augusta', familyName: 'BYRON' },
    });
    expect(typesOf(world.send('d', patch('a', 'name.givenName', 'Augusta')))).toEqual([]);
  });

  it('keeps what only its creation writes', () => {
    const world = worldWith(LOGIN);
    world.send('d', create('a', { externalId: 'ada' }));
    expect(world.users.get('a')!.resource.userName).toBe('ada@x.example');
    world.send('d', patch('a', 'title', 'Countess'));
    expect(world.users.get('a')!.resource).toMatchObject({ userName: 'ada@x.example', title: 'Countess' });
  });

  it('gets a value that nobody has, and keeps its own', () => {
    const world = worldWith({ ...LOGIN, when: 'always' });
    world.send('d', create('a', { externalId: 'ada' }));
    world.send('other', create('b', { userName: 'ada1@X.example' }));
    world.send('d', create('c', { externalId: 'ADA', userName: 'else@idp.example' }));
    expect(world.users.get('c')!.resource.userName).toBe('ADA2@x.example');
    world.send('d', patch('a', 'title', 'Countess'));
    expect(world.users.get('a')!.resource.userName).toBe('ada@x.example');
  });

  it('is found by the name that is stored', () => {
    const world = worldWith({ target: 'userName', expression: 'Replace([userPrincipalName], "@idp.", , , "@x.", , )' });
    world.send('d', create('a'));
    world.send('d', {
      ...patch('a', 'active', 'x'),
      operations: [{ op: 'replace', path: 'active', value: false }],
    } as UserCommand);
    const back = world.send('d', create('new', { userName: 'a@idp.example', externalId: 'a', active: true }));
    expect(back.userId).toBe('a');
    expect(world.users.get('a')!.resource.userName).toBe('a@x.example');
  });

  it('is refused where a line has no result for it, and nothing happens', () => {
    const world = worldWith(FULL_NAME, { target: 'title', expression: 'CStr(CDate([jobTitle]))' });
    const { events, outcome } = world.send('d', create('a', { title: 'soon' }));
    expect(events).toEqual([]);
    expect(outcome).toMatchObject({
      code: 'invalidValue',
      detail: expect.stringMatching(/Line 2 of the mapping, to title/),
    });
  });

  it('is refused where the mapping leaves the object out, whatever refusal says', () => {
    const leavesOut = { target: 'title', expression: 'IIF([surname]="Byron", IgnoreObjectFlow, "x")' };
    for (const refusal of ['quiet', 'error'] as const) {
      const world = new UserWorld([directory('d', { attributeMapping: [leavesOut], refusal })]);
      expect(world.send('d', create('a')).outcome).toMatchObject({
        code: 'forbidden',
        detail: expect.stringMatching(/leaves this user out.*settings scope and refusal/),
      });
    }
  });

  it('is as it was sent once the directory maps nothing any more', () => {
    const mapped = worldWith(FULL_NAME);
    mapped.send('d', create('a'));
    const plain = worldWith();
    plain.users.set('a', mapped.users.get('a')!);
    const { events } = plain.send('d', patch('a', 'title', 'Countess'));
    expect(events).toMatchObject([
      { type: 'UserChanged', changes: { displayName: null, title: 'Countess' } },
      { type: 'AttributesMapped', mapped: [] },
    ]);
    expect(plain.users.get('a')!.mapping).toBeNull();
  });

  it('has nothing kept beside it once another directory has it, or nobody', () => {
    for (const command of [
      { type: 'TransferUser', userId: 'a', directoryId: 'other' },
      { type: 'UnlinkUser', userId: 'a', signIn: null },
    ] as const) {
      const world = worldWith(FULL_NAME);
      world.send('d', create('a'));
      world.send(null, command);
      expect(world.users.get('a')!.mapping).toBeNull();
    }
  });
});

it('a command that is decided again draws the same numbers, and another one draws others', () => {
  const drawn = (id: string): number[] => {
    const { randomBelow } = chanceOf(id, 0);
    return Array.from({ length: 5 }, () => randomBelow(1_000_000));
  };
  expect(drawn('a')).toEqual(drawn('a'));
  expect(drawn('a')).not.toEqual(drawn('b'));
  expect(new Set(drawn('a')).size).toBe(5);
});
