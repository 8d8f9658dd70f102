import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as contracts from '#contracts';
import type { DirectoryCommand, GroupCommand, UserCommand } from '#contracts';
import type { Behaviour } from '#event-store';
import type { Attribute, AttributeType, Schema } from '#scim';
import { auditBehaviour } from '../apps/audit/src/audit.projection.js';
import { directoryBehaviour } from '../apps/directory/src/directory.projection.js';
import { upcastDirectory } from '../apps/directory/src/directory-fold.queries.js';
import { evolve as evolveDirectory, type DirectoryOwnerState } from '../apps/directory/src/aggregates.js';
import { upcastGroup } from '../apps/group/src/group-fold.queries.js';
import { evolve as evolveGroup, type GroupState } from '../apps/group/src/group.js';
import { groupBehaviour } from '../apps/group/src/group.projection.js';
import {
  openPersonal,
  openPersonKey,
  openTenantKey,
  type WrappedTenantKey,
} from '../apps/identity/src/person-keys.projection.js';
import { userBehaviour } from '../apps/identity/src/user.projection.js';
import { accepted } from './support/decisions.js';
import { upcastUser } from '../apps/identity/src/user-fold.queries.js';
import { evolve as evolveUser, type UserState } from '../apps/identity/src/user.js';

/**
 * test/fixtures/events holds one event of every version that was ever written. Such events lie in stores and are never
 * rewritten, so what a file holds of the event is never changed. A new shape is a new version (`…v2` in
 * libs/contracts), a step in libs/contracts/src/old-events.ts and a file of its own.
 */
interface Fixture {
  /** Wire type. */
  readonly type: string;
  /** The events before it in its stream. */
  readonly after: readonly string[];
  readonly data: object;
  /** Opened. */
  readonly personal: object | null;
  /** The state to which today's code folds the stream. */
  readonly state: UserState | DirectoryOwnerState | GroupState;
}

const FOLDER = 'test/fixtures/events';
const FIXTURES = new Map(
  readdirSync(FOLDER).map((name) => [
    name.replace(/\.json$/, ''),
    JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')) as Fixture,
  ]),
);
const NEWEST = Object.entries(contracts)
  .filter(([name]) => name.endsWith('_EVENT_TYPES'))
  .flatMap(([, types]) => Object.values(types as object) as string[]);

const TENANT = '01980000-0000-7000-8000-000000000001';
const DIRECTORY = '01980000-0000-7000-8000-000000000002';
const OTHER_DIRECTORY = '01980000-0000-7000-8000-000000000005';
const USER = '01980000-0000-7000-8000-000000000003';
const GROUP = '01980000-0000-7000-8000-000000000006';
const NESTED_GROUP = '01980000-0000-7000-8000-000000000007';
const TOKEN = '01980000-0000-7000-8000-000000000004';
const SCHEMA = '01980000-0000-7000-8000-000000000008';
const EXPIRING_TOKEN = '01980000-0000-7000-8000-000000000009';
const DOMAIN = '01980000-0000-7000-8000-00000000000d';
const NEW_TOKEN = '01980000-0000-7000-8000-00000000000a';
const KEY = '01980000-0000-7000-8000-00000000000b';
const CLIENT = '01980000-0000-7000-8000-00000000000d';
const SECRET = '01980000-0000-7000-8000-00000000000a';
const EXPIRING_CLIENT = '01980000-0000-7000-8000-0000000000e0';
const SIGNING_KEY = '01980000-0000-7000-8000-00000000000c';
const NOW = '2026-01-02T03:04:05.678Z';

const attribute = (name: string, type: AttributeType, rest: Partial<Attribute> = {}): Attribute => ({
  name,
  type,
  multiValued: false,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  description: '',
  ...rest,
});
const HR: Schema = {
  id: 'urn:example:hr:2.0:User',
  name: 'HR',
  description: 'What payroll knows',
  attributes: [
    attribute('badge', 'string', { caseExact: true, canonicalValues: ['A', 'B'] }),
    attribute('desk', 'complex', { multiValued: true, subAttributes: [attribute('floor', 'integer')] }),
  ],
};

