import { expect, it } from 'vitest';
import { Pace } from './pace.js';
import { Room } from './room.js';
import { NoSlot } from './slots.js';

/** A clock that stands still until it is told. */
const clock = (): { now: number; pace: Pace } => {
  const made = { now: 0, pace: undefined as unknown as Pace };
  made.pace = new Pace(() => made.now);
  return made;
};
const both = (pace: Pace): void => ['a', 'b'].forEach((key) => pace.seen(key));
/** Tells whether it has resolved by now. */
const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let isSettled = false;
  void promise.finally(() => (isSettled = true)).catch(() => undefined);
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  return isSettled;
};

it('whoever has had slow work done waits until the others have had their share of the time', () => {
  const time = clock();
  both(time.pace);
  time.pace.during('a', () => (time.now += 45));
  expect(time.pace.turn('b')).toBeUndefined();
  expect(time.pace.turn('a')).toBeInstanceOf(Promise);
  const later = clock();
  both(later.pace);
  later.pace.spent('a', 45);
  // 20 ms above what is free, a fifth of the time.
  later.now += 99;
  both(later.pace);
  expect(later.pace.turn('a')).toBeInstanceOf(Promise);
  const atLast = clock();
  both(atLast.pace);
  atLast.pace.spent('a', 45);
  atLast.now += 100;
  expect(atLast.pace.turn('a')).toBeUndefined();
});

it('whoever is alone waits for nothing, and nobody for what is quickly done', () => {
  const time = clock();
  time.pace.seen('a');
  time.pace.spent('a', 500);
  expect(time.pace.turn('a')).toBeUndefined();
  time.pace.seen('b');
  time.pace.seen('a');
  expect(time.pace.turn('a')).toBeInstanceOf(Promise);
  const quick = clock();
  both(quick.pace);
  for (let count = 0; count < 1_000; count++) quick.pace.during('a', () => (quick.now += 0.5));
  expect(quick.pace.turn('a')).toBeUndefined();
});

it('the others are forgotten when they have not been seen for a while', () => {
  const time = clock();
  both(time.pace);
  time.now += 9_999;
  expect([time.pace.hasOthers('a'), time.pace.hasOthers('b')]).toEqual([true, true]);
  time.pace.seen('b');
  time.now += 1;
  expect([time.pace.hasOthers('a'), time.pace.hasOthers('b')]).toEqual([true, false]);
});

it('those who wait go one after the other, each when the work of the one before has been counted; none waits for ever, and not too many do', async () => {
  const time = clock();
  both(time.pace);
  time.pace.spent('a', 26);
  const turns = Array.from({ length: 10_000 }, () => time.pace.turn('a')!);
  await expect(time.pace.turn('a')).rejects.toThrow(NoSlot);
  void turns[0]!.then(() => time.pace.spent('a', 1_000));
  time.now += 5;
  await turns[0];
  expect(await settled(turns[1]!)).toBe(false);
  time.now += 4_990;
  time.pace.spent('a', 1_000);
  time.now += 10;
  both(time.pace);
  expect((await Promise.allSettled(turns)).filter(({ status }) => status === 'rejected')).toHaveLength(9_999);
  time.now += 5_000;
  expect(await settled(Promise.resolve(time.pace.turn('a')))).toBe(true);
});

it('in one turn of the event loop so much of a key is begun while others are here, and the rest in the next ones, in the order of asking', async () => {
  const { pace } = clock();
  pace.seen('a');
  expect(Array.from({ length: 50 }, () => pace.turn('a')).filter(Boolean)).toHaveLength(0);
  pace.seen('b');
  const begun: number[] = [];
  const turns = Array.from({ length: 10 }, (_, index) => pace.turn('a')?.then(() => begun.push(index)));
  expect(turns.map((turn) => turn === undefined)).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
    false,
    false,
    false,
    false,
  ]);
  expect(pace.turn('b')).toBeUndefined();
  await Promise.all(turns);
  expect(begun).toEqual([4, 5, 6, 7, 8, 9]);
});

it('many that are slow have half of the time together', () => {
  const time = clock();
  const keys = Array.from({ length: 5 }, (_, index) => `key-${index}`);
  for (const key of keys) {
    time.pace.seen(key);
    time.pace.spent(key, 45);
  }
  // 20 ms above what is free, a tenth of the time.
  time.now += 199;
  expect(keys.map((key) => time.pace.turn(key) === undefined)).toEqual([false, false, false, false, false]);
  const later = clock();
  for (const key of keys) {
    later.pace.seen(key);
    later.pace.spent(key, 45);
  }
  later.now += 201;
  expect(keys.map((key) => later.pace.turn(key) === undefined)).toEqual([true, true, true, true, true]);
});

it('so much of a key is under way at once while others are here, in the order of asking; something alone always is', async () => {
  const time = clock();
  const room = new Room(time.pace, { maxSize: 60, maxSizeBesideOthers: 10, maxHere: 4, waitTimeoutMs: 60_000 });
  both(time.pace);
  expect(room.enter('a', 50)).toBeUndefined();
  const [second, third, fourth] = [room.enter('a', 4)!, room.enter('a', 7)!, room.enter('a', 1)!];
  await expect(room.enter('a', 1)).rejects.toThrow('4 are under way already');
  expect(room.enter('b', 10)).toBeUndefined();
  room.leave('a', 50);
  await second;
  expect(await settled(third)).toBe(false);
  room.leave('a', 4);
  await Promise.all([third, fourth]);
  room.leave('a', 7);
  expect(room.enter('a', 9)).toBeUndefined();
});

it('whoever is alone has all the room, and whoever has waited too long is told so', async () => {
  const time = clock();
  const room = new Room(time.pace, { maxSize: 50, maxSizeBesideOthers: 2, maxHere: 51, waitTimeoutMs: 1 });
  time.pace.seen('a');
  for (let count = 0; count < 50; count++) expect(room.enter('a', 1)).toBeUndefined();
  await expect(room.enter('a', 1)).rejects.toThrow('no room in 1 ms');
  room.leave('a', 1);
  time.pace.seen('b');
  await expect(room.enter('a', 1)).rejects.toThrow('no room in 1 ms');
  for (let count = 0; count < 49; count++) room.leave('a', 1);
  for (const size of [0.1, 0.7, 0.2]) expect(room.enter('a', size)).toBeUndefined();
  for (const size of [0.1, 0.7, 0.2]) room.leave('a', size);
  expect(room.enter('a', 99)).toBeUndefined();
});

it('work that yields waits for the turn of its key after each long slice, is done in one where it is short, and is counted also where it fails', async () => {
  const time = clock();
  both(time.pace);
  let steps = 0;
  const work = function* (ms: number, end = (): string => 'done'): Generator<undefined, string> {
    for (let step = 0; step < 3; step++) {
      steps++;
      time.now += ms;
      yield;
    }
    return end();
  };
  expect(await time.pace.stepwise('a', work(1))).toBe('done');
  expect(time.pace.turn('a')).toBeUndefined();
  steps = 0;
  const long = time.pace.stepwise('a', work(50));
  expect(await settled(long)).toBe(false);
  expect(steps).toBe(1);
  expect(time.pace.turn('b')).toBeUndefined();
  while (!(await settled(long))) {
    time.now += 1;
    both(time.pace);
  }
  expect(await long).toBe('done');
  time.now += 10_000;
  both(time.pace);
  await expect(
    time.pace.stepwise(
      'a',
      work(1, () => {
        time.now += 100;
        throw new Error('the last step');
      }),
    ),
  ).rejects.toThrow('the last step');
  expect(time.pace.turn('a')).toBeInstanceOf(Promise);
});
