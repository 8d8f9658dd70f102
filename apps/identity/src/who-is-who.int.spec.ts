import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  partitionOf,
  USER_COMMAND_TYPES,
  type CommandData,
  type Message,
  type Outcome,
  type UserCommand,
} from '#contracts';
import { BatchHandler, connectDatabase, roleUrl, verifyStore } from '#event-store';
import { uuidv7 } from '#runtime';
import { USER, type Json, type PatchOperation } from '#scim';
import { commandMessage, handOver } from '../../../test/support/batches.js';
import { newDatabase } from '../../../test/support/postgres.js';
import { directoriesOf, muddled, play, settings, tellable } from '../../../test/support/user-sequences.js';
import { directory, UserWorld } from '../../../test/support/user-world.js';
import { storedAnswer, type Directory } from './user.js';
import { MAX_EMAIL_BEARERS } from './matching.js';
import { userBehaviour, userRow } from './user.projection.js';
import { verifyUsers } from './user-verify.queries.js';

const NOW = '2026-01-01T00:00:00.000Z';
const masterKey = randomBytes(32);
let database: pg.Pool;
let owner: pg.Client;
let handler: BatchHandler<UserCommand>;
/** The number of loads. */
let loads = 0;

beforeAll(async () => {
  const url = await newDatabase();
  database = await connectDatabase(roleUrl(url, 'identity'), 'identity', {
    poolConnections: 2,
    queryTimeoutMs: 10_000,
  });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  const behaviour = userBehaviour(masterKey, 262_144);
  const counted = {
    ...behaviour,
    touches: (...args: Parameters<typeof behaviour.touches>) => (loads++, behaviour.touches(...args)),
  };
  handler = new BatchHandler(
    database,
    counted,
    () => new Date(NOW),
    (error) => {
      throw error as Error;
    },
  );
}, 60_000);

afterAll(async () => {
  await owner?.end();
  await database?.end();
});

/** Where the lanes are, so that they go on with what they remember. */
const positions = new Map<number, { epoch: string; nextOffset: number }>();
const handle = async (tenant: string, messages: readonly Message[]): ReturnType<typeof handOver> => {
  const partition = partitionOf(tenant);
  const from = positions.get(partition) ?? (await handler.position(partition));
  positions.delete(partition);
  const told = await handOver(handler, 'identity.commands', tenant, messages, from);
  positions.set(partition, { ...from, nextOffset: from.nextOffset + messages.length });
  return told;
};
const message = (tenant: string, directory: string | null, command: UserCommand): Message<CommandData<UserCommand>> =>
  commandMessage(
    { type: USER_COMMAND_TYPES[command.type], subject: command.userId, tenant, directory, time: NOW },
    command,
  );

/** A tenant with these directories. */
const newTenant = async (directories: readonly Directory[]): Promise<string> => {
  const tenant = uuidv7();
  for (const { id, name, offerExistingUsers, emailIsLoginName } of directories) {
    await owner.query(
      "INSERT INTO directory.directories (id, tenant, version, created, name, kind, settings) VALUES ($1, $2, 1, $3, $4, 'scim', $5)",
      [id, tenant, NOW, name, { offerExistingUsers, emailIsLoginName }],
    );
  }
  return tenant;
};
const outcomesOf = async (tenant: string): Promise<Map<string, Outcome>> => {
  const { rows } = await owner.query<{ command_id: string; outcome: Outcome }>(
    'SELECT command_id, outcome FROM identity.outcomes WHERE tenant = $1',
    [tenant],
  );
  return new Map(rows.map(({ command_id, outcome }) => [command_id, outcome]));
};

const [LOGIN, PLAIN, ADA, BOB] = [uuidv7(), uuidv7(), uuidv7(), uuidv7()] as const;
type Sent = readonly [sender: string | null, command: UserCommand];
const create = (userId: string, userName: string, ...emails: { type: string; value: string }[]): UserCommand => ({
  type: 'CreateUser',
  userId,
  resource: { userName, active: true, ...(emails.length === 0 ? {} : { emails }) },
});
const patch = (userId: string, ...operations: PatchOperation[]): UserCommand => ({
  type: 'PatchUser',
  userId,
  operations,
  ifMatch: null,
});
const replace = (path: string, value: Json): PatchOperation => ({ op: 'replace', path, value });
const signIn = (userId: string, upn: string, email: string | null): UserCommand => ({
  type: 'RecordSignIn',
  userId,
  loginType: 'oidc',
  providerId: upn,
  upn,
  email,
  displayName: null,
});
const unlink: UserCommand = { type: 'UnlinkUser', userId: ADA, signIn: null };
const work = (value: string): { type: string; value: string } => ({ type: 'work', value });
const home = (value: string): { type: string; value: string } => ({ type: 'home', value });

/**
 * Sends the last `together` commands as one batch, those before each as one; tells what the last was answered, and how
 * often its batch was loaded.
 */