/** Wire type → what the store is handed for the first event of that type. */
const write = <C>(
  behaviour: Behaviour<C>,
  loaded: unknown,
  commands: readonly C[],
  open: (rows: Readonly<Record<string, readonly unknown[]>>) => Open,
) => {
  const sent = commands.map((command) => ({
    id: USER,
    tenant: TENANT,
    directory: DIRECTORY,
    correlationId: USER,
    command,
  }));
  const work = behaviour.begin(loaded, new Date(NOW), behaviour.touches(sent, [], undefined), undefined);
  const events = sent.flatMap((command) => accepted(work.decide(command)).events);
  const opened = open(work.rows());
  return events.map(({ type, stream, version, stored: { data, personal } }) => ({
    type,
    data: JSON.parse(JSON.stringify(data)) as unknown,
    personal: personal === null ? null : opened(stream, version, personal),
  }));
};
type Open = (stream: string, version: number, personal: string) => unknown;

/** The preset of a kind, which changes with the releases, is an event of its own behind that of the new directory. */
const isPreset = (data: unknown): boolean =>
  JSON.stringify((data as { settings?: unknown }).settings) === JSON.stringify(contracts.PRESETS.entra);

/** Every event as today's code writes it. */
const written = (): { type: string; data: unknown; personal: unknown }[] => {
  const masterKey = Buffer.alloc(32, 7);
  const directories = [DIRECTORY, OTHER_DIRECTORY].map((id) => ({
    tenant: TENANT,
    id,
    version: 3,
    name: id,
    status: 'active',
    movedVersion: null,
    ...contracts.settingsOf({}),
    // Writes what was sent, so that other events are as they are without a mapping.
    attributeMapping: [{ target: 'userName', expression: '[userPrincipalName]' }],
    localAttributes: ['title'],
  }));
  const userCommands: UserCommand[] = [
    {
      type: 'CreateUser',
      userId: USER,
      resource: {
        userName: 'ada@example.org',
        externalId: 'ada',
        active: false,
        name: { givenName: 'Ada', familyName: 'Lovelace' },
        emails: [{ type: 'work', value: 'ada@example.org', primary: true }],
      },
    },
    {
      type: 'PatchUser',
      userId: USER,
      ifMatch: null,
      operations: [
        { op: 'replace', path: 'active', value: true },
        { op: 'replace', path: 'title', value: 'Countess' },
        { op: 'remove', path: 'externalId' },
      ],
    },
    {
      type: 'RecordSignIn',
      userId: USER,
      loginType: 'oidc',
      providerId: 'oid-ada',
      upn: 'ada@example.org',
      email: 'ada@example.org',
      displayName: 'Ada Lovelace',
    },
    { type: 'UnlinkUser', userId: USER, signIn: { directory: DIRECTORY, loginType: 'oidc', providerId: 'oid-ada' } },
    { type: 'TransferUser', userId: USER, directoryId: OTHER_DIRECTORY },
    { type: 'UnlinkUser', userId: USER, signIn: null },
    // A first match would leave the e-mails as they are.
    { type: 'TransferUser', userId: USER, directoryId: DIRECTORY },
    {
      type: 'CreateUser',
      userId: USER,
      resource: { userName: 'ada@example.org', active: true, displayName: 'Ada Lovelace' },
    },
    { type: 'ArchiveUser', userId: USER },
    { type: 'PatchUser', userId: USER, ifMatch: null, operations: [{ op: 'replace', path: 'active', value: false }] },
    { type: 'RestoreUser', userId: USER },
    { type: 'SetAttributes', userId: USER, changes: { title: 'Countess of Lovelace' } },
    { type: 'DeleteUser', userId: USER, ifMatch: null },
  ];
  const directoryCommands: DirectoryCommand[] = [
    { type: 'CreateTenant', tenantId: TENANT, name: 'Default' },
    { type: 'RenameTenant', tenantId: TENANT, name: 'Contoso' },
    { type: 'ChangeTenant', tenantId: TENANT, settings: { revealTokens: false } },
    { type: 'ChangeTenant', tenantId: TENANT, settings: { revealTokens: true } },
    { type: 'CreateDirectory', directoryId: DIRECTORY, name: 'Microsoft Entra ID', kind: 'entra' },
    { type: 'ChangeDirectory', directoryId: DIRECTORY, settings: { offerExistingUsers: true, emailIsLoginName: true } },
    {
      type: 'CreateToken',
      tokenId: TOKEN,
      directoryId: DIRECTORY,
      description: 'First',
      hash: '00ff',
      sealed: 'c2VhbGVk',
      expiresAt: '2027-01-01T00:00:00.000Z',
    },
    { type: 'RevealToken', tokenId: TOKEN },
    { type: 'ChangeToken', tokenId: TOKEN, description: 'Entra', status: 'inactive' },
    { type: 'WarnOfExpiry', tokenId: EXPIRING_TOKEN },
    {
      type: 'RotateToken',
      tokenId: TOKEN,
      newTokenId: NEW_TOKEN,
      hash: 'ff00',
      sealed: 'c2VhbGVk',
      overlapSeconds: 86_400,
    },
    { type: 'RevokeToken', tokenId: TOKEN },
    {
      type: 'CreateApiKey',
      keyId: KEY,
      name: 'Ada',
      scopes: ['read', 'manage'],
      tenantId: TENANT,
      hash: '0f0f',
      expiresAt: '2027-01-01T00:00:00.000Z',
    },
    { type: 'RevokeApiKey', keyId: KEY },
    {
      type: 'AddDomain',
      domainId: DOMAIN,
      name: 'xn--mller-kva.example',
      shownName: 'müller.example',
      record: 'muster-verification=abc',
    },
    { type: 'VerifyDomain', domainId: DOMAIN, by: 'dns' },
    { type: 'RemoveDomain', domainId: DOMAIN },
    { type: 'DefineSchema', schemaId: SCHEMA, resourceType: 'User', schema: HR },
    {
      type: 'DefineSchema',
      schemaId: TOKEN,
      resourceType: 'User',
      schema: { ...HR, attributes: [...HR.attributes, attribute('hireDate', 'dateTime')] },
    },
  ];
  const expiring = {
    tenant: TENANT,
    id: EXPIRING_TOKEN,
    directory: DIRECTORY,
    version: 1,
    created: '2025-01-02T03:04:05.678Z',
    description: '',
    hash: '0ff0',
    sealed: 'c2VhbGVk',
    status: 'active',
    expires_at: '2026-01-05T03:04:05.678Z',
    replaced_by: null,
    warned: null,
  };
  const expiringClient = {
    tenant: TENANT,
    id: EXPIRING_CLIENT,
    directory: DIRECTORY,
    version: 2,
    created: '2025-01-02T03:04:05.678Z',
    name: 'Entra, 2025',
    federation: null,
    status: 'active',
    secrets: [{ id: SECRET, description: '2025', hash: '0ff0', expiresAt: '2026-01-05T03:04:05.678Z' }],
  };
  const longDisconnected = {
    id: DIRECTORY,
    tenant: TENANT,
    version: 2,
    created: '2026-01-01T00:00:00.000Z',
    name: 'Microsoft Entra ID',
    kind: 'entra',
    settings: {},
    status: 'disconnected',
    disconnected_at: '2026-01-01T00:00:00.000Z',
    moved_version: null,
  };
  directoryCommands.push(
    { type: 'CreateClient', clientId: CLIENT, directoryId: DIRECTORY, name: 'Entra', federation: null },
    {
      type: 'AddClientSecret',
      clientId: CLIENT,
      secretId: SECRET,
      description: '2026',
      hash: '00ff',
      expiresAt: '2027-01-01T00:00:00.000Z',
    },
    { type: 'WarnOfSecretExpiry', clientId: EXPIRING_CLIENT, secretId: SECRET },
    { type: 'RemoveClientSecret', clientId: CLIENT, secretId: SECRET },
    { type: 'RevokeClient', clientId: CLIENT },
    {
      type: 'AddSigningKey',
      keyId: SIGNING_KEY,
      publicKey: { kty: 'EC', crv: 'P-256', x: 'eA', y: 'eQ' },
      sealed: 'c2VhbGVk',
      replaces: null,
    },
  );
  const groupCommands: GroupCommand[] = [
    {
      type: 'CreateGroup',
      groupId: GROUP,
      resource: { displayName: 'Engineering', externalId: 'eng' },
      members: [USER, NESTED_GROUP],
    },
    {
      type: 'PatchGroup',
      groupId: GROUP,
      ifMatch: null,
      operations: [
        { op: 'replace', path: 'displayName', value: 'R&D' },
        { op: 'remove', path: 'externalId' },
      ],
    },
    { type: 'DeleteGroup', groupId: GROUP, ifMatch: null },
  ];
  const known = [{ tenant: TENANT, users: [USER], groups: [NESTED_GROUP] }];
  return [
    ...write(
      groupBehaviour(262_144),
      { groups: null, claims: null, present: null, known, directories },
      groupCommands,
      () => () => null,
    ),
    ...[
      [directories, userCommands] as const,
      [
        directories.map((one) => ({ ...one, deleteDeactivated: true })),
        [userCommands[0]!, userCommands.at(-1)!],
      ] as const,
    ].flatMap(([under, commands]) =>
      write(
        userBehaviour(masterKey, 262_144),
        { users: null, directories: under, tenant_keys: null },
        commands,
        (rows) => {
          const [tenant] = rows.new_tenant_keys as [WrappedTenantKey];
          const [{ wrapped }] = rows.new_person_keys as [WrappedTenantKey];
          const key = openPersonKey(openTenantKey(masterKey, tenant), { tenant: TENANT, person: USER, wrapped });
          return (stream, version, personal) => openPersonal(key, { tenant: TENANT, stream, version, personal });
        },
      ),
    ),
    ...write(
      directoryBehaviour(),
      { tenants: null, directories: null, tokens: [expiring], clients: [expiringClient], schemas: null },
      directoryCommands,
      () => () => null,
    ).filter(({ data }) => !isPreset(data)),
    ...write(
      directoryBehaviour(),
      {
        directories: [
          longDisconnected,
          { ...longDisconnected, id: OTHER_DIRECTORY, name: 'Other', status: 'active', disconnected_at: null },
        ],
        belongings: [{ tenant: TENANT, id: DIRECTORY, users: 0, groups: 0 }],
      },
      [
        { type: 'RenameDirectory', directoryId: OTHER_DIRECTORY, name: 'Contoso' },
        { type: 'DisableDirectory', directoryId: OTHER_DIRECTORY },
        { type: 'EnableDirectory', directoryId: OTHER_DIRECTORY },
        { type: 'DisconnectDirectory', directoryId: OTHER_DIRECTORY },
        { type: 'ConnectDirectory', directoryId: OTHER_DIRECTORY },
        { type: 'MoveDirectory', directoryId: OTHER_DIRECTORY, kind: 'okta' },
        { type: 'DeleteDirectory', directoryId: DIRECTORY },
      ],
      () => () => null,
    ),
    ...write(
      auditBehaviour(masterKey),
      null,
      [
        { type: 'RecordReading', readingId: USER, what: 'history', asked: { person: 'ada@contoso.com' } },
        { type: 'AnnouncePurge', purgeId: GROUP, before: 5_000, keepDays: 365 },
      ],
      () => () => null,
    ),
  ];
};

