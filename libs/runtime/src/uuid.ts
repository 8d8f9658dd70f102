import { randomFillSync } from 'node:crypto';

const pool = Buffer.alloc(4096);
let used = pool.length;
let lastMs = 0;
let counter = 0;

/**
 * A UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, a 12-bit counter so that ids of one process ascend, 62 random
 * bits. The platform's randomUUID makes version 4 only.
 */
export const uuidv7 = (): string => {
  if (used + 8 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const nowMs = Date.now();
  if (nowMs > lastMs) {
    lastMs = nowMs;
    counter = 0;
  } else if (++counter > 0xfff) {
    lastMs++;
    counter = 0;
  }
  const time = lastMs.toString(16).padStart(12, '0');
  const random = pool.toString('hex', used, used + 8);
  used += 8;
  const variant = ((parseInt(random[0]!, 16) & 0x3) | 0x8).toString(16);
  return (
    `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}` +
    `-${variant}${random.slice(1, 4)}-${random.slice(4, 16)}`
  );
};

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Tells whether a text is a UUID: the database answers anything else with an error, which would become a 500. */
export const isUuid = (text: string): boolean => UUID.test(text);
