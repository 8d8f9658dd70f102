import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { INSTALLATION } from '#contracts';
import { uuidv7 } from '#runtime';
import { openCheckpoint, readVerifier } from '#tlog';
import { audit } from '../../apps/audit/src/audit.owner.js';
import { readKeptCheckpoint } from '../../apps/audit/src/checkpoint-files.job.js';
import { entriesOfAll } from '../support/audit-entries.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster } from '../support/muster.js';

const SOURCES = audit.consumes!.map(({ source }) => source);

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`the audit log on ${log}`, () => {
    const muster = startMuster({ log });

    const entries = async (): Promise<number> =>
      (await muster.owner.query<{ n: number }>('SELECT count(*)::int AS n FROM audit.entries')).rows[0]!.n;
    const load = async (count: number): Promise<void> => {
      const { scim } = await muster.newDirectory(`d-${uuidv7()}`);
      await Promise.all(
        Array.from({ length: count }, async () => {
          const { body } = await scim('POST', '/Users', { userName: `u-${uuidv7()}`, displayName: 'Ada' });
          await scim('PATCH', `/Users/${body.id}`, {
            Operations: [{ op: 'replace', path: 'displayName', value: 'Countess' }],
          });
          await scim('POST', '/Groups', { displayName: `g-${uuidv7()}`, members: [{ value: body.id }] });
        }),
      );
    };

    it('has every event of every owner once, those of the installation too, soon after it happened', async () => {
      await load(40);
      await entriesOfAll(muster.owner);
      const { rows } = await muster.owner.query<{ owner: string; tenants: number }>(
        'SELECT owner, count(DISTINCT tenant)::int AS tenants FROM audit.entries GROUP BY owner ORDER BY owner',
      );
      // Nobody has read the audit log yet.
      expect(rows.map(({ owner }) => owner)).toEqual(SOURCES.filter((source) => source !== 'audit').toSorted());
      expect(
        (await muster.owner.query('SELECT 1 FROM audit.entries WHERE tenant = $1', [INSTALLATION])).rowCount,
      ).toBeGreaterThan(0);
      expect((await muster.verify()).findings).toEqual([]);
    });

    it('signs each tenant a log of its own, whose last checkpoint is in the file as well', async () => {
      const { tenant } = muster.server.directory;
      const { rows } = await muster.owner.query<{ origin: string; verifier_key: string; note: string }>(
        `SELECT origin, verifier_key, note FROM audit.logs_v1 JOIN audit.checkpoints_v1 USING (tenant) WHERE tenant = $1
         ORDER BY size DESC LIMIT 1`,
        [tenant],
      );
      const { origin, verifier_key: key, note } = rows[0]!;
      expect(origin).toBe(`scim.example.org/audit/${tenant}`);
      const { checkpoint } = openCheckpoint(note, { origin, logKeys: [readVerifier(key)] });
      expect(checkpoint.size).toBeGreaterThan(0);
      const folder = join(muster.environment.DATA_DIR!, 'checkpoints');
      await vi.waitFor(async () => expect(await readKeptCheckpoint(folder, tenant)).toBe(note), { timeout: 5_000 });
    });

    it('is complete after a restart in which nothing of the log was left, and after everything came again', async () => {
      await muster.stop();
      await storeUnheard();
      const before = await entries();
      await muster.owner.query(
        `UPDATE audit.positions SET epoch = 'another', next_offset = 0 WHERE topic LIKE '%.events'`,
      );
      await muster.start();
      await entriesOfAll(muster.owner);
      expect(await entries()).toBe(before + 3);
      await load(5);
      await entriesOfAll(muster.owner);
      expect((await muster.verify()).findings).toEqual([]);
    });

    /** Three events of audit itself, of which no message was ever sent. */
    const storeUnheard = async (): Promise<void> => {
      const id = uuidv7();
      await muster.owner.query(
        `INSERT INTO audit.events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, data)
         SELECT $1, n, gen_random_uuid(), 1, 'muster.audit.read.v1', now(), $2, 'c', 'admin', '{"type": "AuditRead", "what": "entries", "asked": {}}'
         FROM generate_series(1, 3) AS n`,
        [muster.server.directory.tenant, id],
      );
      await muster.owner.query(
        `INSERT INTO audit.outcomes (command_id, tenant, outcome, recorded_at) VALUES ($1, $2, '{"status": "done", "value": null}', now())`,
        [id, muster.server.directory.tenant],
      );
    };
  });
}
