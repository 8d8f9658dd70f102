import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commandsOf, DIRECTORY_COMMAND_TYPES, type DirectoryCommand, type Message } from '#contracts';
import { BatchHandler, connectDatabase, roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { commandMessage, handOver } from '../../../test/support/batches.js';
import { newDatabase } from '../../../test/support/postgres.js';
import { directoryBehaviour } from './directory.projection.js';
import { ExpiryWarnings } from './expiry-warnings.job.js';

const DAY_MS = 86_400_000;
const START_MS = Date.parse('2026-01-01T00:00:00.000Z');
const topic = commandsOf('directory');

let database: pg.Pool;
let owner: pg.Client;
let handler: BatchHandler<DirectoryCommand>;
/** The time of the lane and of the job. */
let nowMs: number;
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
    () => new Date(nowMs),
    () => undefined,
  );
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await database?.end();
});

type Send = (...commands: DirectoryCommand[]) => Promise<void>;

/** A tenant with a directory. */
const newTenant = async (): Promise<{ tenant: string; directoryId: string; send: Send }> => {
  nowMs = START_MS;
  const [tenant, directoryId] = [uuidv7(), uuidv7()];
  const send: Send = async (...commands) => {
    const messages = commands.map((command) =>
      commandMessage(
        {
          type: DIRECTORY_COMMAND_TYPES[command.type],
          subject: tenant,
          tenant,
          directory: null,
          time: new Date(nowMs).toISOString(),
        },
        command,
      ),
    );
    const told = await handOver(handler, topic, tenant, messages);
    expect([...told.values()].map(({ status }) => status)).toEqual(commands.map(() => 'done'));
  };
  await send(
    { type: 'CreateTenant', tenantId: tenant, name: 'Default' },
    { type: 'CreateDirectory', directoryId, name: 'Entra', kind: 'scim' },
  );
  return { tenant, directoryId, send };
};
const after = (days: number): string => new Date(START_MS + days * DAY_MS).toISOString();

/** A tenant whose directory has a token that expires so many days after its start. */
const tokenOf = async (days: number): Promise<{ tenant: string; tokenId: string; send: Send }> => {
  const { directoryId, ...rest } = await newTenant();
  const tokenId = uuidv7();
  const made = { tokenId, directoryId, description: '', hash: uuidv7(), sealed: 'sealed', expiresAt: after(days) };
  await rest.send({ type: 'CreateToken', ...made });
  return { ...rest, tokenId };
};

/** One look of the job at this time. Returns the commands that it sent. */
const look = async (atMs: number, tenant: string): Promise<Message[]> => {
  nowMs = atMs;
  const sent: Message[] = [];
  const failures: object[] = [];
  const job = new ExpiryWarnings(database, {
    publish: async (messages) => void sent.push(...messages),
    logger: { warn: (facts) => void failures.push(facts) },
    now: () => nowMs,
  });
  job.start();
  await job.stop();
  expect(failures).toEqual([]);
  return sent.filter((message) => message.tenant === tenant);
};

/** The job looks, and its lane carries out what it sent, twice: the log may deliver it again. */
const lookAndCarryOut = async (atMs: number, tenant: string): Promise<void> => {
  const sent = await look(atMs, tenant);
  for (let time = 0; time < 2; time++) await handOver(handler, topic, tenant, sent);
};

/** Of a token, or of the secrets of a client. */
const warnings = async (stream: string): Promise<number[]> =>
  (
    await owner.query<{ days: number }>(
      `SELECT (data->>'days')::int AS days FROM directory.events
       WHERE stream = $1 AND type IN ('muster.token.expiring.v1', 'muster.client.secret-expiring.v1') ORDER BY version`,
      [stream],
    )
  ).rows.map(({ days }) => days);

const daysBefore = (end: number, days: number): number => START_MS + (end - days) * DAY_MS;

it('a token is warned of 30, 7 and 1 days before its end, once each, however often the job looks', async () => {
  const { tenant, tokenId } = await tokenOf(100);
  const at: [number, number[]][] = [
    [daysBefore(100, 30) - 1, []],
    [daysBefore(100, 30), [30]],
    [daysBefore(100, 30) + 1, [30]],
    [daysBefore(100, 7), [30, 7]],
    [daysBefore(100, 6), [30, 7]],
    [daysBefore(100, 1), [30, 7, 1]],
    [daysBefore(100, 0) - 1, [30, 7, 1]],
    [daysBefore(100, 0) + 1, [30, 7, 1]],
  ];
  for (const [now, expected] of at) {
    await lookAndCarryOut(now, tenant);
    expect(await warnings(tokenId), new Date(now).toISOString()).toEqual(expected);
  }
});

