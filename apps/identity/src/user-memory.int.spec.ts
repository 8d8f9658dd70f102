import { createSecretKey, randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  partitionOf,
  USER_COMMAND_TYPES,
  type CommandData,
  type Message,
  type Outcome,
  type UserCommand,
} from '#contracts';
import { BatchHandler, connectDatabase, roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import type { Json } from '#scim';
import { commandMessage, handOver } from '../../../test/support/batches.js';
import { newDatabase } from '../../../test/support/postgres.js';
import { userBehaviour } from './user.projection.js';
import { UserMemory, type RememberedTenant } from './user-memory.js';

const NOW = '2026-01-01T00:00:00.000Z';
const MAX_MEMORY_MS = 60_000;
const masterKey = randomBytes(32);
let url: string;
let database: pg.Pool;
let owner: pg.Client;
let handler: BatchHandler<UserCommand>;
let tenant: string;
let directory: string;
/** The position of the lane; asking for it makes the lane forget everything. */
let position: { epoch: string; nextOffset: number };
let elapsedMs = 0;
/** The statements that loaded anything. */
let loads: string[] = [];

beforeAll(async () => {
  url = await newDatabase();
  database = await connectDatabase(roleUrl(url, 'identity'), 'identity', {
    poolConnections: 2,
    queryTimeoutMs: 10_000,
  });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  const behaviour = userBehaviour(masterKey, 262_144);
  const observed = {
    ...behaviour,
    loadSql: (touched: unknown) => {
      const text = behaviour.loadSql(touched);
      loads.push(text);
      return text;
    },
  };
  handler = new BatchHandler(
    database,
    observed,
    () => new Date(NOW),
    (error) => {
      throw error as Error;
    },
    { maxBytes: 8 * 1_048_576, elapsedMs: () => elapsedMs },
  );
}, 60_000);

afterAll(async () => {
  await owner?.end();
  await database?.end();
});

beforeEach(async () => {
  [tenant, directory] = [uuidv7(), uuidv7()];
  await owner.query(
    "INSERT INTO directory.directories (id, tenant, version, created, name, kind, settings) VALUES ($1, $2, 1, $3, 'one', 'scim', '{}')",
    [directory, tenant, NOW],
  );
  position = { ...(await handler.position(partitionOf(tenant))) };
});

const message = (command: UserCommand): Message<CommandData<UserCommand>> =>
  commandMessage(
    { type: USER_COMMAND_TYPES[command.type], subject: command.userId, tenant, directory, time: NOW },
    command,
  );
const create = (userId: string, userName: string, title = 'x', more: Record<string, Json> = {}): UserCommand => ({
  type: 'CreateUser',
  userId,
  resource: { userName, active: true, title, ...more },
});
const patch = (userId: string, value: Json, path = 'title'): UserCommand => ({
  type: 'PatchUser',
  userId,
  operations: [{ op: 'replace', path, value }],
  ifMatch: null,
});
/** Carries out one command; resolves with its outcome and the number of loads. */
const send = async (sent: Message<CommandData<UserCommand>>): Promise<{ outcome: Outcome; loads: number }> => {
  loads = [];
  const told = await handOver(handler, 'identity.commands', tenant, [sent], position);
  position.nextOffset++;
  return { outcome: told.get(sent.id)!, loads: loads.length };
};
const stored = async (id: string): Promise<{ version: number; title: string }> =>
  (await owner.query("SELECT version, resource->>'title' AS title FROM identity.users WHERE id = $1", [id])).rows[0];

/** A user that the lane has just made. */
const given = async (title?: string): Promise<string> => {
  const id = uuidv7();
  expect((await send(message(create(id, `user-${id}`, title)))).outcome).toMatchObject({ status: 'done' });
  return id;
};

describe('a user that was just written', () => {
  it('is not loaded again', async () => {
    const id = await given();
    expect(await send(message(patch(id, 'one')))).toMatchObject({ loads: 0, outcome: { status: 'done' } });
    expect(await send(message(patch(id, 'two')))).toMatchObject({ loads: 0, outcome: { status: 'done' } });
    expect(await stored(id)).toEqual({ version: 3, title: 'two' });
    const { rows } = await owner.query('SELECT version FROM identity.events WHERE stream = $1 ORDER BY version', [id]);
    expect(rows.map(({ version }) => version)).toEqual([1, 2, 3]);
  });

  it('is gone when it was deleted', async () => {
    const id = await given();
    expect((await send(message({ type: 'DeleteUser', userId: id, ifMatch: null }))).outcome.status).toBe('done');
    expect((await send(message(patch(id, 'one')))).outcome).toMatchObject({ status: 'rejected', code: 'notFound' });
  });

  it('is loaded where it is so long that it would make the lane forget many others', async () => {
    const id = await given('x'.repeat(20_000));
    expect((await send(message(patch(id, 'short')))).loads).toBe(1);
    expect((await send(message(patch(id, 'shorter')))).loads).toBe(0);
  });

  it('is loaded where it is so long, also if it was written together with many that are short', async () => {
    const ids = Array.from({ length: 16 }, () => uuidv7());
    const sent = ids.map((id, index) => message(create(id, `user-${id}`, 'x'.repeat(index === 0 ? 20_000 : 1))));
    await handOver(handler, 'identity.commands', tenant, sent, position);
    position.nextOffset += sent.length;
    expect((await send(message(patch(ids[0]!, 'short')))).loads).toBe(1);
    expect((await send(message(patch(ids[1]!, 'shorter')))).loads).toBe(0);
  });

  it('is loaded again after a minute', async () => {
    const id = await given();
    elapsedMs += MAX_MEMORY_MS + 1;
    expect((await send(message(patch(id, 'one')))).loads).toBe(1);
    expect((await send(message(patch(id, 'two')))).loads).toBe(0);
  });
});

it('a new user is looked for in nine batches of ten, so that a lane seldom assumes wrongly, whatever is sent', async () => {
  const createNext = (userName = `user-${uuidv7()}`): ReturnType<typeof send> =>
    send(message(create(uuidv7(), userName)));
  const loadsOfEach: number[] = [];
  for (let batches = 0; batches < 10; batches++) loadsOfEach.push((await createNext()).loads);
  expect(loadsOfEach).toEqual([...Array<number>(9).fill(1), 0]);
  const id = await given();
  expect(await createNext(`user-${id}`)).toMatchObject({ loads: 1, outcome: { status: 'rejected' } });
  // It has assumed wrongly, so it begins to count again.
  expect((await createNext()).loads).toBe(1);
});

it('a new user of a directory that maps names is loaded for as often as one of any other', async () => {
  const attributeMapping = [{ target: 'userName', expression: 'Append([userPrincipalName], "@x.example")' }];
  await owner.query('UPDATE directory.directories SET settings = $2 WHERE id = $1', [
    directory,
    JSON.stringify({ attributeMapping }),
  ]);
  position = { ...(await handler.position(partitionOf(tenant))) };
  const loadsOfEach: number[] = [];
  for (let batches = 0; batches < 11; batches++) {
    const { loads: taken, outcome } = await send(message(create(uuidv7(), `user-${uuidv7()}`)));
    expect(outcome).toMatchObject({ value: { resource: { userName: expect.stringMatching(/@x\.example$/) } } });
    loadsOfEach.push(taken);
  }
  // The first one finds out what the directory maps.
  expect(loadsOfEach).toEqual([2, ...Array<number>(8).fill(1), 0, 0]);
});

describe('a new user, after some batches', () => {
  const emails = (value: string): Record<string, Json> => ({ emails: [{ type: 'work', value }] });
  beforeEach(async () => {
    for (let batches = 0; batches < 10; batches++) await given();
  });

  it('is nobody who is known: nothing is loaded', async () => {
    const id = uuidv7();
    expect(await send(message(create(id, `new-${id}`, 'x', emails(`${id}@x`))))).toMatchObject({
      loads: 0,
      outcome: { status: 'done', value: { id } },
    });
  });

  it('is refused where the name is taken, whatever the lane remembers', async () => {
    const id = await given();
    expect(await send(message(create(uuidv7(), `USER-${id}`)))).toMatchObject({
      loads: 1,
      outcome: { status: 'rejected', code: 'uniqueness' },
    });
  });

  it.each<[string, Record<string, Json>]>([
    ['e-mail', emails('M@x')],
    ['externalId', { externalId: 'e1' }],
  ])('is decided on what is there where somebody has the same %s', async (_key, more) => {
    const [id, other] = [uuidv7(), uuidv7()];
    await send(message(create(id, `user-${id}`, 'x', more)));
    for (let batches = 0; batches < 10; batches++) await given();
    expect((await send(message(create(other, `user-${other}`, 'x', more)))).loads).toBe(1);
  });

  it('may have a name that was given back', async () => {
    const id = await given();
    const rename = { op: 'replace', path: 'userName', value: `other-${id}` } as const;
    await send(message({ type: 'PatchUser', userId: id, operations: [rename], ifMatch: null }));
    expect(await send(message(create(uuidv7(), `user-${id}`)))).toMatchObject({
      loads: 0,
      outcome: { status: 'done' },
    });
  });
});

describe('what somebody else has changed meanwhile is noticed, and loaded', () => {
  it('a user whom its directory has deleted, and who comes back', async () => {
    const id = await given();
    await send(message({ type: 'DeleteUser', userId: id, ifMatch: null }));
    expect(await send(message(create(uuidv7(), `user-${id}`)))).toMatchObject({
      loads: 1,
      outcome: { status: 'done', value: { id } },
    });
  });

  it('a command that was answered gets the same answer', async () => {
    const id = await given();
    const sent = message(patch(id, 'one'));
    const first = await send(sent);
    const again = await send(sent);
    expect(again.loads).toBe(1);
    expect(again.outcome).toMatchObject({ status: first.outcome.status });
    expect(await stored(id)).toEqual({ version: 2, title: 'one' });
  });

  it('a membership', async () => {
    const [id, group] = [await given(), uuidv7()];
    const before = await send(message(patch(id, 'one')));
    expect(before.outcome).not.toMatchObject({ value: { isMember: true } });
    await owner.query('INSERT INTO "group".members (tenant, group_id, member, kind) VALUES ($1, $2, $3, \'u\')', [
      tenant,
      group,
      id,
    ]);
    expect(await send(message(patch(id, 'two')))).toMatchObject({ loads: 1, outcome: { value: { isMember: true } } });
    expect(await send(message(patch(id, 'three')))).toMatchObject({ loads: 0, outcome: { value: { isMember: true } } });
  });

  it('an extension schema', async () => {
    const id = await given();
    const urn = 'urn:example:extension:2.0:User';
    const inExtension = patch(id, 'red', `${urn}:colour`);
    expect((await send(message(inExtension))).outcome).toMatchObject({ status: 'rejected', code: 'invalidPath' });
    const schema = {
      id: urn,
      name: 'Extension',
      description: '',
      attributes: [{ name: 'colour', type: 'string', multiValued: false, caseExact: false }],
    };
    const streams = [uuidv7(), uuidv7()];
    await owner.query(
      "INSERT INTO directory.schemas (id, tenant, version, created, urn, urn_folded, resource_type, schema) VALUES ($1, $2, 1, $3, $4, $5, 'User', $6)",
      [streams[0], tenant, NOW, urn, urn.toLowerCase(), JSON.stringify(schema)],
    );
    await owner.query(
      `INSERT INTO directory.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, data)
       VALUES ($1, 1, $2, 1, 'muster.schema.defined.v1', $3, $4, '', 'test', '{}')`,
      [tenant, streams[0], NOW, streams[1]],
    );
    expect((await send(message(inExtension))).outcome).toMatchObject({ status: 'done' });
  });

  it('the rows, by a rebuild', async () => {
    const id = await given();
    await owner.query(
      "UPDATE identity.users SET resource = jsonb_set(resource, '{displayName}', '\"mended\"') WHERE id = $1",
      [id],
    );
    await owner.query(
      "UPDATE identity.positions SET generation = generation + 1 WHERE topic = 'identity.commands' AND partition = $1",
      [partitionOf(tenant)],
    );
    expect(await send(message(patch(id, 'one')))).toMatchObject({
      loads: 1,
      outcome: { value: { resource: { displayName: 'mended' } } },
    });
  });
});

it('of tenants with so many directories and schemas that they would fill the memory the first are forgotten', () => {
  const memory = new UserMemory();
  const known: RememberedTenant = {
    revision: 1,
    directories: [],
    domains: new Set(),
    definitions: undefined,
    key: createSecretKey(randomBytes(32)),
  };
  for (const name of ['one', 'two', 'three']) memory.rememberTenant(name, known, 400_000);
  expect(['one', 'two', 'three'].filter((name) => memory.tenant(name))).toEqual(['two', 'three']);
  memory.rememberTenant('three', known, 500_000);
  expect(['one', 'two', 'three'].filter((name) => memory.tenant(name))).toEqual(['two', 'three']);
  memory.rememberTenant('four', known, 2_000_000);
  for (let index = 0; index < 10_000; index++) memory.rememberTenant(`small ${index}`, known, 2);
  const small = Array.from({ length: 10_000 }, (_, index) => memory.tenant(`small ${index}`));
  expect(['two', 'three', 'four'].filter((name) => memory.tenant(name))).toEqual([]);
  expect(small.filter(Boolean).length).toBeLessThan(5_000);
  expect(small.at(-1)).toBeDefined();
});

it('a tenant counts for its directories and schemas', async () => {
  await owner.query(
    `INSERT INTO directory.directories (id, tenant, version, created, name, kind, settings)
     SELECT gen_random_uuid(), $1, 1, $2, repeat('x', 100) || n, 'scim', '{}' FROM generate_series(1, 8000) AS n`,
    [tenant, NOW],
  );
  const id = await given();
  expect((await send(message(patch(id, 'one')))).loads).toBe(1);
  expect((await send(message(patch(id, 'two')))).loads).toBe(1);
});

it('nobody is set aside while directories or schemas cannot be loaded: the lane proves that it can load all', async () => {
  const impatient = await connectDatabase(roleUrl(url, 'identity'), 'identity', {
    poolConnections: 2,
    queryTimeoutMs: 500,
  });
  try {
    for (const table of ['directories', 'schemas']) {
      const dead: unknown[] = [];
      const lane = new BatchHandler(
        impatient,
        userBehaviour(masterKey, 262_144),
        () => new Date(NOW),
        (error) => dead.push(error),
      );
      const id = uuidv7();
      const sent = message(create(id, `user-${id}`));
      await owner.query(`BEGIN; LOCK TABLE directory.${table} IN ACCESS EXCLUSIVE MODE`);
      try {
        await expect(handOver(lane, 'identity.commands', tenant, [sent]), table).rejects.toMatchObject({
          code: '57014',
        });
      } finally {
        await owner.query('ROLLBACK');
      }
      expect(dead).toEqual([]);
      const told = await handOver(lane, 'identity.commands', tenant, [sent]);
      expect(told.get(sent.id), table).toMatchObject({ status: 'done', value: { id } });
    }
  } finally {
    await impatient.end();
  }
});
