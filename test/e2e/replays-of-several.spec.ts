import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { QUESTION_TYPES, type Message, type ReplayRequest } from '#contracts';
import { roleUrl } from '#event-store';
import { apiKeyOf, createLogger, readConfig, uuidv7 } from '#runtime';
import { adminApi } from '../../apps/admin-api/src/admin-api.module.js';
import { audit } from '../../apps/audit/src/audit.owner.js';
import { gateway } from '../../apps/gateway/src/gateway.module.js';
import { SERVICES } from '../../apps/muster/src/owners.js';
import { startSome } from '../../apps/muster/src/server.module.js';
import { verifyInstallation } from '../../apps/muster/src/verify.js';
import { describeWithKafka, sharedKafka } from '../support/kafka.js';
import { publish, textOf } from '../support/kafka-client.js';
import { newDatabase } from '../support/postgres.js';

const HOSTILE = 'hostile-question';

describeWithKafka('a request that is sent again, where there are two gateways', () => {
  it('is one command and one record, and is not sent while nobody could record who has seen it', async () => {
    process.env.LOG_LEVEL = 'silent';
    const dataDir = mkdtempSync(join(tmpdir(), 'muster-test-'));
    const url = await newDatabase();
    const settings = { DATA_DIR: dataDir, PUBLIC_URL: 'https://scim.example.org', ...(await sharedKafka()) };
    const config = Object.assign(readConfig(settings), { PORT: 0, ADMIN_PORT: 0, HEALTH_PORT: 0 });
    const others = SERVICES.map(({ name }) => name).filter((name) => name !== audit.name);
    const start = (name: string) => startSome([name], config, roleUrl(url, name), createLogger(name));
    const owner = new pg.Client({ connectionString: url });
    await owner.connect();
    // The first start makes the topics of all.
    const [auditing, rest] = await Promise.all([
      start(audit.name),
      startSome(others, config, url, createLogger('others')),
    ]);
    const stops = new Set([rest.stop, auditing.stop]);
    try {
      const second = await start(gateway.name);
      stops.add(second.stop);
      const ports = [rest, second].map(({ faces }) => faces.get(gateway.name)!.port);
      expect(new Set(ports).size).toBe(2);
      const send = async (port: number, path: string, key: string, method = 'GET', body?: object, id = uuidv7()) => {
        const response = await fetch(`http://127.0.0.1:${port}/api/${path}`, {
          method,
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-request-id': id },
          ...(body && { body: JSON.stringify(body) }),
        });
        return { status: response.status, body: JSON.parse((await response.text()) || 'null') };
      };
      const { port: adminPort, begun } = rest.faces.get(adminApi.name)!;
      const { directory } = begun as { directory: { id: string; token: string } };
      const bootstrap = apiKeyOf({ DATA_DIR: dataDir });
      const made = await send(adminPort, 'admin/v1/keys', bootstrap, 'POST', {
        name: 'All',
        scopes: ['read', 'manage', 'reveal', 'audit'],
      });
      const admin = (method: string, path: string, body?: object, id?: string) =>
        send(adminPort, path, made.body.key, method, body, id);
      const set = (createUsers: boolean) =>
        admin('PATCH', `admin/v1/directories/${directory.id}`, { createUsers, refusal: 'error' });
      const replay = (id: string, correlation: string) =>
        admin('POST', `admin/v1/requests/${id}/replay`, {}, correlation);
      const streamsOf = async (correlation: string) =>
        (await owner.query('SELECT DISTINCT stream FROM identity.events WHERE correlation_id = $1', [correlation]))
          .rows;
      const recorded = async (id: string): Promise<string> => {
        const rows = async () =>
          (await owner.query("SELECT id FROM audit.requests WHERE correlation_id = $1 AND face = 'scim'", [id])).rows;
        await expect.poll(rows, { timeout: 30_000 }).toHaveLength(1);
        return (await rows())[0].id;
      };
      const refused = async (userName: string): Promise<string> => {
        const id = uuidv7();
        const answer = () => send(ports[0]!, 'scim/v2/Users', directory.token, 'POST', { userName }, id);
        expect((await answer()).status).toBe(403);
        return recorded(id);
      };
      await set(false);
      const first = await refused('several@again.example');
      const third = await refused('third@again.example');
      const later = await refused('later@again.example');
      await set(true);

      const again = uuidv7();
      const sent = await replay(first, again);
      expect(sent).toMatchObject({ status: 200, body: { replayOf: first, response: { status: 201 } } });
      // A gateway that stops tells what it has answered before; and what comes after it is taken after it.
      stops.delete(second.stop);
      await second.stop();
      const marker = uuidv7();
      await send(ports[0]!, `scim/v2/Users/${uuidv7()}`, directory.token, 'GET', undefined, marker);
      await recorded(marker);
      expect((await textOf(settings, 'audit.commands')).split(`"replayOf":"${first}"`)).toHaveLength(3);
      const { rows: records } = await owner.query('SELECT id FROM audit.requests WHERE replay_of = $1', [first]);
      expect(records).toEqual([{ id: sent.body.id }]);
      // Nothing that came with the second record was set aside.
      expect((await owner.query("SELECT id FROM log.messages WHERE topic LIKE '%.dead'")).rows).toEqual([]);
      expect(await streamsOf(again)).toEqual([{ stream: sent.body.response.body.id }]);
      expect((await verifyInstallation(url, config)).findings).toEqual([]);

      // The gateway looks at each question itself, because others may be able to write to its topic.
      const { rows: tenants } = await owner.query('SELECT tenant FROM directory.directories WHERE id = $1', [
        directory.id,
      ]);
      const question = (changes: Partial<ReplayRequest>, tenant = tenants[0].tenant): Message => ({
        id: uuidv7(),
        type: QUESTION_TYPES.replay,
        source: 'muster/stranger',
        subject: directory.id,
        time: new Date().toISOString(),
        tenant,
        directory: directory.id,
        correlationId: HOSTILE,
        causationId: null,
        data: {
          id: uuidv7(),
          replayOf: first,
          method: 'DELETE',
          path: `/Users/${sent.body.response.body.id}`,
          headers: {},
          body: null,
          by: { actor: 'key:stranger', address: '::1', userAgent: null },
          commandId: uuidv7(),
          expiresAt: new Date(Date.now() + 60_000).toISOString(),
          ...changes,
        },
      });
      const hostile = [
        question({ path: '/../../admin/v1/keys', method: 'POST', body: '{}' }),
        question({ path: '//127.0.0.1:1/Users' }),
        question({ path: '@127.0.0.1:1/Users' }),
        question({ path: '/Bulk', method: 'POST', body: '{}' }),
        question({ path: `/Users/${sent.body.response.body.id}/../../../../admin/v1/keys` }),
        question({ method: 'GET', path: '/Users' }),
        question({ expiresAt: new Date(Date.now() - 1).toISOString() }),
        question({}, uuidv7()),
      ];
      await publish(settings, 'gateway.replays', hostile);
      // An honest one behind them is carried out and recorded; of theirs there is neither an answer nor a record then.
      const behind = uuidv7();
      expect((await replay(third, behind)).body).toMatchObject({ response: { status: 201 } });
      await recorded(behind);
      const answers = await textOf(settings, 'gateway.replay-answers');
      expect(hostile.filter(({ id }) => answers.includes(id))).toEqual([]);
      expect(await streamsOf(HOSTILE)).toEqual([]);
      const { rows: told } = await owner.query('SELECT id FROM audit.requests WHERE correlation_id = $1', [HOSTILE]);
      expect(told).toEqual([]);

      stops.delete(auditing.stop);
      await auditing.stop();
      const away = uuidv7();
      expect((await replay(later, away)).status).toBe(503);
      const back = await start(audit.name);
      stops.add(back.stop);
      expect(await streamsOf(away)).toEqual([]);
      expect((await replay(later, uuidv7())).body).toMatchObject({ response: { status: 201 } });
    } finally {
      for (const stop of stops) await stop();
      await owner.end();
      rmSync(dataDir, { recursive: true, force: true });
    }
  }, 240_000);
});