it('a warning that was sent and lost is sent again under the same id, which tells which warning it is', async () => {
  const { tenant, tokenId } = await tokenOf(50);
  const [first] = await look(daysBefore(50, 30), tenant);
  const [again] = await look(daysBefore(50, 29), tenant);
  expect(again).toEqual(first);
  await handOver(handler, topic, tenant, [again!]);
  const [next] = await look(daysBefore(50, 7), tenant);
  expect(next!.id).not.toBe(first!.id);
  expect(await warnings(tokenId)).toEqual([30]);
});

it('after a downtime only the most urgent warning is given, and none of what has ended', async () => {
  const down = await tokenOf(60);
  await lookAndCarryOut(daysBefore(60, 3), down.tenant);
  expect(await warnings(down.tokenId)).toEqual([7]);
  await lookAndCarryOut(daysBefore(60, 0), down.tenant);
  expect(await warnings(down.tokenId)).toEqual([7]);
});

it('of a token that was revoked or is inactive nobody is warned, until it is active again', async () => {
  const [revoked, inactive] = [await tokenOf(70), await tokenOf(70)];
  await revoked.send({ type: 'RevokeToken', tokenId: revoked.tokenId });
  await inactive.send({ type: 'ChangeToken', tokenId: inactive.tokenId, status: 'inactive' });
  for (const { tenant } of [revoked, inactive]) await lookAndCarryOut(daysBefore(70, 7), tenant);
  expect(await warnings(revoked.tokenId)).toEqual([]);
  expect(await warnings(inactive.tokenId)).toEqual([]);
  await inactive.send({ type: 'ChangeToken', tokenId: inactive.tokenId, status: 'active' });
  await lookAndCarryOut(daysBefore(70, 6), inactive.tenant);
  expect(await warnings(inactive.tokenId)).toEqual([7]);
});

it('a command that comes after the token was revoked warns of nothing', async () => {
  const { tenant, tokenId, send } = await tokenOf(80);
  const sent = await look(daysBefore(80, 30), tenant);
  await send({ type: 'RevokeToken', tokenId });
  await handOver(handler, topic, tenant, sent);
  expect(await warnings(tokenId)).toEqual([]);
});

it('each secret of a client is warned of likewise, and none that was removed, or whose client is revoked', async () => {
  const { tenant, directoryId, send } = await newTenant();
  const newClient = async (...days: readonly (number | null)[]): Promise<{ clientId: string; secrets: string[] }> => {
    const clientId = uuidv7();
    await send({ type: 'CreateClient', clientId, directoryId, name: clientId, federation: null });
    const secrets = days.map(() => uuidv7());
    for (const [index, secretId] of secrets.entries()) {
      const expiresAt = days[index] === null ? null : after(days[index]!);
      await send({ type: 'AddClientSecret', clientId, secretId, description: '', hash: uuidv7(), expiresAt });
    }
    return { clientId, secrets };
  };
  const one = await newClient(null, 90, 120, 20);
  const [removed, revoked] = [await newClient(90), await newClient(90)];
  const sent = await look(daysBefore(90, 30), tenant);
  expect(sent).toHaveLength(3);
  await send(
    { type: 'RemoveClientSecret', clientId: removed.clientId, secretId: removed.secrets[0]! },
    { type: 'RevokeClient', clientId: revoked.clientId },
  );
  await handOver(handler, topic, tenant, sent);
  expect(await warnings(one.clientId)).toEqual([30]);
  for (const days of [29, 7, 1, 0]) await lookAndCarryOut(daysBefore(90, days), tenant);
  // That of the other secret, which ends 30 days later, comes when the first one has ended.
  expect(await warnings(one.clientId)).toEqual([30, 7, 1, 30]);
  for (const { clientId } of [removed, revoked]) expect(await warnings(clientId)).toEqual([]);
  const { rows } = await owner.query<{ secrets: { warned?: number }[] }>(
    'SELECT secrets FROM directory.clients WHERE id = $1',
    [one.clientId],
  );
  expect(rows[0]!.secrets.map(({ warned }) => warned)).toEqual([undefined, 1, 30, 30]);
});
