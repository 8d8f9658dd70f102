import { expect, it } from 'vitest';
import { uuidv7 } from '#runtime';
import { startMuster, type Answer, type Directory } from '../support/muster.js';

const MAX = 5;
const muster = startMuster({ settings: { MAX_WRONG_CREDENTIALS_PER_MINUTE: String(MAX) } });

const ask = ({ id }: Directory, client: string, secret: string): Promise<Answer> =>
  muster.askForToken(id, { grant_type: 'client_credentials', client_id: client, client_secret: secret });
const byAssertion = ({ id }: Directory, client: string): Promise<Answer> =>
  muster.askForToken(id, {
    grant_type: 'client_credentials',
    client_id: client,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: 'e30.e30.AAAA',
  });

it('wrong secrets are limited by address, and a client behind the same one gets its token all the same', async () => {
  const directory = await muster.newDirectory('Tried');
  const { body } = await muster.admin('POST', `/directories/${directory.id}/clients`, { name: 'Entra' });
  const { id, secret } = body as { id: string; secret: string };
  const ending = await muster.admin('POST', `/directories/${directory.id}/clients/${id}/secrets`, {
    expiresAt: new Date(Date.now() + 3_000).toISOString(),
  });
  await expect.poll(async () => (await ask(directory, id, ending.body.secret)).status, { timeout: 20_000 }).toBe(401);
  // A secret that has expired is known: it is not counted, however often a client that was forgotten sends it.
  for (let time = 0; time < MAX; time++) expect((await ask(directory, id, ending.body.secret)).status).toBe(401);

  const wrong = [
    () => ask(directory, id, 'wrong'),
    () => ask(directory, uuidv7(), secret),
    () => byAssertion(directory, id),
    () => ask(directory, id, 'wrong too'),
    () => ask(directory, 'nobody', 'wrong'),
  ];
  for (const one of wrong) {
    const { status, body: error } = await one();
    expect({ status, error }).toMatchObject({ status: 401, error: { error: 'invalid_client' } });
  }
  for (const one of [() => ask(directory, id, 'wrong'), () => byAssertion(directory, id)]) {
    const limited = await one();
    expect(limited).toMatchObject({
      status: 429,
      body: { error: 'invalid_client', error_description: expect.stringContaining('MAX_WRONG_CREDENTIALS_PER_MINUTE') },
    });
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(Number(limited.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(limited.headers.get('cache-control')).toBe('no-store');
    expect(limited.headers.get('www-authenticate')).toBeNull();
  }
  expect((await ask(directory, id, secret)).status).toBe(200);
  expect((await ask(directory, id, ending.body.secret)).status).toBe(401);
}, 60_000);
