import { describe, expect, it } from 'vitest';
import { median, percentile } from './latencies.js';
import { processorMs } from './processor-time.js';
import { judge, renderProcessorTime, summarise, type System, type Turn } from './summary.js';

const turn = (system: System, cyclesPerSecond: number, createP50Ms = 1): Turn => ({
  system,
  levels: [1, 64].map((inFlight) => ({
    inFlight,
    ...(system === 'floor' ? {} : { processorMs: { server: 1 / cyclesPerSecond } }),
    result: {
      seconds: 2,
      completed: cyclesPerSecond * 2,
      operations: { create: { count: 1, p50Ms: createP50Ms, p99Ms: createP50Ms } },
      cpuPerRequestUs: 10,
      cpuShare: 0.1,
    },
  })),
});

describe('the ratio to the floor', () => {
  it('is taken against the mean of the floor turns on both sides, and its median over the rounds counts', () => {
    const turns = [
      turn('floor', 1000),
      turn('embedded', 900),
      turn('floor', 800),
      turn('kafka', 450),
      turn('floor', 1000),
      turn('embedded', 1200),
      turn('floor', 1000),
      turn('kafka', 400),
      turn('floor', 600),
    ];
    const rows = summarise(turns);
    expect(rows.find(({ system, inFlight }) => system === 'embedded' && inFlight === 64)).toMatchObject({
      ratios: [1, 1.2],
      ratio: 1.1,
    });
    expect(rows.find(({ system, inFlight }) => system === 'kafka' && inFlight === 1)).toMatchObject({
      ratios: [0.5, 0.5],
      ratio: 0.5,
    });
    expect(rows.find(({ system }) => system === 'floor')).toMatchObject({ ratio: null, cyclesPerSecond: 1000 });
  });

  it('is refused without a floor turn on each side', () => {
    expect(() => summarise([turn('floor', 1), turn('embedded', 1)])).toThrow('without a floor turn');
  });
});

it('the processor time of a cycle is the median of the turns, by process', () => {
  const rows = summarise([
    turn('floor', 1),
    turn('embedded', 100),
    turn('floor', 1),
    turn('embedded', 50),
    turn('floor', 1),
  ]);
  expect(renderProcessorTime(rows.filter(({ inFlight }) => inFlight === 64))).toEqual([
    'processor time of a cycle, embedded at 64 in flight, in ms: server 0.01',
  ]);
  expect(rows.find(({ system }) => system === 'embedded')!.processorMs.server).toBeCloseTo(0.015);
});

it('a process is seen to use its processor, with its children', () => {
  const before = processorMs(process.pid)!;
  const since = process.cpuUsage();
  while (process.cpuUsage(since).user < 100_000);
  expect(processorMs(process.pid)! - before).toBeGreaterThanOrEqual(80);
  expect(processorMs(2 ** 30)).toBeUndefined();
});

describe('the bars', () => {
  it('are reached at their value and missed below it', () => {
    const at = (embedded: number) =>
      judge(summarise([turn('floor', 100), turn('embedded', embedded), turn('floor', 100)]));
    expect(at(75).map(({ reached }) => reached)).toEqual([true, true, null, null]);
    expect(at(74).map(({ reached }) => reached)).toEqual([false, true, null, null]);
    expect(at(37).map(({ reached }) => reached)).toEqual([false, false, null, null]);
  });

  it('look at the p50 of a lone create on Kafka', () => {
    const at = (createMs: number) =>
      judge(summarise([turn('floor', 100), turn('kafka', 48, createMs), turn('floor', 100)]));
    expect(at(12).map(({ reached }) => reached)).toEqual([null, null, true, true]);
    expect(at(12.1).map(({ reached }) => reached)).toEqual([null, null, true, false]);
  });
});

describe('percentiles', () => {
  it('are samples: the smallest that the share of all does not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([
      percentile(hundred, 0.5),
      percentile(hundred, 0.99),
      percentile(hundred, 1),
      percentile([7], 0.99),
    ]).toEqual([50, 99, 100, 7]);
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  });
});