const fold = (wire: string): UserState | DirectoryOwnerState | GroupState => {
  const { after } = FIXTURES.get(wire)!;
  const shapes = [...after, wire].map((name) => FIXTURES.get(name)!);
  if (wire.startsWith('muster.user.')) {
    return shapes.reduce<UserState>(
      (state, { type, data, personal }) => evolveUser(state, upcastUser(type, { ...data, ...personal }), USER, NOW),
      null,
    );
  }
  if (wire.startsWith('muster.group.')) {
    return shapes.reduce<GroupState>(
      (state, { type, data }) => evolveGroup(state, upcastGroup(type, { ...data }), GROUP, NOW),
      null,
    );
  }
  // Nothing follows from what the audit log records of itself.
  if (wire.startsWith('muster.audit.')) return null;
  return shapes.reduce<DirectoryOwnerState>(
    (state, { type, data }) => evolveDirectory(state, upcastDirectory(type, { ...data }), NOW),
    null,
  );
};

it('every version of every event type has a file', () => {
  expect(NEWEST.length).toBeGreaterThan(0);
  expect([...NEWEST, ...contracts.OLD_USER_EVENTS.keys()].filter((wire) => !FIXTURES.has(wire))).toEqual([]);
});

describe.each([...FIXTURES])('%s', (wire, fixture) => {
  it('is stored under its name and folds to its state, also where it is an old version', () => {
    expect(fixture.type).toBe(wire);
    expect(fold(wire)).toEqual(fixture.state);
  });
});

describe.each(NEWEST)('%s', (wire) => {
  it('is written in the shape of its version: another shape is a new version', () => {
    const event = written().find(({ type }) => type === wire);
    const { data, personal } = FIXTURES.get(wire)!;
    expect(event).toEqual({ type: wire, data, personal });
  });
});
