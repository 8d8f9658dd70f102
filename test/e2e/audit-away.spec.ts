import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { roleUrl } from '#event-store';
import { createLogger, readConfig, uuidv7 } from '#runtime';
import { adminApi } from '../../apps/admin-api/src/admin-api.module.js';
import { audit } from '../../apps/audit/src/audit.owner.js';
import { gateway } from '../../apps/gateway/src/gateway.module.js';
import { SERVICES } from '../../apps/muster/src/owners.js';
import { startSome } from '../../apps/muster/src/server.module.js';
import { describeWithKafka, sharedKafka } from '../support/kafka.js';
import { newDatabase } from '../support/postgres.js';

const REQUESTS = 40;

describeWithKafka('audit as a process of its own', () => {
  it('while it is away everybody is answered; when it is back, it catches up, and nothing is there twice', async () => {
    process.env.LOG_LEVEL = 'silent';
    const dataDir = mkdtempSync(join(tmpdir(), 'muster-test-'));
    const url = await newDatabase();
    const settings = { DATA_DIR: dataDir, PUBLIC_URL: 'https://scim.example.org', ...(await sharedKafka()) };
    const config = Object.assign(readConfig(settings), { PORT: 0, ADMIN_PORT: 0, HEALTH_PORT: 0 });
    const others = SERVICES.map(({ name }) => name).filter((name) => name !== audit.name);
    const startAudit = () => startSome([audit.name], config, roleUrl(url, 'audit'), createLogger('audit'));
    const owner = new pg.Client({ connectionString: url });
    await owner.connect();
    // The first start makes the topics of all.
    const [first, rest] = await Promise.all([startAudit(), startSome(others, config, url, createLogger('others'))]);
    const stops = [rest.stop];
    try {
      await first.stop();
      const { token } = (rest.faces.get(adminApi.name)!.begun as { directory: { token: string } }).directory;
      const { port } = rest.faces.get(gateway.name)!;
      const ids = Array.from({ length: REQUESTS }, () => uuidv7());
      for (const id of ids) {
        const { status } = await fetch(`http://127.0.0.1:${port}/api/scim/v2/Users`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json', 'x-request-id': id },
          body: JSON.stringify({ userName: `away-${id}` }),
        });
        expect(status).toBe(201);
      }
      const recorded = async (): Promise<number> =>
        (
          await owner.query<{ count: number }>(
            'SELECT count(*)::int AS count FROM audit.requests WHERE correlation_id = ANY ($1)',
            [ids],
          )
        ).rows[0]!.count;
      expect(await recorded()).toBe(0);
      const second = await startAudit();
      stops.unshift(second.stop);
      await expect.poll(recorded, { timeout: 60_000 }).toBe(REQUESTS);
    } finally {
      for (const stop of stops) await stop();
      await owner.end();
      rmSync(dataDir, { recursive: true, force: true });
    }
  }, 240_000);
});
