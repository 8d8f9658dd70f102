import type { SingleBar } from 'cli-progress';
import { ServerProcess, type LoadProcess } from './child.js';
import { measureFinds, renderFinds, type FindsResult } from './finds.js';
import type { Installation } from './installation.js';
import { median } from './latencies.js';

const FEW_USERS = 1_000;
const LOAD_IN_FLIGHT = 64;
const BLOCKS = 10;
const REQUESTS_IN_BLOCK = 500;
const RATIO_AT_MOST = 1.5;
const PREFIX = 'scale';

interface Look {
  readonly users: number;
  /**
   * Medians over the blocks, in milliseconds, of a filter by userName that finds a random user, one request in flight.
   */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The same request to the empty server, between the blocks: how fast the machine was. */
  readonly emptyP50Ms: number;
}

export interface ScaleResult {
  readonly few: Look;
  readonly many: Look;
  readonly loadSeconds: number;
  readonly ratio: number;
  readonly atMost: number;
  readonly finds: FindsResult;
  readonly reached: boolean;
}

/**
 * Measures how long a filter by userName takes with 1,000 and with `users` users in the tenant, and then how long
 * administrators wait until one of them is found. It needs a fresh installation.
 */
export const measureScale = async (
  muster: Installation,
  load: LoadProcess,
  users: number,
  bar: SingleBar,
): Promise<ScaleResult> => {
  const empty = await ServerProcess.start('empty');
  try {
    bar.start(users, 0, { what: 'users' });
    await create(muster, load, 0, FEW_USERS, bar);
    const few = await look(muster, empty, load, FEW_USERS);
    const startedMs = performance.now();
    await create(muster, load, FEW_USERS, users, bar);
    const loadSeconds = (performance.now() - startedMs) / 1000;
    const many = await look(muster, empty, load, users);
    bar.stop();
    const ratio = many.p50Ms / few.p50Ms;
    const finds = await measureFinds(muster, load, PREFIX, users, bar);
    const reached = ratio <= RATIO_AT_MOST && finds.reached;
    return { few, many, loadSeconds, ratio, atMost: RATIO_AT_MOST, finds, reached };
  } finally {
    await empty.stop();
  }
};

const create = async (
  muster: Installation,
  load: LoadProcess,
  from: number,
  until: number,
  bar: SingleBar,
): Promise<void> => {
  const job = { kind: 'create', target: muster.target, prefix: PREFIX, inFlight: LOAD_IN_FLIGHT, from, until } as const;
  await load.run(job, (done) => bar.update(from + done));
  bar.update(until);
};

const look = async (muster: Installation, empty: ServerProcess, load: LoadProcess, users: number): Promise<Look> => {
  await muster.idle();
  const job = { kind: 'filter', prefix: PREFIX, inFlight: 1, users, requests: REQUESTS_IN_BLOCK } as const;
  const emptyTarget = { ...muster.target, port: empty.port };
  const warmUp = await load.run({ ...job, target: muster.target });
  if (warmUp.completed !== REQUESTS_IN_BLOCK) throw new Error('the warm-up did not complete');
  const found: { p50Ms: number; p99Ms: number }[] = [];
  const thermometer: number[] = [];
  for (let block = 0; block < BLOCKS; block++) {
    found.push((await load.run({ ...job, target: muster.target })).operations.filter!);
    thermometer.push((await load.run({ ...job, target: emptyTarget, constant: true })).operations.filter!.p50Ms);
  }
  return {
    users,
    p50Ms: median(found.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(found.map(({ p99Ms }) => p99Ms)),
    emptyP50Ms: median(thermometer),
  };
};

export const renderScale = (log: string, { few, many, loadSeconds, ratio, atMost, finds }: ScaleResult): string =>
  [
    `filter by userName on ${log}, one request in flight, p50/p99 in ms (and the empty server's p50 meanwhile):`,
    ...[few, many].map(
      ({ users, p50Ms, p99Ms, emptyP50Ms }) =>
        `  ${users.toLocaleString('en').padStart(7)} users  ${p50Ms.toFixed(3)}/${p99Ms.toFixed(3)}  (${emptyP50Ms.toFixed(3)})`,
    ),
    `  ${(many.users - few.users).toLocaleString('en')} users were created in ${loadSeconds.toFixed(0)} s, ${LOAD_IN_FLIGHT} in flight`,
    `  ratio of the p50 ${ratio.toFixed(2)}, at most ${atMost}: ${ratio <= atMost ? 'reached' : 'MISSED'}`,
    renderFinds(finds),
  ].join('\n');
