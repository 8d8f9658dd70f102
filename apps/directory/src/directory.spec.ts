import { describe, expect, it } from 'vitest';
import {
  DELETABLE_AFTER_MS,
  DIRECTORY_SETTINGS,
  PRESETS,
  settingsOf,
  type DirectoryCommand,
  type DirectoryEvent,
  type DirectoryKind,
} from '#contracts';
import { refused } from '../../../test/support/decisions.js';
import { worldAfter } from '../../../test/support/directory-world.js';
import { decide, evolve as evolveAny } from './aggregates.js';

const TENANT = [{ type: 'TenantCreated', name: 'Contoso' }] as const;
const create = { type: 'CreateDirectory', directoryId: 'd', name: 'n', kind: 'scim' } as const;

it('makes a directory in a tenant that exists only', () => {
  expect(decide(create, worldAfter({ t: TENANT }))).toEqual({
    stream: 'd',
    events: [{ type: 'DirectoryCreated', name: 'n', kind: 'scim' }],
  });
  expect(refused(decide(create, worldAfter({})).events).detail).toMatch(/tenant/);
});

it('makes no second directory of a name, however it is written', () => {
  const named = (name: string): readonly [{ type: 'DirectoryCreated'; name: string; kind: 'scim' }] => [
    { type: 'DirectoryCreated', name, kind: 'scim' },
  ];
  const command = { ...create, name: ' Microsoft  ENTRA\u200b ID' };
  const world = worldAfter({ t: TENANT, a: named('Okta'), b: named('Microsoft Entra ID') });
  expect(refused(decide(command, world).events).detail).toMatch(/has a directory of the name/);
  expect(decide(command, worldAfter({ t: TENANT, a: named('Okta') })).events).toHaveLength(1);
});

it('takes no id that something else has', () => {
  const command = { ...create, directoryId: 't' };
  expect(refused(decide(command, worldAfter({ t: TENANT })).events)).toMatchObject({ code: 'conflict' });
});

it('writes what its kind sets behind a new directory, as settings that somebody has set', () => {
  const command = { type: 'CreateDirectory', directoryId: 'd', name: 'n', kind: 'entra' } as const;
  expect(decide(command, worldAfter({ t: TENANT })).events).toEqual([
    { type: 'DirectoryCreated', name: 'n', kind: 'entra' },
    { type: 'DirectoryChanged', settings: PRESETS.entra },
  ]);
});

const CREATED = { type: 'DirectoryCreated', name: 'Contoso', kind: 'entra' } as const;
const TOKEN = {
  type: 'TokenCreated',
  directoryId: 'd',
  description: '',
  hash: '00',
  sealed: '',
  expiresAt: null,
} as const;
/** The tenant has the directory `d`, to which this has happened, two tokens of it and one of another directory. */
const given = (...events: readonly DirectoryEvent[]): Readonly<Record<string, readonly DirectoryEvent[]>> => ({
  t: TENANT,
  d: [CREATED, ...events],
  other: [{ type: 'DirectoryCreated', name: 'Okta', kind: 'okta' }],
  used: [TOKEN],
  old: [TOKEN, { type: 'TokenRevoked' }],
  foreign: [{ ...TOKEN, directoryId: 'other' }],
});
type Simple = Extract<DirectoryCommand['type'], `${string}Directory`>;
const about = (type: Simple, more: object = {}): DirectoryCommand =>
  ({ type, directoryId: 'd', ...more }) as unknown as DirectoryCommand;

