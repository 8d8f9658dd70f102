import { describe, expect, it } from 'vitest';
import { uuidv7 } from '#runtime';
import { startMuster, type Answer } from '../support/muster.js';

const MAX_BYTES = 4_096;
const TOO_LARGE = {
  status: 400,
  body: {
    scimType: 'invalidValue',
    detail: expect.stringMatching(/as JSON, and this server stores up to 4096 \(MAX_RESOURCE_BYTES\)/),
  },
};

describe('a resource', () => {
  const muster = startMuster({ settings: { MAX_RESOURCE_BYTES: String(MAX_BYTES) } });
  const { scim } = muster;
  const email = (bytes: number): object => ({ value: `${uuidv7()}@example.org`, display: 'x'.repeat(bytes) });
  const userName = (): string => `${uuidv7()}@example.org`;
  const patch = (id: string, ...Operations: object[]): Promise<Answer> => scim('PATCH', `/Users/${id}`, { Operations });
  const addEmail = (bytes: number): object => ({ op: 'add', path: 'emails', value: [email(bytes)] });

  it('is made only up to a size, alone and in bulk; a control character counts six bytes', async () => {
    const name = userName();
    expect(await scim('POST', '/Users', { userName: name, displayName: 'x'.repeat(MAX_BYTES) })).toMatchObject(
      TOO_LARGE,
    );
    expect(await scim('POST', '/Users', { userName: name, displayName: '\u0001'.repeat(MAX_BYTES / 6) })).toMatchObject(
      TOO_LARGE,
    );
    const { body } = await scim('POST', '/Bulk', {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
      Operations: [
        { method: 'POST', path: '/Users', bulkId: 'a', data: { userName: name, displayName: 'x'.repeat(MAX_BYTES) } },
        { method: 'POST', path: '/Users', bulkId: 'b', data: { userName: name } },
      ],
    });
    expect(body.Operations).toMatchObject([{ status: '400', response: TOO_LARGE.body }, { status: '201' }]);
  });

  it('grows piece by piece only up to that size; what is refused has changed nothing, and it may shrink and go', async () => {
    const {
      body: { id },
    } = await scim('POST', '/Users', { userName: userName() });
    let last: Answer;
    let steps = 0;
    do {
      last = await patch(id, addEmail(1_000));
      steps++;
    } while (last.status === 200);
    expect(last).toMatchObject(TOO_LARGE);
    expect(steps).toBe(4);
    const before = await scim('GET', `/Users/${id}`);
    expect(await patch(id, { op: 'replace', path: 'title', value: 'Dr' }, addEmail(1_000))).toMatchObject(TOO_LARGE);
    expect((await scim('GET', `/Users/${id}`)).body).toEqual(before.body);
    expect(
      await patch(id, { op: 'remove', path: 'emails' }, { op: 'replace', path: 'title', value: 'Dr' }),
    ).toMatchObject({ status: 200, body: { title: 'Dr' } });
  });

  it('that was larger before there was the limit may shrink and is still written about, and does not grow', async () => {
    const {
      body: { id },
    } = await scim('POST', '/Users', { userName: userName(), displayName: 'Ada' });
    await muster.owner.query(
      `UPDATE identity.users SET resource = resource || jsonb_build_object('nickName', repeat('x', 8000), 'title', 'Doctor') WHERE id = $1`,
      [id],
    );
    // As a rebuild does: the lane forgets the user that it remembers, and loads the row.
    await muster.owner.query('UPDATE identity.positions SET generation = generation + 1');
    expect(await patch(id, { op: 'replace', path: 'displayName', value: 'Ada Lovelace' })).toMatchObject(TOO_LARGE);
    expect(
      await patch(id, { op: 'replace', path: 'active', value: false }, { op: 'replace', path: 'title', value: 'Dr' }),
    ).toMatchObject({ status: 200, body: { title: 'Dr', active: false } });
    expect((await scim('DELETE', `/Users/${id}`)).status).toBe(204);
  });
});
