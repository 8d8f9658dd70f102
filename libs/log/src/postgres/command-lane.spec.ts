import { expect, it } from 'vitest';
import type { Message } from '#contracts';
import { newMessages, newTenant, numbersOf } from '../log.contract.js';
import { LogUnavailable, type Batch } from '../log.js';
import { CommandLane } from './command-lane.js';

const commandOf = (number: number, expiresAt: string): Message => {
  const [message] = newMessages(newTenant(), 1);
  return { ...message!, data: { number, expiresAt } };
};
const commands = (count: number, expiresAt = '2100-01-01T00:00:00.000Z'): Message[] =>
  Array.from({ length: count }, (_, number) => commandOf(number, expiresAt));

/** A lane whose handler does this; what it was handed is kept. */
const laneOf = (
  handle: (batch: Batch) => Promise<void> | void,
): { lane: CommandLane; batches: unknown[][]; faults: Error[] } => {
  const batches: unknown[][] = [];
  const faults: Error[] = [];
  const lane = new CommandLane({
    partition: 3,
    maxBatchMessages: 10,
    onError: (error) => faults.push(error),
    subscription: {
      topic: 'identity.commands',
      position: () => Promise.reject(new Error('a lane asks for no position')),
      handleBatch: async (batch) => {
        batches.push(numbersOf(batch.received.map(({ message }) => message!)));
        await handle(batch);
      },
    },
  });
  return { lane, batches, faults };
};

it('what is published in one turn of the event loop is one batch, up to its limit, in order', async () => {
  const { lane, batches } = laneOf(() => undefined);
  await Promise.all(commands(13).map((command) => lane.publish([command])));
  expect(batches).toEqual([
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [10, 11, 12],
  ]);
});

it('the offsets of a lane follow on each other, in an epoch of its own', async () => {
  const seen: Batch[] = [];
  const { lane } = laneOf((batch) => void seen.push(batch));
  await lane.publish(commands(2));
  await lane.publish(commands(1));
  expect(seen.map(({ received, nextOffset }) => [received.map(({ offset }) => offset), nextOffset])).toEqual([
    [[0, 1], 2],
    [[2], 3],
  ]);
  expect(new Set(seen.map(({ epoch }) => epoch)).size).toBe(1);
  const other = laneOf((batch) => void seen.push(batch));
  await other.lane.publish(commands(1));
  expect(new Set(seen.map(({ epoch }) => epoch)).size).toBe(2);
});

it('a batch whose handler throws is handed over again, with those that came meanwhile behind it', async () => {
  let faults = 2;
  const {
    lane,
    batches,
    faults: told,
  } = laneOf(() => {
    if (faults-- > 0) throw new Error('away');
  });
  const [first, second] = [commands(2), commands(1)];
  const published = lane.publish(first);
  await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([published, lane.publish(second)]);
  expect(batches).toEqual([
    [0, 1],
    [0, 1, 0],
    [0, 1, 0],
  ]);
  expect(told).toHaveLength(2);
});

it('after a fault the commands that are late by then are forgotten, and their senders told', async () => {
  let faults = 1;
  const { lane, batches } = laneOf(() => {
    if (faults-- > 0) throw new Error('away');
  });
  const late = lane.publish(commands(1, '2020-01-01T00:00:00.000Z'));
  const due = lane.publish(commands(2));
  await expect(late).rejects.toBeInstanceOf(LogUnavailable);
  await due;
  expect(batches).toEqual([
    [0, 0, 1],
    [0, 1],
  ]);
});

it('no more than a thousand wait; a page of a thousand is taken by a lane that has fewer', async () => {
  const hold = Promise.withResolvers<void>();
  const { lane } = laneOf(() => hold.promise);
  const taken = [lane.publish(commands(999)), lane.publish(commands(1_000))];
  await expect(lane.publish(commands(1))).rejects.toBeInstanceOf(LogUnavailable);
  hold.resolve();
  await Promise.all(taken);
});

it('a stop brings the batch that is being handled to its end, and rejects the others', async () => {
  const hold = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const { lane, batches } = laneOf(() => {
    begun.resolve();
    return hold.promise;
  });
  const handled = lane.publish(commands(10));
  const waiting = lane.publish(commands(1));
  await begun.promise;
  const stopped = lane.stop();
  await expect(lane.publish(commands(1))).rejects.toBeInstanceOf(LogUnavailable);
  hold.resolve();
  await Promise.all([handled, stopped, expect(waiting).rejects.toBeInstanceOf(LogUnavailable)]);
  expect(batches).toHaveLength(1);
});

it('a stop ends the pause after a fault', async () => {
  const failed = Promise.withResolvers<void>();
  const { lane, batches } = laneOf(() => {
    failed.resolve();
    throw new Error('away');
  });
  const published = lane.publish(commands(1));
  await failed.promise;
  await Promise.all([lane.stop(), expect(published).rejects.toBeInstanceOf(LogUnavailable)]);
  expect(batches).toHaveLength(1);
});
