import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '#contracts';
import { Config } from '#runtime';
import { Costs } from './costs.js';
import type { BatchToHandle } from './turn.js';

const { MAX_BATCH_BYTES, MAX_BATCH_MESSAGES } = new Config();

const batchOf = (tenants: readonly string[]): BatchToHandle['received'] =>
  tenants.map((tenant, offset) => ({ offset, message: { tenant } as Message }));

describe('a batch is cut by what its commands are known to cost', () => {
  it('so that each piece is as much as a transaction may be, or one command', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 3 * MAX_BATCH_BYTES }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: MAX_BATCH_MESSAGES }),
        fc.boolean(),
        (bytesOf, length, areHeavy) => {
          const bytes = bytesOf.map((one) => (areHeavy ? one : (one % 30_000) + 1));
          const received = batchOf(Array.from({ length }, (_, index) => String(index % bytes.length)));
          const costs = new Costs();
          costs.learn(new Map(bytes.map((one, index) => [String(index), one])));
          let next = 0;
          for (const { from, to } of costs.pieces(received, MAX_BATCH_BYTES)) {
            expect(from).toBe(next);
            const sum = received.slice(from, to).reduce((all, { message }) => all + bytes[Number(message!.tenant)]!, 0);
            if (to - from > 1) expect(sum).toBeLessThanOrEqual(MAX_BATCH_BYTES);
            next = to;
          }
          expect(next).toBe(length);
        },
      ),
    );
  });

  it('a full batch of ordinary commands stays whole', () => {
    const received = batchOf(Array.from({ length: MAX_BATCH_MESSAGES }, (_, index) => String(index)));
    expect([...new Costs().pieces(received, MAX_BATCH_BYTES)]).toEqual([{ from: 0, to: MAX_BATCH_MESSAGES }]);
  });
});
