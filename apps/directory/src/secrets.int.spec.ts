import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DIRECTORY_COMMAND_TYPES, commandsOf, type DirectoryCommand, type Message } from '#contracts';
import { BatchHandler, connectDatabase, roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { commandMessage, handOver } from '../../../test/support/batches.js';
import { newDatabase } from '../../../test/support/postgres.js';
import { directoryBehaviour } from './directory.projection.js';

const [HASH, SEALED] = ['a-hash-of-a-token', 'c2VhbGVkIHRva2Vu'];
const [tenant, directoryId] = [uuidv7(), uuidv7()];
const topic = commandsOf('directory');

let database: pg.Pool;
let owner: pg.Client;
let handler: BatchHandler<DirectoryCommand>;
beforeAll(async () => {
  const url = await newDatabase();
  database = await connectDatabase(roleUrl(url, 'directory'), 'directory', {
    poolConnections: 2,
    queryTimeoutMs: 10_000,
  });
  owner = new pg.Client({ connectionString: url });
  await owner.connect();
  handler = new BatchHandler(
    database,
    directoryBehaviour(),
    () => new Date(),
    () => undefined,
  );
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await database?.end();
});

const message = (command: DirectoryCommand, type: string = DIRECTORY_COMMAND_TYPES[command.type]): Message =>
  commandMessage({ type, subject: tenant, tenant, directory: null, time: new Date().toISOString() }, command);
const createToken = (description: string): DirectoryCommand => ({
  type: 'CreateToken',
  tokenId: uuidv7(),
  directoryId,
  description,
  hash: HASH,
  sealed: SEALED,
  expiresAt: null,
});

/** Everything that the log holds, dead letters as they are read. */
const published = async (): Promise<{ topic: string; text: string }[]> =>
  (
    await owner.query<{ topic: string; message: Message }>(
      'SELECT topic, message FROM log.messages ORDER BY topic, "offset"',
    )
  ).rows.map((row) => {
    const letter = (row.message.data as { message?: string }).message;
    return {
      topic: row.topic,
      text: JSON.stringify(row.message) + (letter === undefined ? '' : Buffer.from(letter, 'base64').toString()),
    };
  });

it('the hash of a token and the sealed token are in the store, and in nothing that is published or told: events, outcomes, dead letters', async () => {
  const token = message(createToken('First'));
  const told = await handOver(handler, topic, tenant, [
    message({ type: 'CreateTenant', tenantId: tenant, name: 'Default' }),
    message({ type: 'CreateDirectory', directoryId, name: 'Entra', kind: 'scim' }),
    token,
    // A command that nobody knows is set aside, and so is one that the database refuses.
    message(createToken('Unknown'), 'muster.token.create.v9'),
    message(createToken('Refused\u0000')),
  ]);
  const { rows: stored } = await owner.query(
    "SELECT data->>'hash' AS hash, data->>'sealed' AS sealed FROM directory.events WHERE type = 'muster.token.created.v1'",
  );
  expect(stored).toEqual([{ hash: HASH, sealed: SEALED }]);
  expect((await owner.query('SELECT hash, sealed FROM directory.tokens')).rows).toEqual([
    { hash: HASH, sealed: SEALED },
  ]);

  const view = (await owner.query<{ text: string }>('SELECT data::text AS text FROM directory.events_v1')).rows;
  expect(view).toHaveLength(3);
  for (const { text } of view) expect(text).not.toMatch(new RegExp(`${HASH}|${SEALED}`));
  expect(view.map(({ text }) => text).join()).toContain('First');

  const all = await published();
  const count = (of: string): number => all.filter((row) => row.topic === of).length;
  expect([count('directory.events'), told.size, count('directory.commands.dead')]).toEqual([3, 5, 2]);
  expect(JSON.stringify([...told])).not.toMatch(new RegExp(`${HASH}|${SEALED}`));
  for (const { topic: of, text } of all) expect(text, of).not.toMatch(new RegExp(`${HASH}|${SEALED}`));
  expect(all.filter(({ text }) => text.includes('TokenCreated')).map(({ topic: of }) => of)).toEqual([
    'directory.events',
  ]);
  // The facts that one looks for in a dead letter are still there.
  expect(
    all.filter((row) => row.topic === 'directory.commands.dead').map(({ text }) => /Unknown|Refused/.exec(text)?.[0]),
  ).toEqual(['Unknown', 'Refused']);
});

it('bytes that are no message, in which a secret cannot be found, are not handed on', async () => {
  const { epoch, nextOffset } = await handler.position(0);
  const raw = [
    `{"command":{"hash":"${HASH}"`,
    `{"command":{"description":"Headless","hash":"${HASH}","sealed":"${SEALED}"}}`,
  ];
  await handler.handle(
    {
      topic,
      partition: 0,
      epoch,
      nextOffset: nextOffset + 2,
      received: raw.map((text, index) => ({ offset: nextOffset + index, message: null, raw: text })),
    },
    () => undefined,
  );
  const dead = (await published()).filter((row) => row.topic === 'directory.commands.dead').map(({ text }) => text);
  expect(dead.filter((text) => text.includes('Headless'))).toHaveLength(1);
  for (const text of dead) expect(text).not.toMatch(new RegExp(`${HASH}|${SEALED}`));
});
