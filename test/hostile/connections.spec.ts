import { afterEach, describe, expect, it, vi } from 'vitest';
import { startMuster } from '../support/muster.js';
import { RawConnection, requestHead } from '../support/raw-connection.js';

/** Limits on the number of connections, and of requests on one of them. */
const PER_ADDRESS = 8;
const CONNECTIONS = 12;
const PIPELINED = 16;
const muster = startMuster({
  settings: { MAX_CONNECTIONS: String(CONNECTIONS), MAX_CONNECTIONS_PER_ADDRESS: String(PER_ADDRESS) },
});

const open: RawConnection[] = [];
const connection = (localAddress?: string): RawConnection => {
  const made = new RawConnection(muster.server.port, localAddress);
  open.push(made);
  return made;
};
const LIVE = requestHead('GET /health/live', null);
const filled = async (localAddress: string, count: number): Promise<RawConnection[]> => {
  const all = Array.from({ length: count }, () => connection(localAddress));
  for (const one of all) expect((await one.send(LIVE).answer()).status).toBe(200);
  return all;
};
/** The server knows of no connection any more. */
const allClosed = (): Promise<void> =>
  vi.waitFor(
    async () => {
      const server = muster.server.app.getHttpServer() as {
        getConnections(tell: (error: Error | null, count: number) => void): void;
      };
      expect(await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))).toBe(0);
    },
    { timeout: 30_000, interval: 20 },
  );
afterEach(async () => {
  for (const made of open.splice(0)) made.close();
  await allClosed();
}, 40_000);

describe('connections', () => {
  it('are limited for each address, and there is room again when one has gone', async () => {
    const [one] = await filled('127.0.0.1', PER_ADDRESS);
    const refused = connection('127.0.0.1');
    expect(await refused.answer()).toMatchObject({
      status: 429,
      head: expect.stringContaining('retry-after: 1') as unknown,
    });
    await refused.ended;
    await filled('127.0.0.2', 1);
    one!.close();
    await vi.waitFor(async () => expect((await connection('127.0.0.1').send(LIVE).answer()).status).toBe(200), {
      timeout: 10_000,
      interval: 20,
    });
  });

  it('are limited together: who has most of them makes room for who has fewer, with one on which nothing is asked', async () => {
    const [oldest, second] = await filled('127.0.0.1', PER_ADDRESS);
    await filled('127.0.0.2', CONNECTIONS - PER_ADDRESS);
    await filled('127.0.0.2', 2);
    await Promise.all([oldest!.ended, second!.ended]);
    // Each address has six.
    expect((await connection('127.0.0.2').answer()).status).toBe(503);
    await filled('127.0.0.3', 4);
    expect((await connection('127.0.0.1').answer()).status).toBe(503);
  });

  it('are not taken from a request that is under way', async () => {
    const unfinished = requestHead('POST /api/scim/v2/Users', muster.token, [
      'content-type: application/scim+json',
      'content-length: 10',
      'expect: 100-continue',
    ]);
    const busy = ['127.0.0.1', '127.0.0.2'].flatMap((address) =>
      Array.from({ length: CONNECTIONS / 2 }, () => connection(address).send(unfinished)),
    );
    for (const one of busy) expect((await one.answer()).status).toBe(100);
    expect((await connection('127.0.0.3').answer()).status).toBe(503);
    for (const one of busy) expect((await one.send('{"a":1}   ').answer()).status).toBe(400);
  });
});

it('one connection has so many requests under way and no more; each gets its answer, in the order of asking', async () => {
  const listed = requestHead('GET /api/scim/v2/Users', muster.token);
  const pipelined = connection().send(listed.repeat(PIPELINED + 20));
  const statuses: number[] = [];
  for (let count = 0; count < PIPELINED + 20; count++) statuses.push((await pipelined.answer()).status);
  expect(statuses).toEqual([...Array<number>(PIPELINED).fill(200), ...Array<number>(20).fill(429)]);
  expect((await pipelined.send(listed).answer()).status).toBe(200);
});
