import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { partitionOf, USER_COMMAND_TYPES, type CommandData, type Message, type Outcome, type UserCommand } from '#contracts';
import { BatchHandler, connectDatabase, poolOf, verifyStore } from '#event-store';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../test/support/postgres.js';
import { directoriesOf, muddled, play, settings, tellable } from '../../../test/support/user-sequences.js';
import { UserWorld } from '../../../test/support/user-world.js';
import { userBehaviour, userRow } from './user.projection.js';
import { verifyUsers } from './user-verify.queries.js';

const NOW = '2026-01-01T00:00:00.000Z';
const masterKey = randomBytes(32);
let database: DataSource;
let owner: pg.Client;
let handler: BatchHandler<UserCommand>;

beforeAll(async () => {
  const url = await newDatabase();
  database = await connectDatabase(url, 'identity', { poolConnections: 2, queryTimeoutMs: 10_000 });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  handler = new BatchHandler(poolOf(database), userBehaviour(masterKey), () => new Date(NOW), (error) => {
    throw error as Error;
  });
}, 60_000);

afterAll(async () => {
  await owner?.end();
  await database?.destroy();
});

/** As the log hands it over: the next messages of the tenant's partition. */
const handle = async (tenant: string, messages: readonly Message[]): Promise<void> => {
  const partition = partitionOf(tenant);
  const { epoch, nextOffset } = await handler.position(partition);
  await handler.handle({
    topic: 'identity.commands', partition, epoch, nextOffset: nextOffset + messages.length, checkHeld: false,
    received: messages.map((message, index) => ({ offset: nextOffset + index, message })),
  });
};

const message = (tenant: string, directory: string | null, command: UserCommand): Message<CommandData<UserCommand>> => {
  const id = uuidv7();
  return {
    id, type: USER_COMMAND_TYPES[command.type], source: 'test', subject: command.userId, time: NOW, tenant, directory, correlationId: id, causationId: null,
    data: { actor: 'test', expiresAt: '2030-01-01T00:00:00.000Z', command },
  };
};

it('random sequences in random batches become what the pure code says, row by row, and every invariant holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(tellable, muddled, muddled), settings, fc.array(fc.constantFrom(1, 1, 1, 2, 5, 20), { minLength: 1, maxLength: 20 }), async (sequence, chosen, sizes) => {
      const tenant = uuidv7();
      const sources = [uuidv7(), uuidv7()] as const;
      const directories = directoriesOf(sources, chosen);
      for (const { id, name, offerExistingUsers, emailIsLoginName } of directories) {
        await owner.query(
          "INSERT INTO admin.directories (id, tenant, version, created, name, kind, offer_existing_users, email_is_login_name) VALUES ($1, $2, 1, $3, $4, 'scim', $5, $6)",
          [id, tenant, NOW, name, offerExistingUsers, emailIsLoginName],
        );
      }
      const world = new UserWorld(directories, NOW);
      const steps = play(world, sources, sequence, uuidv7);
      const messages = steps.map(({ sender, command }) => message(tenant, sender, command));
      for (let done = 0, batch = 0; done < messages.length; batch++) {
        const size = sizes[batch % sizes.length]!;
        await handle(tenant, messages.slice(done, done + size));
        done += size;
      }
      const { rows: answers } = await owner.query<{ command_id: string; outcome: Outcome }>('SELECT command_id, outcome FROM identity.outcomes WHERE tenant = $1', [tenant]);
      const outcomes = new Map(answers.map(({ command_id, outcome }) => [command_id, outcome]));
      for (const [index, { result, command }] of steps.entries()) expect(outcomes.get(messages[index]!.id), command.type).toEqual(result.outcome);
      const { rows } = await owner.query<{ row: Record<string, unknown> }>('SELECT to_jsonb(u) AS row FROM identity.users u WHERE tenant = $1', [tenant]);
      const plain = (row: Record<string, unknown>): object => ({ ...row, created: Date.parse(String(row.created)), last_modified: Date.parse(String(row.last_modified)) });
      const byId = (a: { id?: unknown }, b: { id?: unknown }): number => (String(a.id) < String(b.id) ? -1 : 1);
      const expected = [...world.users.values()].map((user) => plain(userRow(tenant, user)));
      expect(rows.map(({ row }) => plain(row)).toSorted(byId)).toEqual(expected.toSorted(byId));
    }),
    { numRuns: 300 },
  );
  const { compared, findings } = await verifyUsers(owner, masterKey);
  expect(findings).toEqual([]);
  expect(compared['user streams']).toBeGreaterThan(300);
  expect((await verifyStore(owner, 'identity')).findings).toEqual([]);
}, 120_000);
