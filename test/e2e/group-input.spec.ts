import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { uuidv7 } from '#runtime';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster } from '../support/muster.js';

/** The answers to bad input about groups. */

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    const { scim: request } = startMuster({ log });
    const searched = (filter: string) => request('GET', `/Groups?filter=${encodeURIComponent(filter)}`);
    const newGroup = async (): Promise<string> =>
      (await request('POST', '/Groups', { displayName: `Group ${uuidv7()}` })).body.id;
    const add = (...ids: string[]): object => ({
      op: 'Add',
      path: 'members',
      value: ids.map((value) => ({ $ref: null, value })),
    });

    const nobody = uuidv7();
    /** Nothing makes it shorter: an index would have to take it as it is. */
    const dense = randomBytes(3_000).toString('base64');
    it.each<[string, string, object | string, number, string | undefined, RegExp]>([
      [
        'an unknown member',
        'POST',
        { displayName: 'x', members: [{ value: nobody }] },
        400,
        'invalidValue',
        new RegExp(nobody),
      ],
      ['an unknown member in a PATCH', 'PATCH', { Operations: [add(nobody)] }, 400, 'invalidValue', new RegExp(nobody)],
      [
        'an unknown member in a PUT',
        'PUT',
        { displayName: 'x', members: [{ value: nobody }] },
        400,
        'invalidValue',
        new RegExp(nobody),
      ],
      [
        'a member that is no UUID',
        'POST',
        { displayName: 'x', members: [{ value: 'ada' }] },
        400,
        'invalidValue',
        /id ada/,
      ],
      [
        'a member without an id',
        'PATCH',
        { Operations: [{ op: 'add', path: 'members', value: [{ type: 'User' }] }] },
        400,
        'invalidValue',
        /members needs a value/,
      ],
      [
        'a new member without an id',
        'POST',
        { displayName: 'x', members: [{ type: 'User' }] },
        400,
        'invalidValue',
        /members needs a value/,
      ],
      ['no displayName', 'POST', { members: [] }, 400, 'invalidValue', /displayName/],
      ['no displayName in a PUT', 'PUT', { members: [] }, 400, 'invalidValue', /displayName/],
      ['a displayName of null', 'POST', { displayName: null }, 400, 'invalidValue', /displayName/],
      [
        'a displayName of another type',
        'POST',
        { displayName: 7 },
        400,
        'invalidValue',
        /displayName must be a string, not 7/,
      ],
      [
        'a displayName that goes',
        'PATCH',
        { Operations: [{ op: 'remove', path: 'displayName' }] },
        400,
        'mutability',
        /displayName/,
      ],
      [
        'a displayName that is too long',
        'POST',
        { displayName: 'x'.repeat(70_000) },
        400,
        'invalidValue',
        /displayName has 70000 characters/,
      ],
      [
        'a displayName that is too long for an index',
        'POST',
        { displayName: dense },
        400,
        'invalidValue',
        /displayName has 4000 characters; the limit is 400/,
      ],
      [
        'a rename that is too long for an index',
        'PATCH',
        { Operations: [{ op: 'replace', path: 'displayName', value: dense }] },
        400,
        'invalidValue',
        /displayName has 4000 characters/,
      ],
      [
        'members that are no list',
        'POST',
        { displayName: 'x', members: 'ada' },
        400,
        'invalidValue',
        /members must be an array/,
      ],
      [
        'members that are no list in a PATCH',
        'PATCH',
        { Operations: [{ op: 'add', path: 'members', value: 'ada' }] },
        400,
        'invalidValue',
        /members must be an array/,
      ],
      [
        'a list of texts',
        'POST',
        { displayName: 'x', members: ['ada'] },
        400,
        'invalidValue',
        /members must be an array of objects/,
      ],
      [
        'a member whose id is a number',
        'POST',
        { displayName: 'x', members: [{ value: 7 }] },
        400,
        'invalidValue',
        /members\.value must be a string/,
      ],
      [
        'too many members',
        'POST',
        { displayName: 'x', members: Array.from({ length: 20_001 }, () => ({ value: '' })) },
        400,
        'invalidValue',
        /members has 20001 values; the limit is 20000/,
      ],
      [
        'too many members in a PATCH',
        'PATCH',
        { Operations: [{ op: 'add', path: 'members', value: Array.from({ length: 20_001 }, () => ({ value: '' })) }] },
        400,
        'invalidValue',
        /members has 20001 values/,
      ],
      [
        'a path that cannot be read',
        'PATCH',
        { Operations: [{ op: 'remove', path: 'members[value eq' }] },
        400,
        'invalidPath',
        /members\[value eq/,
      ],
      ['a removal without a path', 'PATCH', { Operations: [{ op: 'remove' }] }, 400, 'noTarget', /path/],
      [
        'an externalId that is a list',
        'POST',
        { displayName: 'x', externalId: ['e'] },
        400,
        'invalidValue',
        /externalId/,
      ],
      ['no JSON object', 'POST', [], 400, 'invalidSyntax', /object that describes a Group/],
    ])('%s gets a SCIM error that names it', async (_title, method, body, status, scimType, detail) => {
      const path = method === 'POST' ? '/Groups' : `/Groups/${await newGroup()}`;
      const answer = await request(method, path, body);
      expect(answer).toMatchObject({
        status,
        body: {
          schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
          status: String(status),
          detail: expect.stringMatching(detail),
        },
      });
      expect(answer.body.scimType).toBe(scimType);
      expect((await searched('displayName eq "x"')).body.totalResults).toBe(0);
    });

    it.each([
      ['GET', '/Groups/nobody', undefined],
      ['PATCH', '/Groups/nobody', { Operations: [add(nobody)] }],
      ['PUT', `/Groups/${nobody}`, { displayName: 'x' }],
      ['DELETE', `/Groups/${nobody}`, undefined],
    ] as const)('%s %s gets a 404', async (method, path, body) => {
      expect(await request(method, path, body)).toMatchObject({
        status: 404,
        body: { detail: expect.stringContaining(path.split('/')[2]!) },
      });
    });

    it.each(['members.nope eq "x"', 'members[value eq', 'displayName is x'])(
      'the filter %s gets a 400',
      async (filter) => {
        expect(await searched(filter)).toMatchObject({ status: 400, body: { scimType: 'invalidFilter' } });
      },
    );
  });
}
