import { expect, it, vi, beforeEach, afterEach } from 'vitest';
import type { Batch, Received } from '../log.js';
import { Lane } from './lane.js';

const MAX_BATCH_MESSAGES = 3;
const TIMEOUT_MS = 250;

let lane: Lane;
let said: string[];
/** The offsets of the batches that were handed over. */
let begun: number[][];
/** The first thing that the handler of a batch does. */
let onBegin: () => void;
/** Ends the batch that is being handled. */
let end: () => void;

const messages = (from: number, to: number, raw = ''): Received[] =>
  Array.from({ length: to - from }, (_, index) => ({ offset: from + index, message: null, raw }));
const turn = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
/** `hasRoom` is true if more may be fetched now. */
const asked = async (): Promise<{ hasRoom: boolean }> => {
  const answer = { hasRoom: false };
  void lane.hasRoom(TIMEOUT_MS).then(() => (answer.hasRoom = true));
  await turn();
  return answer;
};

beforeEach(async () => {
  vi.useFakeTimers();
  said = [];
  begun = [];
  onBegin = () => undefined;
  lane = new Lane({
    subscription: {
      topic: 'identity.commands',
      position: async () => ({ epoch: 'e', nextOffset: 0 }),
      handleBatch: ({ received }: Batch) => {
        begun.push(received.map(({ offset }) => offset));
        onBegin();
        return new Promise((resolve) => (end = resolve));
      },
    },
    partition: 0,
    epoch: 'e',
    maxBatchMessages: MAX_BATCH_MESSAGES,
    source: { pause: () => said.push('pause'), resume: () => said.push('resume'), seek: () => undefined },
    onError: (error) => said.push(error.message),
    onLost: (error) => said.push(error.message),
  });
  await lane.open(Promise.resolve(true));
  said = [];
});

afterEach(() => vi.useRealTimers());

it('has room while a batch is handled: the next one gathers meanwhile', async () => {
  lane.take(messages(0, 1));
  expect(await asked()).toEqual({ hasRoom: true });
  lane.take(messages(1, 2));
  expect(await asked()).toEqual({ hasRoom: true });
  lane.take(messages(2, 3));
  end();
  await turn();
  expect(begun).toEqual([[0], [1, 2]]);
});

it('has no room while as much waits as one batch holds, until that is begun', async () => {
  lane.take(messages(0, 1));
  lane.take(messages(1, 4));
  const answer = await asked();
  expect(answer).toEqual({ hasRoom: false });
  end();
  await turn();
  expect([answer, begun, said]).toEqual([{ hasRoom: true }, [[0], [1, 2, 3]], []]);
});

it('has no room while more still waits than one batch holds', async () => {
  lane.take(messages(0, 1));
  lane.take(messages(1, 7));
  const answer = await asked();
  end();
  await turn();
  expect(answer).toEqual({ hasRoom: false });
  end();
  await turn();
  expect(answer).toEqual({ hasRoom: true });
});

it('has no room while a long text waits', async () => {
  lane.take(messages(0, 1));
  lane.take(messages(1, 2, 'x'.repeat(1_048_576)));
  expect(await asked()).toEqual({ hasRoom: false });
});

it('lets other partitions go on after a while, and is fetched again when all is handled', async () => {
  lane.take(messages(0, 1));
  lane.take(messages(1, 4));
  const answer = await asked();
  await vi.advanceTimersByTimeAsync(TIMEOUT_MS);
  expect([answer, said]).toEqual([{ hasRoom: true }, ['pause']]);
  end();
  await turn();
  expect(said).toEqual(['pause']);
  end();
  await turn();
  expect(said).toEqual(['pause', 'resume']);
});

it('holds nobody up when its partition is taken away', async () => {
  lane.take(messages(0, 1));
  lane.take(messages(1, 4));
  const answer = await asked();
  lane.close();
  await turn();
  expect([answer, said]).toEqual([{ hasRoom: true }, []]);
});

it('is stopped when the batch that was begun is done, also by the handler itself, and begins no other', async () => {
  const answer = { isStopped: false };
  onBegin = () => void lane.stop().then(() => (answer.isStopped = true));
  lane.take(messages(0, 6));
  await turn();
  expect(answer).toEqual({ isStopped: false });
  end();
  await turn();
  expect([answer, begun]).toEqual([{ isStopped: true }, [[0, 1, 2]]]);
});
