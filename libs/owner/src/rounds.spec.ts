import { expect, it, vi } from 'vitest';
import { Rounds } from './rounds.js';

const HOUR_MS = 3_600_000;
const quiet = { logger: { warn: () => undefined }, fault: 'no round' };

it('a round is made at the start, and one more for all that nudge while one is under way', async () => {
  let made = 0;
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const rounds = new Rounds(async () => {
    if (++made === 1) await gate;
    return HOUR_MS;
  }, quiet);
  rounds.start();
  for (let nudge = 0; nudge < 3; nudge++) rounds.nudge();
  expect(made).toBe(1);
  open();
  await vi.waitFor(() => expect(made).toBe(2));
  rounds.nudge();
  await vi.waitFor(() => expect(made).toBe(3));
  await rounds.stop();
});

it('the next round comes when the last one has said, and a second after one that failed', async () => {
  vi.useFakeTimers();
  try {
    const answers: (() => number)[] = [
      () => 5_000,
      () => {
        throw new Error('away');
      },
      () => HOUR_MS,
    ];
    let made = 0;
    const told: object[] = [];
    const rounds = new Rounds(async () => answers[made++]!(), {
      logger: { warn: (facts) => void told.push(facts) },
      fault: 'no round',
    });
    rounds.start();
    await vi.advanceTimersByTimeAsync(4_999);
    expect(made).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect([made, told.length]).toEqual([2, 1]);
    expect(told).toEqual([{ error: 'away', leftOut: 0 }]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(made).toBe(3);
    await rounds.stop();
    await vi.advanceTimersByTimeAsync(HOUR_MS);
    expect(made).toBe(3);
  } finally {
    vi.useRealTimers();
  }
});

it('a stop waits for the round that is under way, which sees it, and none follows', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  let saw: boolean | null = null;
  const rounds = new Rounds(async () => {
    await gate;
    saw = rounds.isStopping;
    return 0;
  }, quiet);
  rounds.start();
  const stopped = rounds.stop();
  rounds.nudge();
  open();
  await stopped;
  expect(saw).toBe(true);
});
