import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { median } from './latencies.js';

/** The figures depend on these. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly node: string;
  readonly platform: string;
  /** Median time until 8 KiB are on disk, in milliseconds: the price of a commit. */
  readonly fdatasyncMs: number;
  /** The load average of the minute before the run: other programs may have been running. */
  readonly loadAverage: number;
}

const FLUSHES = 100;
const QUIET_LOAD_AVERAGE = 0.5;

export const describeMachine = (folder: string): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryGib: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  loadAverage: loadavg()[0] ?? 0,
  fdatasyncMs: measureFlush(folder),
});

/** One line for people, and a second one when something else uses the machine. */
export const renderMachine = ({ cpu, cores, memoryGib, node, platform, fdatasyncMs, loadAverage }: Machine): string => {
  const flush = `fdatasync of 8 KiB ${fdatasyncMs.toFixed(2)} ms`;
  const machine = [cpu, `${cores} cores`, `${memoryGib} GiB`, `Node ${node}`, platform, flush].join(', ');
  const busy = `\nthe machine is not quiet (load average ${loadAverage.toFixed(1)}): the figures are worth little`;
  return loadAverage > QUIET_LOAD_AVERAGE ? machine + busy : machine;
};

const measureFlush = (folder: string): number => {
  const path = join(folder, 'flush.probe');
  const file = openSync(path, 'w');
  const page = Buffer.alloc(8192, 1);
  try {
    const samples = Array.from({ length: FLUSHES }, (_, index) => {
      const startedMs = performance.now();
      writeSync(file, page, 0, page.length, index * page.length);
      fdatasyncSync(file);
      return performance.now() - startedMs;
    });
    return median(samples);
  } finally {
    closeSync(file);
    rmSync(path);
  }
};
