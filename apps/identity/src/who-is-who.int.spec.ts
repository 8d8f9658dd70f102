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
import { BatchHandler, connectDatabase, rebuild, roleUrl, verifyStore } from '#event-store';
import { uuidv7 } from '#runtime';
import { USER, type Json, type PatchOperation } from '#scim';
import { commandMessage, handOver } from '../../../test/support/batches.js';
import { newDatabase } from '../../../test/support/postgres.js';
import { directoriesOf, muddled, play, anySettings, tellable } from '../../../test/support/user-sequences.js';
import { directory, UserWorld, VERIFIED_DOMAINS } from '../../../test/support/user-world.js';
import { storedAnswer } from './answers.js';
import type { Directory } from './user.js';
import { MAX_EMAIL_BEARERS } from './matching.js';
import { userFold } from './user-fold.queries.js';
import { UserMemory } from './user-memory.js';
import { userRow } from './user-rows.projection.js';
import { userBehaviour } from './user.projection.js';
import { verifyUsers } from './user-verify.queries.js';

const NOW = '2026-01-01T00:00:00.000Z';
const masterKey = randomBytes(32);
let url: string;
let database: pg.Pool;
let owner: pg.Client;
let handler: BatchHandler<UserCommand>;
/** The same lanes in another process. */
let elsewhere: BatchHandler<UserCommand>;
/** The number of loads. */
let loads = 0;
/** The number of batches that loaded nothing. */
let unloaded = 0;
let elapsedMs = 0;

const frozen = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) for (const part of Object.values(Object.freeze(value))) frozen(part);
  return value;
};
/** A change of what is remembered throws, and nothing is remembered that the database would not give back. */
class FrozenMemory extends UserMemory {
  static readonly faults: unknown[] = [];
  /** If true, new users are assumed to be nobody who is known from the first batch on. */
  static assumes = false;

  override get mayAssume(): boolean {
    return FrozenMemory.assumes || super.mayAssume;
  }

  override rememberUser(...[tenant, id, user, bytes]: Parameters<UserMemory['rememberUser']>): void {
    try {
      if (user) expect(JSON.parse(JSON.stringify(user.state))).toStrictEqual(structuredClone(user.state));
    } catch (error) {
      FrozenMemory.faults.push(error);
    }
    frozen(user?.state);
    super.rememberUser(tenant, id, user, bytes);
  }

  override rememberTenant(...[tenant, known, bytes]: Parameters<UserMemory['rememberTenant']>): void {
    frozen(known.directories);
    super.rememberTenant(tenant, known, bytes);
  }
}

beforeAll(async () => {
  url = await newDatabase();
  database = await connectDatabase(roleUrl(url, 'identity'), 'identity', {
    poolConnections: 2,
    queryTimeoutMs: 10_000,
  });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  // The tenants of these tests do not know of each other, and all have the same e-mail domains.
  await owner.query('DROP INDEX directory.domains_verified');
  const behaviour = userBehaviour(masterKey, 262_144);
  const counted = {
    ...behaviour,
    touches: (...args: Parameters<typeof behaviour.touches>) => (loads++, behaviour.touches(...args)),
    asksNothing: (touched: unknown) => {
      const isKnown = behaviour.asksNothing!(touched);
      if (isKnown) unloaded++;
      return isKnown;
    },
    memory: () => new FrozenMemory(),
  };
  const newHandler = (): BatchHandler<UserCommand> =>
    new BatchHandler(
      database,
      counted,
      () => new Date(NOW),
      (error) => {
        throw error as Error;
      },
      { maxBytes: 8 * 1_048_576, elapsedMs: () => elapsedMs },
    );
  [handler, elsewhere] = [newHandler(), newHandler()];
}, 60_000);

afterAll(async () => {
  await owner?.end();
  await database?.end();
});