const lastOf = async (sent: readonly Sent[], together: number): Promise<{ outcome: Outcome; loads: number }> => {
  // Directories are those of one tenant: their ids, too, are new for each.
  const ids = new Map([LOGIN, PLAIN, ADA, BOB].map((id) => [id, uuidv7()]));
  const renew = <T>(value: T): T =>
    JSON.parse([...ids].reduce((text, [id, fresh]) => text.replaceAll(id, fresh), JSON.stringify(value))) as T;
  const directories = [
    directory(LOGIN, { emailIsLoginName: true, offerExistingUsers: true }),
    directory(PLAIN, { offerExistingUsers: true }),
  ];
  const tenant = await newTenant(renew(directories));
  const messages = sent.map(([sender, command]) => message(tenant, renew(sender), renew(command)));
  for (const before of messages.slice(0, -together)) await handle(tenant, [before]);
  loads = 0;
  await handle(tenant, messages.slice(-together));
  const outcomes = await outcomesOf(tenant);
  for (const before of messages.slice(0, -1))
    expect(outcomes.get(before.id), JSON.stringify(before.data)).toMatchObject({ status: 'done' });
  return { outcome: outcomes.get(messages.at(-1)!.id)!, loads };
};

describe.each([1, 2, 9])(
  'whom a command collides with through what it does not say is known, in a batch of %s',
  (together) => {
    const zoe: Sent = [LOGIN, create(BOB, 'zoe', work('m@x'))];
    const named: Sent = [null, { type: 'TransferUser', userId: BOB, directoryId: PLAIN }];
    it.each(
      Object.entries<{ given: readonly Sent[]; when: Sent }>({
        'a home e-mail becomes the work one': {
          given: [zoe, [PLAIN, create(ADA, 'ada', home('M@x'))]],
          when: [PLAIN, patch(ADA, replace('emails[type eq "home"].type', 'work'))],
        },
        'the second work e-mail becomes the first': {
          given: [zoe, [PLAIN, create(ADA, 'ada', work('a@x'), work('M@x'))]],
          when: [PLAIN, patch(ADA, { op: 'remove', path: 'emails[value eq "a@x"]' })],
        },
        'the value goes from the first work e-mail': {
          given: [zoe, [PLAIN, create(ADA, 'ada', work('a@x'), work('M@x'))]],
          when: [PLAIN, patch(ADA, { op: 'remove', path: 'emails[value eq "a@x"].value' })],
        },
        'a path under the URN of the schema': {
          given: [zoe, [PLAIN, create(ADA, 'ada')]],
          when: [
            PLAIN,
            patch(ADA, replace('urn:ietf:params:scim:schemas:core:2.0:User:emails', [home('b@x'), work('M@x')])),
          ],
        },
        'a first write links whom nobody manages': {
          given: [
            [PLAIN, create(BOB, 'zoe', work('m@x'))],
            [null, { ...unlink, userId: BOB }],
            [PLAIN, create(ADA, 'ada', home('m@x'))],
            [PLAIN, patch(ADA, replace('emails[type eq "home"].type', 'work'))],
          ],
          when: [LOGIN, patch(BOB, replace('title', 'Dr'))],
        },
        'an unlink gives an e-mail back': {
          given: [[PLAIN, signIn(ADA, 'ada', 'm@x')], [PLAIN, create(uuidv7(), 'ada')], zoe],
          when: [null, unlink],
        },
        'an unlink gives a name back': {
          given: [
            [PLAIN, signIn(ADA, 'ada', null)],
            [PLAIN, patch(ADA, replace('userName', 'al'))],
            [PLAIN, create(BOB, 'ADA')],
          ],
          when: [null, unlink],
        },
        'a transfer makes an e-mail a login name': {
          given: [
            [PLAIN, create(ADA, 'ada', work('m@x'))],
            [PLAIN, create(BOB, 'zoe', work('M@x'))],
          ],
          when: [null, { ...named[1], directoryId: LOGIN } as UserCommand],
        },
      }),
    )('%s', async (_rule, { given: before, when: command }) => {
      const { outcome } = await lastOf([...before, command], together);
      expect(outcome).toMatchObject({ status: 'rejected', code: 'uniqueness' });
    });
  },
);

