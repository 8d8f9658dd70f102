import { beforeEach, expect, it } from 'vitest';
import { LaneWatch } from './lane-watch.js';

let now: number;
let journal: string[];
let watch: LaneWatch;
beforeEach(() => {
  now = 0;
  journal = [];
  watch = new LaneWatch({
    standstillAfterMs: 1_000,
    now: () => now,
    onStandstill: ({ lane, standstills, error }) => journal.push(`${lane} stands still, ${standstills}: ${error}`),
    onProgress: (lane) => journal.push(`${lane} goes on`),
  });
});

const fail = (): Promise<never> => Promise.reject(new Error('a fault'));
const attempt = (lane: string): Promise<void> => watch.during(lane, fail).catch(() => undefined);

it('a lane whose batch is handed over again and again stands still, which is said once, until it commits', async () => {
  for (; now <= 900; now += 100) await attempt('a/1');
  expect(watch.unready()).toBeNull();
  for (; now <= 3_000; now += 100) {
    await attempt('a/1');
    watch.unready();
  }
  expect(watch.unready()).toMatch(
    /^messages wait and nothing is committed: a\/1 since \d{4}-.*Z \(standstills of this process: 1\)$/,
  );
  expect(journal).toEqual(['a/1 stands still, 1: Error: a fault']);
  await watch.during('a/1', async () => undefined);
  expect([watch.unready(), journal[1]]).toEqual([null, 'a/1 goes on']);
});

it('so does one whose batch never ends; each commit of it is progress', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let progress = (): void => undefined;
  const done = watch.during('a/1', (tell) => {
    progress = tell;
    return promise;
  });
  now = 900;
  progress();
  now = 1_800;
  expect(watch.unready()).toBeNull();
  now = 2_000;
  expect(watch.unready()).toContain('a/1');
  progress();
  expect(watch.unready()).toBeNull();
  now = 4_000;
  expect(watch.unready()).toContain('standstills of this process: 2');
  resolve();
  await done;
  expect(watch.unready()).toBeNull();
});

it('a lane that has nothing to do does not stand still, nor one that nobody tries any more: another process has it', async () => {
  await watch.during('a/1', async () => undefined);
  await attempt('a/2');
  now = 10_000;
  expect([watch.unready(), journal]).toEqual([null, []]);
});

it('says of each lane that stands still since when, and of the others nothing', async () => {
  for (; now <= 1_500; now += 100) {
    await attempt('a/1');
    await watch.during('a/2', async () => undefined);
    await attempt('a/3');
  }
  expect(watch.unready()).toMatch(/a\/1 since .*, a\/3 since .*standstills of this process: 2/);
  expect(watch.unready()).not.toContain('a/2');
});