/** Where the lanes are, so that they go on with what they remember. */
const positions = new Map<number, { epoch: string; nextOffset: number }>();
const handle = async (tenant: string, messages: readonly Message[], by = handler): ReturnType<typeof handOver> => {
  const partition = partitionOf(tenant);
  const from = positions.get(partition) ?? (await by.position(partition));
  positions.delete(partition);
  const handOn = (): ReturnType<typeof handOver> => handOver(by, 'identity.commands', tenant, messages, from);
  // A lane that missed what somebody else did says so, and is handed the same batch again.
  const told = await handOn().catch((error: Error) => {
    if (!error.message.startsWith('write statement: position ')) throw error;
    return handOn();
  });
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
  for (const { id, name, version: _version, ...settings } of directories) {
    await owner.query(
      "INSERT INTO directory.directories (id, tenant, version, created, name, kind, settings) VALUES ($1, $2, 1, $3, $4, 'scim', $5)",
      [id, tenant, NOW, name, settings],
    );
  }
  await owner.query(
    `INSERT INTO directory.domains (id, tenant, version, created, name, shown_name, record, verified_by, verified_at)
     SELECT gen_random_uuid(), $1, 2, $2, d, d, '', 'dns', $2 FROM unnest($3::text[]) d`,
    [tenant, NOW, VERIFIED_DOMAINS],
  );
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
    directory(PLAIN, { offerExistingUsers: true, deleteDeactivated: true }),
  ];
  const tenant = await newTenant(renew(directories));
  const messages = sent.map(([sender, command]) => message(tenant, renew(sender), renew(command)));
  for (const before of messages.slice(0, -together)) await handle(tenant, [before]);
  // Whatever the lane remembers of other tests: it has to load all that the last batch touches.
  handler.forget(partitionOf(tenant));
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
          given: [
            [PLAIN, signIn(ADA, 'ada', 'm@x')],
            [PLAIN, create(uuidv7(), 'ada')],
            [PLAIN, patch(ADA, replace('emails', []))],
            zoe,
          ],
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

/** A happening between two batches. */
const HAPPENINGS = ['membership', 'settings', 'rebuild', 'again', 'elsewhere', 'forgotten', 'a minute'] as const;
type Happening = (typeof HAPPENINGS)[number];
/** Changes that the write statement compares are the likeliest; a rebuild reads the events of all cases before. */
const WEIGHTS: { readonly [happening in Happening]?: number } = { membership: 10, settings: 10, rebuild: 1 };
const happenings = fc.array(
  fc.oneof(
    { weight: 50, arbitrary: fc.constant(null) },
    ...HAPPENINGS.map((happening) => ({ weight: WEIGHTS[happening] ?? 4, arbitrary: fc.constant(happening) })),
  ),
  { minLength: 1, maxLength: 40, size: 'max' },
);