it.each<[string, UserCommand]>([
  ['a POST', create(BOB, 'zoe', work('z@x'))],
  ['a POST of somebody known', create(BOB, 'ada', work('a@x'))],
  ['a PATCH', patch(ADA, replace('title', 'Dr'))],
  [
    'a rename',
    patch(ADA, replace('userName', 'al'), replace('emails[type eq "work"].value', 'al@x'), replace('externalId', 'e2')),
  ],
  ['a deactivation', patch(ADA, replace('active', false))],
  [
    'a soft deletion',
    patch(
      ADA,
      replace('userName', `${'0123456789abcdef'.repeat(2)}ada@x`),
      replace('active', false),
      replace('emails[type eq "work"].value', `${'0123456789abcdef'.repeat(2)}a@x`),
    ),
  ],
  [
    'a PUT',
    {
      type: 'ReplaceUser',
      userId: ADA,
      ifMatch: null,
      resource: { userName: 'al', active: true, externalId: 'e2', emails: [work('b@x')] },
    },
  ],
  ['a DELETE', { type: 'DeleteUser', userId: ADA, ifMatch: null }],
  ['a sign-in', signIn(BOB, 'ada', 'a@x')],
])('%s is loaded once', async (_what, command) => {
  expect(
    await lastOf(
      [
        [LOGIN, create(ADA, 'ada', work('a@x'))],
        [LOGIN, command],
      ],
      1,
    ),
  ).toMatchObject({ loads: 1 });
});

it('of the many who share an e-mail the rest are known when others go in the same batch', async () => {
  const many = Array.from({ length: MAX_EMAIL_BEARERS + 2 }, (_, index) => [uuidv7(), `u${index}`] as const);
  const gone = many.slice(0, MAX_EMAIL_BEARERS - 1);
  const { outcome } = await lastOf(
    [
      ...many.map(([id, name]): Sent => [PLAIN, signIn(id, name, 'm@x')]),
      ...gone.map(([userId]): Sent => [PLAIN, { type: 'DeleteUser', userId, ifMatch: null }]),
      [PLAIN, create(ADA, 'ada', work('m@x'))],
    ],
    gone.length + 1,
  );
  expect(outcome).toMatchObject({
    status: 'rejected',
    code: 'conflict',
    detail: expect.stringContaining(
      many
        .slice(gone.length)
        .map(([id]) => id)
        .join(', '),
    ),
  });
});

it('of the many who share an e-mail one may change in the same batch, and it is loaded once', async () => {
  const many = Array.from({ length: MAX_EMAIL_BEARERS + 2 }, (_, index) => [uuidv7(), `u${index}`] as const);
  const changed = patch(many[0]![0], replace('title', 'Dr'));
  expect(
    await lastOf(
      [
        ...many.map(([id, name]): Sent => [PLAIN, create(id, name, work('m@x'))]),
        [PLAIN, changed],
        [PLAIN, create(ADA, 'ada', work('m@x'))],
      ],
      2,
    ),
  ).toMatchObject({ outcome: { status: 'done' }, loads: 1 });
});

it('random sequences in random batches become what the pure code says, row by row, and every invariant holds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(tellable, muddled, muddled),
      settings,
      fc.array(fc.constantFrom(1, 1, 1, 2, 5, 20), { minLength: 1, maxLength: 20 }),
      async (sequence, chosen, sizes) => {
        const sources = [uuidv7(), uuidv7()] as const;
        const directories = directoriesOf(sources, chosen);
        const tenant = await newTenant(directories);
        const world = new UserWorld(directories, NOW);
        const steps = play(world, sources, sequence, uuidv7);
        const messages = steps.map(({ sender, command }) => message(tenant, sender, command));
        const told = new Map<string, Outcome>();
        for (let done = 0, batch = 0; done < messages.length; batch++) {
          const size = sizes[batch % sizes.length]!;
          for (const [id, outcome] of await handle(tenant, messages.slice(done, done + size))) told.set(id, outcome);
          done += size;
        }
        const outcomes = await outcomesOf(tenant);
        for (const [
          index,
          {
            result: { outcome },
            command,
          },
        ] of steps.entries()) {
          const { id } = messages[index]!;
          expect(told.get(id), command.type).toEqual(outcome);
          expect(outcomes.get(id), command.type).toEqual(
            outcome.status === 'done'
              ? { status: 'done', value: storedAnswer(outcome.value as Parameters<typeof storedAnswer>[0]) }
              : outcome,
          );
        }
        const { rows } = await owner.query<{ row: Record<string, unknown> }>(
          'SELECT to_jsonb(u) AS row FROM identity.users u WHERE tenant = $1',
          [tenant],
        );
        const plain = (row: Record<string, unknown>): object => ({
          ...row,
          created: Date.parse(String(row.created)),
          last_modified: Date.parse(String(row.last_modified)),
        });
        const byId = (a: { id?: unknown }, b: { id?: unknown }): number => (String(a.id) < String(b.id) ? -1 : 1);
        const expected = [...world.users.values()].map((user) => plain(userRow(tenant, user, USER)));
        expect(rows.map(({ row }) => plain(row)).toSorted(byId)).toEqual(expected.toSorted(byId));
      },
    ),
    { numRuns: 150 },
  );
  const { compared, findings } = await verifyUsers(owner, masterKey);
  expect(findings).toEqual([]);
  expect(compared['user streams']).toBeGreaterThan(300);
  expect((await verifyStore(owner, 'identity')).findings).toEqual([]);
}, 120_000);