describe('the status of a directory', () => {
  const DISABLED = { type: 'DirectoryDisabled' } as const;
  const DISCONNECTED = { type: 'DirectoryDisconnected' } as const;
  const REVOKED = { at: 'used', event: { type: 'TokenRevoked' } };
  it.each<[string, readonly DirectoryEvent[], Simple, object | 'refused']>([
    ['an active one is disabled', [], 'DisableDirectory', [DISABLED]],
    ['a disabled one is disabled already', [DISABLED], 'DisableDirectory', []],
    ['a disconnected one is not disabled', [DISCONNECTED], 'DisableDirectory', 'refused'],
    ['a disabled one is enabled', [DISABLED], 'EnableDirectory', [{ type: 'DirectoryEnabled' }]],
    ['an active one is enabled already', [], 'EnableDirectory', []],
    ['a disconnected one is connected and not enabled', [DISCONNECTED], 'EnableDirectory', 'refused'],
    ['its tokens are revoked with an active one, and no others', [], 'DisconnectDirectory', [DISCONNECTED, REVOKED]],
    ['its tokens are revoked with a disabled one', [DISABLED], 'DisconnectDirectory', [DISCONNECTED, REVOKED]],
    ['a disconnected one is disconnected already', [DISCONNECTED], 'DisconnectDirectory', []],
    ['a disconnected one is connected', [DISCONNECTED], 'ConnectDirectory', [{ type: 'DirectoryConnected' }]],
    ['an active one is connected already', [], 'ConnectDirectory', []],
    ['a disabled one is enabled and not connected', [DISABLED], 'ConnectDirectory', 'refused'],
  ])('%s', (_rule, events, type, then) => {
    const { events: decided } = decide(about(type), worldAfter(given(...events)));
    if (then === 'refused') expect(refused(decided).code).toBe('conflict');
    else expect(decided).toEqual(then);
  });

  it('a disconnected one gets no token until it is connected', () => {
    const command = { ...TOKEN, type: 'CreateToken', tokenId: 'new' } as const;
    const { events } = decide(command, worldAfter(given(DISCONNECTED)));
    expect(refused(events)).toMatchObject({ code: 'conflict', detail: expect.stringMatching(/connect it first/) });
    for (const before of [[DISABLED], [DISCONNECTED, { type: 'DirectoryConnected' } as const]])
      expect(decide(command, worldAfter(given(...before))).events).toHaveLength(1);
  });

  it('nothing is done to a directory that there is not', () => {
    for (const type of ['DisableDirectory', 'ConnectDirectory', 'MoveDirectory', 'DeleteDirectory'] as const)
      expect(refused(decide(about(type), worldAfter({ t: TENANT })).events).code).toBe('notFound');
  });
});

describe('renaming', () => {
  const rename = (name: string) => decide(about('RenameDirectory', { name }), worldAfter(given())).events;
  it('gives another name, also one that differs from its own in case alone', () => {
    expect(rename('Fabrikam')).toEqual([{ type: 'DirectoryRenamed', name: 'Fabrikam' }]);
    expect(rename('CONTOSO')).toEqual([{ type: 'DirectoryRenamed', name: 'CONTOSO' }]);
    expect(rename('Contoso')).toEqual([]);
  });
  it('gives no name that another directory of the tenant has', () => {
    expect(refused(rename('okta')).code).toBe('conflict');
  });
});

describe('disconnecting', () => {
  it('ends the access of the tenant of Entra that it named, also for the time after the next connection', () => {
    const named = {
      type: 'DirectoryChanged',
      settings: { entraTenantId: '6babcaad-604b-40ac-a9d7-9fd97c0b779f' },
    } as const;
    const changes = (...before: readonly DirectoryEvent[]) =>
      (decide(about('DisconnectDirectory'), worldAfter(given(...before))).events as readonly DirectoryEvent[]).filter(
        ({ type }) => type === 'DirectoryChanged',
      );
    expect(changes(named)).toEqual([{ type: 'DirectoryChanged', settings: { entraTenantId: null } }]);
    expect(changes()).toEqual([]);
  });
});