const rebuildUsers = async (): Promise<void> => {
  const clients = [new pg.Client({ connectionString: url }), new pg.Client({ connectionString: url })] as const;
  await Promise.all(clients.map((client) => client.connect()));
  try {
    expect((await rebuild(...clients, userFold(masterKey), { version: '1' })).unfolded).toBe(0);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
};
/** The outcome as it is told: it says who is in a group, which the world of the pure code does not know. */
const shown = (outcome: Outcome, members: ReadonlySet<string>): Outcome => {
  const value = outcome.status === 'done' ? (outcome.value as { id?: string; resource?: unknown } | null) : null;
  return value?.resource && members.has(value.id!)
    ? ({ status: 'done', value: { ...value, isMember: true } } as Outcome)
    : outcome;
};

/** As directory writes it: the row and its event. */
const change = async (tenant: string, { id, version, name: _name, ...settings }: Directory): Promise<void> => {
  await owner.query('UPDATE directory.directories SET version = $2, settings = $3 WHERE id = $1', [
    id,
    version,
    settings,
  ]);
  await owner.query(
    `INSERT INTO directory.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, data)
     SELECT $1::uuid, coalesce(max(sequence), 0) + 1, $2::uuid, $3::int, 'muster.directory.changed.v1', $4::timestamptz, $5::uuid, '', 'test', '{}'
     FROM directory.events WHERE tenant = $1::uuid`,
    [tenant, id, version, NOW, uuidv7()],
  );
};

it('random sequences in random batches become what the pure code says, row by row, and every invariant holds, whatever happens meanwhile', async () => {
  const happened = new Set<Happening>();
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(tellable, muddled, muddled),
      anySettings,
      fc.array(fc.constantFrom(1, 1, 1, 1, 2, 5, 20), { minLength: 1, maxLength: 20 }),
      happenings,
      fc.boolean(),
      async (sequence, chosen, sizes, between, assumes) => {
        FrozenMemory.assumes = assumes;
        const sources = [uuidv7(), uuidv7()] as const;
        const directories = directoriesOf(sources, chosen);
        const tenant = await newTenant(directories);
        const world = new UserWorld(directories, NOW);
        const people = new Map<string, string>();
        const members = new Set<string>();
        /** The outcomes that are stored. */
        const kept = new Map<string, Outcome>();
        let messages: Message[] = [];
        for (let done = 0, batch = 0; done < sequence.length; batch++) {
          const happening = between[batch % between.length] ?? null;
          if (happening) happened.add(happening);
          switch (happening) {
            case 'membership':
              for (const id of world.users.keys()) {
                const wasMember = members.delete(id);
                if (!wasMember) members.add(id);
                await owner.query(
                  wasMember
                    ? 'DELETE FROM "group".members WHERE tenant = $1 AND member = $2'
                    : `INSERT INTO "group".members (tenant, group_id, member, kind) VALUES ($1, gen_random_uuid(), $2, 'u')`,
                  [tenant, id],
                );
              }
              break;
            case 'settings': {
              const index = batch % 2;
              const before = directories[index]!;
              const { offerExistingUsers, emailIsLoginName } = before;
              directories[index] = {
                ...before,
                ...(batch % 3 === 0
                  ? { emailIsLoginName: !emailIsLoginName }
                  : { offerExistingUsers: !offerExistingUsers }),
                version: before.version + 1,
              };
              await change(tenant, directories[index]);
              break;
            }
            case 'rebuild':
              await owner.query(
                `UPDATE identity.users SET version = version + 1, resource = resource || '{"title": "wrong"}' WHERE tenant = $1`,
                [tenant],
              );
              await rebuildUsers();
              break;
            case 'again': {
              const told = await handle(tenant, messages);
              for (const { id } of messages) expect(told.get(id)).toEqual(kept.get(id));
              break;
            }
            case 'forgotten':
              handler.forget(partitionOf(tenant));
              break;
            case 'a minute':
              elapsedMs += 60_001;
          }
          const size = sizes[batch % sizes.length]!;
          const steps = play(world, sources, sequence.slice(done, done + size), uuidv7, people);
          done += size;
          messages = steps.map(({ sender, command }) => message(tenant, sender, command));
          if (happening === 'elsewhere') elsewhere.forget(partitionOf(tenant));
          const told = await handle(tenant, messages, happening === 'elsewhere' ? elsewhere : handler);
          for (const [index, { result, command }] of steps.entries()) {
            const { id } = messages[index]!;
            const outcome = shown(result.outcome, members);
            expect(told.get(id), command.type).toEqual(outcome);
            kept.set(
              id,
              outcome.status === 'done'
                ? { status: 'done', value: storedAnswer(outcome.value as Parameters<typeof storedAnswer>[0]) }
                : outcome,
            );
          }
        }
        expect(await outcomesOf(tenant)).toEqual(kept);
        const { rows } = await owner.query<{ row: Record<string, unknown> }>(
          'SELECT to_jsonb(u) AS row FROM identity.users u WHERE tenant = $1',
          [tenant],
        );
        const plain = (row: Record<string, unknown>): object => ({
          ...Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)),
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
  expect(FrozenMemory.faults).toEqual([]);
  expect(happened).toEqual(new Set(HAPPENINGS));
  expect(unloaded).toBeGreaterThan(50);
  const { compared, findings } = await verifyUsers(owner, masterKey);
  expect(findings).toEqual([]);
  expect(compared['user streams']).toBeGreaterThan(300);
  expect((await verifyStore(owner, 'identity')).findings).toEqual([]);
}, 120_000);
