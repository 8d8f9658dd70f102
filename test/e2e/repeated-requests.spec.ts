import { describe, expect, it } from 'vitest';
import { eventsViewOf } from '#contracts';
import { uuidv7 } from '#runtime';
import { OWNERS } from '../../apps/muster/src/owners.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer } from '../support/muster.js';

/** Requests of administrators with an Idempotency-Key, on both logs. */
for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log });
    const post = (path: string, body: unknown, key: string): Promise<Answer> =>
      muster.admin('POST', path, body, { 'idempotency-key': key });
    /** The number of events of each owner. */
    const counts = async (): Promise<unknown[]> => {
      const all: unknown[] = [];
      for (const { name } of OWNERS)
        all.push(name, (await muster.owner.query(`SELECT count(*) FROM ${eventsViewOf(name)}`)).rows);
      return all;
    };

    /** Sends it twice; nothing happens the second time. */
    const twice = async (path: string, body: unknown): Promise<readonly [Answer, Answer]> => {
      const key = uuidv7();
      const first = await post(path, body, key);
      const before = await counts();
      const second = await post(path, body, key);
      expect(await counts()).toEqual(before);
      return [first, second];
    };

    it('are carried out once, and answered the same: also the token that is shown', async () => {
      const { body: tenant } = await muster.admin('POST', '/tenants', { name: `T ${uuidv7()}` });
      const { body: directory } = await muster.admin('POST', '/directories', { name: 'D', tenant: tenant.id });
      for (const [path, body] of [
        ['/tenants', { name: `Once ${uuidv7()}`, reason: 'Opened' }],
        ['/directories', { name: 'Once', tenant: tenant.id }],
        ['/groups', { displayName: 'Once', tenant: tenant.id }],
        [`/directories/${directory.id}/tokens`, { description: 'once' }],
        [`/directories/${directory.id}/clients`, { name: 'once' }],
        ['/sign-ins', { directory: directory.id, loginType: 'oidc', providerId: 'p', upn: 'once@x' }],
      ] as const) {
        const [first, second] = await twice(path, body);
        expect(first.status, path).toBe(201);
        expect([second.status, second.body], path).toEqual([first.status, first.body]);
        if (first.body.secret) expect(first.body.secret).toMatch(/^muster_secret_[\w-]{43}$/);
        if (first.body.token) expect(first.body.token).toMatch(/^muster_[\w-]{43}$/);
      }
    });

    it('that were refused are refused the same, and another key asks anew', async () => {
      const name = `Refused ${uuidv7()}`;
      const directory = muster.server.directory.id;
      const { body: made } = await muster.admin('POST', '/groups', { displayName: name });
      const [first, second] = await twice('/groups', { displayName: name });
      expect([first.status, second.status]).toEqual([409, 409]);
      expect(second.body).toEqual(first.body);
      await muster.admin('DELETE', `/groups/${made.id}`);
      expect((await post('/groups', { displayName: name }, uuidv7())).status).toBe(201);
      const token = `/directories/${directory}/tokens`;
      const [one, other] = [await post(token, {}, uuidv7()), await post(token, {}, uuidv7())];
      expect(one.body.token).not.toBe(other.body.token);
    });

    it('with the key of another request are told so, whatever differs', async () => {
      const key = uuidv7();
      const displayName = `G ${key}`;
      const { body: tenant } = await muster.admin('POST', '/tenants', { name: `K ${key}` });
      expect((await post('/groups', { displayName }, key)).status).toBe(201);
      const before = await counts();
      for (const body of [
        { displayName: 'Other' },
        { displayName, reason: 'because' },
        { displayName, tenant: tenant.id },
        { displayName, members: [] },
      ])
        expect(await post('/groups', body, key), JSON.stringify(body)).toMatchObject({
          status: 422,
          body: { code: 'keyReused', detail: expect.stringContaining('new key') },
        });
      expect(await counts()).toEqual(before);
      // Another route has keys of its own.
      expect((await post('/tenants', { name: `Other ${key}` }, key)).status).toBe(201);
      expect(await post('/tenants', { name: `Third ${key}` }, key)).toMatchObject({ status: 422 });
    });

    it('that come while the first one is under way are told to wait', async () => {
      const key = uuidv7();
      const asked = { name: `Slow ${key}` };
      await muster.owner.query('SELECT pg_advisory_lock(7216004)');
      const first = post('/tenants', asked, key);
      try {
        await expect
          .poll(async () => (await post('/tenants', asked, key)).body.detail, { timeout: 4_000 })
          .toMatch(/still under way/);
      } finally {
        await muster.owner.query('SELECT pg_advisory_unlock(7216004)');
      }
      const { status, body } = await first;
      expect(status).toBe(201);
      await expect.poll(() => post('/tenants', asked, key)).toMatchObject({ status: 201, body: { id: body.id } });
    });

    it('whose process ended in between are finished by their repetition', async () => {
      const key = uuidv7();
      const asked = { name: `Killed ${key}` };
      const first = await post('/directories', asked, key);
      // The directory was made, and the process ended before the command for its token was sent.
      const { id } = first.body;
      const token = first.body.tokens[0].id;
      await muster.stop();
      for (const [table, column, value] of [
        ['tokens', 'id', token],
        ['events', 'stream', token],
      ] as const) {
        const hasTrigger = table === 'events';
        if (hasTrigger) {
          await muster.owner.query(
            'DELETE FROM directory.outcomes WHERE command_id IN (SELECT command_id FROM directory.events WHERE stream = $1)',
            [token],
          );
          await muster.owner.query('ALTER TABLE directory.events DISABLE TRIGGER USER');
        }
        await muster.owner.query(`DELETE FROM directory.${table} WHERE ${column} = $1`, [value]);
        if (hasTrigger) await muster.owner.query('ALTER TABLE directory.events ENABLE TRIGGER USER');
      }
      await muster.start();
      const second = await post('/directories', asked, key);
      expect(second).toMatchObject({ status: 201, body: { id, token: first.body.token } });
      const scim = await fetch(`${muster.scimUrl}/Users`, {
        headers: { authorization: `Bearer ${second.body.token}` },
      });
      expect(scim.status).toBe(200);
    }, 60_000);

    it('take a key of 1 to 255 characters, in quotes or without', async () => {
      for (const key of ['', '""', 'x'.repeat(256), 'ü', '"'])
        expect(await post('/groups', { displayName: 'Never' }, key), key).toMatchObject({
          status: 400,
          body: { detail: expect.stringContaining('Idempotency-Key') },
        });
      const bare = `k${uuidv7()}`;
      const first = await post('/groups', { displayName: bare }, bare);
      expect((await post('/groups', { displayName: bare }, `"${bare}"`)).body).toEqual(first.body);
      expect((await post('/groups', { displayName: `${bare}2` }, 'y'.repeat(255))).status).toBe(201);
    });

    it('leave nothing that verify finds', async () => {
      // Events that a test has taken away are missing from their sequence, and their entries are not.
      expect((await muster.verify()).findings.filter(({ rule }) => !['sequence', 'entry'].includes(rule))).toEqual([]);
    });
  });
}
