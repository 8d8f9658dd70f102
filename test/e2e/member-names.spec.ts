import { describe, expect, it } from 'vitest';
import { uuidv7 } from '#runtime';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster, type Answer } from '../support/muster.js';

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    // A setting of a directory counts with the next request: a token is looked up for each.
    const muster = startMuster({ log, settings: { TOKEN_CACHE_MS: '0' } });
    const { admin, scim: request } = muster;

    const searched = (filter: string): Promise<Answer> =>
      request('GET', `/Groups?filter=${encodeURIComponent(filter)}`);
    const newUser = async (client = request, rest: object = {}): Promise<string> =>
      (await client('POST', '/Users', { userName: `${uuidv7()}@example.org`, ...rest })).body.id;
    const newGroup = async (members: readonly string[] = [], displayName = `Group ${uuidv7()}`): Promise<string> =>
      (await request('POST', '/Groups', { displayName, members: members.map((value) => ({ value })) })).body.id;
    const patchGroup = (id: string, ...Operations: object[]): Promise<Answer> =>
      request('PATCH', `/Groups/${id}`, { Operations });
    const change = (op: 'add' | 'remove', ...ids: string[]): object => ({
      op,
      path: 'members',
      value: ids.map((value) => ({ value })),
    });

    describe('the name of a member', () => {
      const displays = async (id: string, client = request, query = ''): Promise<unknown[]> =>
        ((await client('GET', `/Groups/${id}${query}`)).body.members ?? []).map(
          ({ display }: { display?: string }) => display,
        );

      it('is shown as it is now, in each answer that shows members, and only where it is asked for', async () => {
        const people = [
          await newUser(request, { displayName: 'Ada Lovelace' }),
          await newUser(request, { userName: uuidv7(), displayName: '' }),
        ] as const;
        const { userName } = (await request('GET', `/Users/${people[1]}`)).body;
        const inner = await newGroup([], `Inner ${uuidv7()}`);
        const made = await request('POST', '/Groups', {
          displayName: `Named ${uuidv7()}`,
          members: [...people, inner].map((value) => ({ value, display: 'whatever' })),
        });
        const { id } = made.body;
        const names = ['Ada Lovelace', userName, (await request('GET', `/Groups/${inner}`)).body.displayName];
        const members = (body: any): unknown[] => body.members.map(({ display }: { display?: string }) => display);
        expect(members(made.body)).toEqual(names);
        expect(await displays(id)).toEqual(names);
        expect(members((await searched(`id eq "${id}"`)).body.Resources[0])).toEqual(names);
        expect(
          members(
            (
              await request('PATCH', `/Groups/${id}?attributes=members`, {
                Operations: [{ op: 'add', path: 'externalId', value: '1' }],
              })
            ).body,
          ),
        ).toEqual(names);
        expect(members((await request('PUT', `/Groups/${id}`, made.body)).body)).toEqual(names);
        // The names in several groups are asked for at once.
        const other = await newGroup([people[0]]);
        const { Resources } = (await searched(`id eq "${id}" or id eq "${other}"`)).body;
        expect(Resources.map(members)).toEqual([names, ['Ada Lovelace']]);
        expect((await request('GET', `/Groups/${id}?attributes=members.display`)).body.members).toEqual(
          names.map((display) => ({ display })),
        );
        expect(await displays(id, request, '?attributes=members.value')).toEqual([undefined, undefined, undefined]);
        expect(await displays(id, request, '?excludedAttributes=members.display')).toEqual([
          undefined,
          undefined,
          undefined,
        ]);
        await request('PATCH', `/Users/${people[0]}`, {
          Operations: [{ op: 'replace', path: 'displayName', value: 'Ada King' }],
        });
        expect((await displays(id))[0]).toBe('Ada King');
        // It is no part of the group: nothing is found, removed or changed by it.
        expect(await searched('members.display eq "Ada King"')).toMatchObject({
          status: 400,
          body: { scimType: 'invalidFilter' },
        });
        expect(await searched('members[display eq "Ada King"]')).toMatchObject({
          status: 400,
          body: { scimType: 'invalidFilter' },
        });
        expect(await patchGroup(id, { op: 'remove', path: 'members[display eq "Ada King"]' })).toMatchObject({
          status: 400,
          body: { scimType: 'invalidPath' },
        });
        expect(
          await patchGroup(id, { op: 'replace', path: `members[value eq "${people[0]}"].display`, value: 'x' }),
        ).toMatchObject({ status: 400, body: { scimType: 'mutability' } });
        expect(await displays(id)).toHaveLength(3);
      });

      it('is not shown to a directory that does not see the member, nor of a user that is very large', async () => {
        const { directory } = muster.server;
        const other = await muster.newDirectory('Another', directory.tenant);
        const [theirs, large, long] = [
          await newUser(other.scim, { displayName: 'Not to be seen' }),
          await newUser(request, {
            displayName: 'Large',
            entitlements: Array.from({ length: 400 }, () => ({ value: uuidv7() })),
          }),
          await newUser(request, { displayName: 'é'.repeat(1_000) }),
        ];
        const { userId: nobodys } = (
          await admin('POST', '/sign-ins', {
            directory: other.id,
            loginType: 'oidc',
            providerId: uuidv7(),
            upn: `${uuidv7()}@x`,
            displayName: 'Nobody',
          })
        ).body;
        const ofNobody = await newGroup([theirs, large, long, nobodys]);
        expect(await displays(ofNobody)).toEqual([undefined, undefined, 'é'.repeat(200), undefined]);
        const local = (await admin('POST', '/groups', { displayName: `Local ${uuidv7()}`, tenant: directory.tenant }))
          .body;
        expect(
          (await patchGroup(ofNobody, change('add', local.id), change('remove', theirs, large, long, nobodys))).status,
        ).toBe(204);
        expect(await displays(ofNobody)).toEqual([undefined]);
        await admin('PATCH', `/directories/${directory.id}`, { offerLocalGroups: true });
        await admin('PATCH', `/directories/${other.id}`, { offerExistingUsers: true });
        try {
          expect(await displays(ofNobody)).toEqual([local.displayName]);
          const seen = (
            await other.scim('POST', '/Groups', {
              displayName: 'Theirs',
              members: [theirs, nobodys, large].map((value) => ({ value })),
            })
          ).body;
          expect(await displays(seen.id, other.scim)).toEqual(['Not to be seen', undefined, 'Nobody']);
        } finally {
          await admin('PATCH', `/directories/${directory.id}`, { offerLocalGroups: false });
          await admin('PATCH', `/directories/${other.id}`, { offerExistingUsers: false });
        }
      });
    });
  });
}