describe('moving to another identity provider', () => {
  const move = (kind: DirectoryKind, ...events: readonly DirectoryEvent[]) =>
    decide(about('MoveDirectory', { kind }), worldAfter(given(...events))).events;

  it('revokes the tokens of the old one, also where the new one is of the same kind', () => {
    for (const kind of ['okta', 'entra'] as const) {
      const events = move(kind);
      expect(events).toContainEqual({ type: 'DirectoryMoved', kind });
      expect(events).toContainEqual({ at: 'used', event: { type: 'TokenRevoked' } });
    }
  });

  it('ends the access of the tenant of Entra that it named, whose own tokens it took', () => {
    const entraTenantId = '6babcaad-604b-40ac-a9d7-9fd97c0b779f';
    for (const kind of ['okta', 'entra'] as const)
      expect(move(kind, { type: 'DirectoryChanged', settings: { entraTenantId } })).toContainEqual({
        type: 'DirectoryChanged',
        settings: expect.objectContaining({ entraTenantId: null }),
      });
  });

  it('is remembered by its version: what was decided before it was decided of the old one', () => {
    const state = [CREATED, { type: 'DirectoryMoved', kind: 'okta' } as const].reduce<ReturnType<typeof evolveAny>>(
      (before, event) => evolveAny(before, event, '2026-01-01T00:00:00.000Z'),
      null,
    );
    expect(state).toMatchObject({ version: 2, directoryKind: 'okta', movedVersion: 2, status: 'active' });
  });

  it('exchanges what the preset of the old kind has set by that of the new one, but for what somebody has chosen', () => {
    const [mine, theirs] = [{ offerExistingUsers: true }, { emailIsLoginName: true }];
    const before = { ...PRESETS };
    Object.assign(PRESETS, { entra: mine, okta: theirs });
    try {
      const settings = (...events: readonly DirectoryEvent[]) =>
        (move('okta', ...events) as readonly DirectoryEvent[]).find(({ type }) => type === 'DirectoryChanged');
      const preset = { type: 'DirectoryChanged', settings: mine } as const;
      expect(settings(preset)).toEqual({
        type: 'DirectoryChanged',
        settings: { offerExistingUsers: null, emailIsLoginName: true },
      });
      const chosen = { type: 'DirectoryChanged', settings: { offerExistingUsers: false } } as const;
      expect(settings(preset, chosen)).toEqual({ type: 'DirectoryChanged', settings: { emailIsLoginName: true } });
    } finally {
      Object.assign(PRESETS, before);
    }
  });

  it.each(['entra', 'okta', 'scim', 'strict'] as const)(
    'a directory that moves to %s is as one that is made of it',
    (kind) => {
      const made = { type: 'DirectoryChanged', settings: PRESETS.entra } as const;
      const moved = (move(kind, made) as readonly DirectoryEvent[]).filter(({ type }) => type === 'DirectoryChanged');
      const state = [CREATED, made, ...moved].reduce<ReturnType<typeof evolveAny>>(
        (before, event) => evolveAny(before, event, '2026-01-01T00:00:00.000Z'),
        null,
      );
      expect(settingsOf((state as unknown as { settings: object }).settings)).toEqual(settingsOf(PRESETS[kind]));
      expect(Object.keys(DIRECTORY_SETTINGS).length).toBeGreaterThan(0);
    },
  );
});

describe('deleting', () => {
  const AT = Date.parse('2026-01-01T00:00:00.000Z');
  const remove = (
    belongings = { users: 0, groups: 0 },
    afterMs = DELETABLE_AFTER_MS,
    ...events: readonly DirectoryEvent[]
  ) =>
    decide(
      about('DeleteDirectory'),
      worldAfter(given({ type: 'DirectoryDisconnected' }, ...events), new Date(AT + afterMs).toISOString(), belongings),
    ).events;

  it('is for a disconnected directory that is empty', () => {
    expect(remove()).toEqual([{ type: 'DirectoryDeleted' }]);
    expect(refused(decide(about('DeleteDirectory'), worldAfter(given())).events).detail).toMatch(/disconnect it first/);
    expect(refused(remove(undefined, undefined, { type: 'DirectoryConnected' })).code).toBe('conflict');
  });
  it('waits until no request from before it was disconnected can be under way', () => {
    expect(refused(remove(undefined, DELETABLE_AFTER_MS - 1)).detail).toMatch(/from 2026-01-01T00:00:15.000Z on/);
  });
  it('is refused while anything belongs to it, and says what', () => {
    expect(refused(remove({ users: 1, groups: 0 })).detail).toMatch(/^1 user belong/);
    expect(refused(remove({ users: 1_001, groups: 2 })).detail).toMatch(/^more than 1000 users and 2 groups belong/);
  });
});
