import { expect, it } from 'vitest';
import { freePort } from './free-port.js';

it('gives no port twice while its process lives, although nobody listens there yet', async () => {
  const ports = [];
  // So many of 12,000 that without a reservation two would be alike but for once in 30,000 runs.
  for (let count = 0; count < 500; count++) ports.push(await freePort());
  expect(new Set(ports).size).toBe(ports.length);
});
