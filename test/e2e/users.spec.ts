import pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { uuidv7 } from '#runtime';
import { IgnoredAttributes } from '../../apps/gateway/src/write/ignored-attributes.job.js';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer } from '../support/muster.js';

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const muster = startMuster({ log });
    const { admin, scim: request } = muster;
    const find = (filter: string): Promise<Answer> => request('GET', `/Users?filter=${encodeURIComponent(filter)}`);
    const patch = (id: string, ...operations: object[]): Promise<Answer> =>
      request('PATCH', `/Users/${id}`, {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations: operations,
      });
    let counter = 0;
    const unique = (): string => `person-${++counter}@example.org`;

    describe('a user', () => {
      it('is created, found by every matching attribute, changed, deactivated and deleted', async () => {
        const userName = unique();
        expect((await find(`userName eq "${userName}"`)).body).toMatchObject({ totalResults: 0, Resources: [] });
        const created = await request('POST', '/Users', {
          schemas: [
            'urn:ietf:params:scim:schemas:core:2.0:User',
            'urn:ietf:params:scim:schemas:extension:enterprise:2.0User',
          ],
          userName,
          externalId: `ext-${userName}`,
          active: true,
          displayName: 'Ada',
          title: null,
          roles: [],
          emails: [
            { type: 'work', value: `Work-${userName}`, primary: true },
            { type: 'work', value: `second-${userName}` },
          ],
          department: 'Research',
          password: 'secret',
          meta: { resourceType: 'User' },
        });
        expect(created.status).toBe(201);
        expect(created.headers.get('etag')).toBe('W/"1"');
        expect(created.headers.get('content-type')).toMatch(/^application\/scim\+json/);
        const { id } = created.body;
        expect(created.headers.get('location')).toBe(`https://scim.example.org/api/scim/v2/Users/${id}`);
        expect(created.body).toMatchObject({
          userName,
          displayName: 'Ada',
          active: true,
          meta: { resourceType: 'User', version: 'W/"1"' },
        });
        expect(created.body['urn:ietf:params:scim:schemas:extension:enterprise:2.0:User']).toEqual({
          department: 'Research',
        });
        expect(created.body).not.toHaveProperty('password');

        for (const filter of [
          `userName eq "${userName.toUpperCase()}"`,
          `externalId eq "ext-${userName}"`,
          `externalId eq ext-${userName}`,
          `emails[type eq "work"].value eq "work-${userName}"`,
          `emails[type eq "work"].value eq "SECOND-${userName}"`,
          `userName eq "${userName}" and externalId eq "ext-${userName}"`,
          `id eq "${id}"`,
        ]) {
          expect((await find(filter)).body, filter).toMatchObject({ totalResults: 1, Resources: [{ id }] });
        }
        expect((await find(`externalId eq "EXT-${userName}"`)).body.totalResults).toBe(0);

        const changed = await patch(
          id,
          { op: 'Replace', path: 'displayName', value: 'Ada L.' },
          { op: 'Add', path: 'emails[type eq "home"].value', value: 'h@example.org' },
          { op: 'Replace', path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager', value: 'boss' },
        );
        expect(changed.status).toBe(200);
        expect(changed.body.displayName).toBe('Ada L.');
        expect(changed.body.emails).toContainEqual({ type: 'home', value: 'h@example.org' });
        expect((await find(`id eq "${id}" and manager eq "boss"`)).body.totalResults).toBe(1);
        expect((await find(`manager eq "boss" and id eq "${id}"`)).body.totalResults).toBe(1);
        const read = await request('GET', `/Users/${id}`);
        expect(read.body).toEqual(changed.body);
        expect(read.headers.get('etag')).toBe(changed.headers.get('etag'));

        expect((await patch(id, { op: 'Replace', path: 'active', value: 'False' })).body.active).toBe(false);
        expect((await find(`userName eq "${userName}"`)).body.Resources[0].active).toBe(false);
        expect((await request('DELETE', `/Users/${id}`)).status).toBe(204);
        expect((await request('GET', `/Users/${id}`)).status).toBe(404);
        expect((await request('DELETE', `/Users/${id}`)).status).toBe(404);
        expect((await request('POST', '/Users', { userName })).status).toBe(201);
      });

      it.each([
        { op: 'replace', path: 'active', value: false },
        { op: 'Replace', path: 'active', value: 'False' },
        { op: 'replace', value: { active: false } },
        { op: 'Add', path: 'active', value: 'false' },
        { op: 'replace', value: { active: 'False' } },
        { op: 'replace', path: 'urn:ietf:params:scim:schemas:core:2.0:User:active', value: false },
      ])('is archived by %j', async (operation) => {
        const { body } = await request('POST', '/Users', { userName: unique() });
        expect((await patch(body.id, operation)).body.active).toBe(false);
        const { rows } = await muster.owner.query(
          "SELECT 1 FROM identity.events WHERE stream = $1 AND type = 'muster.user.deactivated.v1'",
          [body.id],
        );
        expect(rows).toHaveLength(1);
      });

      it('is unchanged, with the same ETag, by a PATCH that changes nothing', async () => {
        const { body } = await request('POST', '/Users', { userName: unique(), displayName: 'Same' });
        expect((await patch(body.id, { op: 'replace', path: 'displayName', value: 'Same' })).headers.get('etag')).toBe(
          'W/"1"',
        );
      });

      it('changes as a whole or not at all', async () => {
        const { body } = await request('POST', '/Users', { userName: unique(), displayName: 'Before' });
        const refused = await patch(
          body.id,
          { op: 'replace', path: 'displayName', value: 'After' },
          { op: 'remove', path: 'userName' },
        );
        expect(refused.status).toBe(400);
        expect((await request('GET', `/Users/${body.id}`)).body.displayName).toBe('Before');
      });

      it('is refused with 412 when If-Match is stale', async () => {
        const { body } = await request('POST', '/Users', { userName: unique() });
        const operations = { Operations: [{ op: 'replace', path: 'title', value: 'Dr' }] };
        expect((await request('PATCH', `/Users/${body.id}`, operations, { 'if-match': 'W/"7"' })).status).toBe(412);
        expect((await request('PATCH', `/Users/${body.id}`, operations, { 'if-match': 'W/"1"' })).status).toBe(200);
        expect((await request('GET', `/Users/${body.id}`, undefined, { 'if-none-match': 'W/"2"' })).status).toBe(304);
      });

      it('is listed by pages, each exactly once', async () => {
        const ids = new Set<string>();
        const { totalResults } = (await request('GET', '/Users?count=0')).body;
        for (let startIndex = 1; startIndex <= totalResults; startIndex += 3) {
          for (const { id } of (await request('GET', `/Users?startIndex=${startIndex}&count=3`)).body.Resources)
            ids.add(id);
        }
        expect(totalResults).toBeGreaterThan(3);
        expect(ids.size).toBe(totalResults);
      });
    });

    describe('at the same time', () => {
      it('of 20 POSTs of one userName one is made and nineteen are refused', async () => {
        const userName = unique();
        const answers = await Promise.all(Array.from({ length: 20 }, () => request('POST', '/Users', { userName })));
        expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(19).fill(409)]);
        expect((await find(`userName eq "${userName}"`)).body.totalResults).toBe(1);
      });

      it('of 50 PATCHes of one user all are applied', async () => {
        const { body } = await request('POST', '/Users', { userName: unique() });
        const answers = await Promise.all(
          Array.from({ length: 50 }, (_, index) =>
            patch(body.id, { op: 'add', path: 'entitlements', value: [{ value: `licence-${index}` }] }),
          ),
        );
        expect(answers.every(({ status }) => status === 200)).toBe(true);
        const read = await request('GET', `/Users/${body.id}`);
        expect(read.body.entitlements).toHaveLength(50);
        expect(read.headers.get('etag')).toBe('W/"51"');
      });

      it('delete and create of one name in one batch both work', async () => {
        const userName = unique();
        const { body } = await request('POST', '/Users', { userName });
        const answers = await Promise.all([
          request('DELETE', `/Users/${body.id}`),
          request('POST', '/Users', { userName }),
        ]);
        expect(answers.map(({ status }) => status)).toEqual([204, 201]);
      });
    });

    describe('bad input', () => {
      it.each([
        ['malformed JSON', 'POST', '/Users', '{"userName":', 400, 'invalidSyntax'],
        ['a NUL character', 'POST', '/Users', '{"userName":"a\\u0000b"}', 400, 'invalidSyntax'],
        ['a lone surrogate', 'POST', '/Users', '{"userName":"a\\ud800b"}', 400, 'invalidSyntax'],
        ['no JSON object', 'POST', '/Users', '[]', 400, 'invalidSyntax'],
        ['no userName', 'POST', '/Users', '{"displayName":"x"}', 400, 'invalidValue'],
        ['a wrong type', 'POST', '/Users', '{"userName":"x","active":"maybe"}', 400, 'invalidValue'],
        ['a bad filter', 'GET', '/Users?filter=userName%20is%20x', undefined, 400, 'invalidFilter'],
        [
          'a filter on an unknown attribute',
          'GET',
          '/Users?filter=nope%20eq%20%22x%22',
          undefined,
          400,
          'invalidFilter',
        ],
        [
          'an operator that the type does not have',
          'GET',
          '/Users?filter=active%20gt%20true',
          undefined,
          400,
          'invalidFilter',
        ],
        [
          'a bad path',
          'PATCH',
          `/Users/${uuidv7()}`,
          '{"Operations":[{"op":"replace","path":"emails[type eq","value":"x"}]}',
          400,
          'invalidPath',
        ],
        [
          'an unknown op',
          'PATCH',
          `/Users/${uuidv7()}`,
          '{"Operations":[{"op":"move","path":"title","value":"x"}]}',
          400,
          'invalidSyntax',
        ],
        ['an unknown id', 'GET', '/Users/nobody', undefined, 404, undefined],
        ['an unknown path', 'GET', '/Nothing', undefined, 404, undefined],
        ['a wrong method', 'DELETE', '/Users', undefined, 405, undefined],
        ['what is not built yet', 'GET', '/Me', undefined, 501, undefined],
      ] as const)('%s gets a SCIM error', async (_name, method, path, body, status, scimType) => {
        const answer = await request(method, path, body);
        expect(answer.status).toBe(status);
        expect(answer.body).toMatchObject({
          schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
          status: String(status),
        });
        expect(answer.body.scimType).toBe(scimType);
        expect(answer.body.detail).toBeTruthy();
      });

      it('attributes that nobody knows are counted', async () => {
        const counted = muster.server.app.get(IgnoredAttributes);
        counted.take();
        const {
          body: { id },
        } = await request('POST', '/Users', { userName: unique(), colour: 'blue', name: { colour: 'blue' } });
        await patch(
          id,
          { op: 'Add', value: { colour: 'blue' } },
          { op: 'Add', path: 'urn:example:pets[name eq "Rex"].value', value: 'x' },
        );
        await request('PUT', `/Users/${id}`, { userName: unique(), 'urn:example:User': { badge: 1 } });
        expect(counted.take()).toEqual([
          {
            directory: muster.server.directory.id,
            attributes: { colour: 2, 'name.colour': 1, 'urn:example:pets[].value': 1, 'urn:example:User': 1 },
          },
        ]);
      });

      it('a body over the limit gets 413 and a wrong media type 415', async () => {
        expect((await request('POST', '/Users', `{"userName":"${'x'.repeat(1_100_000)}"}`)).status).toBe(413);
        expect((await request('POST', '/Users', '<user/>', { 'content-type': 'application/xml' })).status).toBe(415);
      });

      it('a missing, wrong, expired or revoked token gets 401 with WWW-Authenticate', async () => {
        const tokens = `/directories/${muster.server.directory.id}/tokens`;
        const expired = await admin('POST', tokens, { description: 'old', expiresAt: '2100-01-01T00:00:00Z' });
        // Nobody is given a token that has expired already, and nobody has used this one yet.
        const expire = (at: string) =>
          muster.owner.query('UPDATE directory.tokens SET expires_at = $2 WHERE id = $1', [expired.body.id, at]);
        await expire('2020-01-01T00:00:00Z');
        const revoked = await admin('POST', tokens, { description: 'gone' });
        const { status } = await admin('DELETE', `/tokens/${revoked.body.id}`);
        expect([expired.status, revoked.status, status]).toEqual([201, 201, 204]);
        for (const authorization of [
          '',
          'Bearer nonsense',
          `Bearer ${expired.body.token}`,
          `Bearer ${revoked.body.token}`,
        ]) {
          const answer = await request('GET', '/Users', undefined, { authorization });
          expect(answer.status, authorization).toBe(401);
          expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
          expect(answer.body.schemas).toEqual(['urn:ietf:params:scim:api:messages:2.0:Error']);
        }
        // verify compares it with the event that made it.
        await expire('2100-01-01T00:00:00Z');
      });
    });

    describe('a poison command', () => {
      const poison = (type: string, command: object): object => ({
        id: uuidv7(),
        type,
        source: 'test',
        subject: 's',
        time: new Date().toISOString(),
        tenant: muster.server.directory.tenant,
        directory: muster.server.directory.id,
        correlationId: 'c',
        causationId: null,
        data: { actor: 'test', expiresAt: new Date(Date.now() + 60_000).toISOString(), command },
      });
      it('gets its dead letter and its 500; its neighbours succeed', async () => {
        const { body: existing } = await request('POST', '/Users', { userName: unique() });
        const bad = [
          poison('muster.user.create.v1', {
            type: 'CreateUser',
            userId: uuidv7(),
            resource: { userName: unique(), displayName: 'a\0b' },
          }),
          poison('muster.user.patch.v1', { type: 'PatchUser', userId: existing.id, ifMatch: null }),
          poison('muster.user.patch.v1', { type: 'PatchUser', userId: existing.id, ifMatch: null, operations: [null] }),
          poison('muster.user.create.v99', { type: 'CreateUser' }),
          {
            ...poison('muster.user.create.v1', {
              type: 'CreateUser',
              userId: 'not a uuid',
              resource: { userName: unique() },
            }),
          },
        ] as { id: string }[];
        const neighbours = Array.from({ length: 6 }, () => request('POST', '/Users', { userName: unique() }));
        await muster.server.log.publish('identity.commands', bad as never);
        const after = Array.from({ length: 6 }, () => request('POST', '/Users', { userName: unique() }));
        for (const answer of await Promise.all([...neighbours, ...after])) expect(answer.status).toBe(201);
        const { rows } = await muster.owner.query('SELECT outcome FROM identity.outcomes WHERE command_id = ANY ($1)', [
          bad.map(({ id }) => id),
        ]);
        expect(rows.map(({ outcome }) => outcome.code)).toEqual(Array(bad.length).fill('internal'));
        const dead = await muster.owner.query("SELECT 1 FROM log.messages WHERE topic = 'identity.commands.dead'");
        expect(dead.rows).toHaveLength(bad.length);
      });
    });

    describe('the store', () => {
      it('refuses UPDATE, DELETE and TRUNCATE of events', async () => {
        for (const statement of [
          'UPDATE identity.events SET version = 1',
          'DELETE FROM identity.events',
          'TRUNCATE identity.events',
        ]) {
          await expect(muster.owner.query(statement), statement).rejects.toThrow(/append-only/);
        }
      });

      it('holds no personal data in readable form', async () => {
        const userName = unique();
        await request('POST', '/Users', { userName, displayName: 'Readable Name' });
        const { rows } = await muster.owner.query<{ found: boolean }>(
          "SELECT bool_or(e::text LIKE '%Readable Name%' OR e::text LIKE $1) AS found FROM identity.events e",
          [`%${userName}%`],
        );
        expect(rows[0]!.found).toBe(false);
      });

      it('numbers versions and sequences without gaps', async () => {
        const { rows } = await muster.owner.query(`
          SELECT (SELECT count(*) = max(sequence) FROM identity.events) AS sequence,
            (SELECT bool_and(dense) FROM (SELECT count(*) = max(version) AS dense FROM identity.events GROUP BY stream) s) AS version,
            (SELECT count(*) = max("offset") + 1 FROM log.messages WHERE topic = 'identity.events') AS offsets`);
        expect(rows[0]).toEqual({ sequence: true, version: true, offsets: true });
      });

      it('keeps everything over a restart, and goes on', async () => {
        const userName = unique();
        const { body } = await request('POST', '/Users', { userName });
        await muster.stop();
        await muster.start();
        expect((await request('GET', `/Users/${body.id}`)).body.userName).toBe(userName);
        expect((await request('POST', '/Users', { userName })).status).toBe(409);
        expect((await patch(body.id, { op: 'replace', path: 'title', value: 'Dr' })).headers.get('etag')).toBe('W/"2"');
      });
    });

    describe('a stop', () => {
      it('waits for the answer that is under way', async () => {
        const lock = new pg.Client({ connectionString: muster.database });
        await lock.connect();
        await lock.query('BEGIN; LOCK identity.outcomes IN ACCESS EXCLUSIVE MODE');
        const answer = request('POST', '/Users', { userName: unique() });
        await vi.waitFor(
          async () => {
            const { rows } = await lock.query(
              "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'identity.outcomes'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            );
            expect(rows).toHaveLength(1);
          },
          { timeout: 60_000 },
        );
        const stopped = muster.stop();
        await lock.query('COMMIT');
        await lock.end();
        expect((await answer).status).toBe(201);
        await stopped;
        await muster.start();
      });
    });

    describe('verify', () => {
      const found = async (): Promise<readonly { rule: string; detail: string }[]> => {
        const { findings, compared } = await muster.verify();
        expect(compared['user streams']).toBeGreaterThan(20);
        return findings;
      };
      const findings = async (): Promise<string[]> => (await found()).map(({ rule }) => rule);
      const asRoot = async (...statements: string[]): Promise<void> => {
        // The owner of the database may switch triggers off: that is the corruption which verify exists to find.
        await muster.owner.query(
          ['BEGIN', "SET LOCAL session_replication_role = 'replica'", ...statements, 'COMMIT'].join('; '),
        );
      };

      it('finds nothing on an installation that nobody has harmed', async () => {
        expect(await findings()).toEqual([]);
      });

      it.each([
        [
          'version',
          'UPDATE identity.users SET version = version + 1 WHERE id = $id',
          'UPDATE identity.users SET version = version - 1 WHERE id = $id',
        ],
        [
          'row',
          'UPDATE identity.users SET resource = resource || \'{"title": "Planted"}\' WHERE id = $id',
          "UPDATE identity.users SET resource = resource - 'title' WHERE id = $id",
        ],
        [
          'outcome',
          'UPDATE identity.outcomes SET command_id = gen_random_uuid() WHERE command_id = $command',
          undefined,
        ],
        ['name', 'UPDATE identity.claims SET holder = gen_random_uuid() WHERE holder = $id', undefined],
        ['sequence', 'DELETE FROM identity.events WHERE stream = $id', undefined],
      ])('finds a planted corruption of %s', async (rule, harm, mend) => {
        const { body } = await request('POST', '/Users', { userName: unique() });
        await request('POST', '/Users', { userName: unique() });
        const { rows } = await muster.owner.query<{ command_id: string }>(
          'SELECT command_id FROM identity.events WHERE stream = $1',
          [body.id],
        );
        const fill = (sql: string): string =>
          sql.replace('$id', `'${body.id}'`).replace('$command', `'${rows[0]!.command_id}'`);
        const before = await findings();
        await asRoot(fill(harm));
        const after = await findings();
        expect(after.filter((found) => found === rule).length).toBeGreaterThan(
          before.filter((found) => found === rule).length,
        );
        if (mend) await asRoot(fill(mend));
      });

      it.each([
        [
          'version',
          'of a group',
          'UPDATE "group".groups SET version = version + 1 WHERE id = $group',
          'UPDATE "group".groups SET version = version - 1 WHERE id = $group',
        ],
        [
          'row',
          'of a member that is missing',
          'DELETE FROM "group".members WHERE group_id = $group AND member = $user',
          'INSERT INTO "group".members SELECT tenant, id, $user, \'U\' FROM "group".groups WHERE id = $group',
        ],
        [
          'row',
          'of a member too many',
          'INSERT INTO "group".members SELECT tenant, id, $other, \'U\' FROM "group".groups WHERE id = $group',
          'DELETE FROM "group".members WHERE group_id = $group AND member = $other',
        ],
        [
          'name',
          'of a name of a group',
          'UPDATE "group".claims SET holder = gen_random_uuid() WHERE holder = $group',
          undefined,
        ],
        ['member', 'of a member whom there is not', 'DELETE FROM identity.users WHERE id = $user', undefined],
      ])(
        'finds a planted corruption of %s, %s',
        async (rule, _what, harm, mend) => {
          const [user, other] = [
            await request('POST', '/Users', { userName: unique() }),
            await request('POST', '/Users', { userName: unique() }),
          ];
          const group = await request('POST', '/Groups', { displayName: unique(), members: [{ value: user.body.id }] });
          const fill = (sql: string): string =>
            sql
              .replace('$user', `'${user.body.id}'`)
              .replace('$other', `'${other.body.id}'`)
              .replace('$group', `'${group.body.id}'`);
          const isAbout = ({ rule: found, detail }: { rule: string; detail: string }): boolean =>
            found === rule && [user, group].some(({ body }) => detail.includes(body.id));
          expect((await found()).filter(isAbout)).toEqual([]);
          await asRoot(fill(harm));
          expect((await found()).filter(isAbout)).not.toEqual([]);
          if (mend) await asRoot(fill(mend));
        },
        60_000,
      );
    });
  });
}
