/**
 * The load generator, a process of its own. It gets one job after another over the IPC channel and answers each with
 * one result. Workers, one keep-alive connection each, send one request at a time: `inFlight` workers keep `inFlight`
 * requests in flight.
 */
import { Cycle, OPERATIONS, userNameOf, type Operation, type Target } from './cycle.js';
import { HttpConnection, requestText, type Answer } from './http-connection.js';
import { summarise, type Summary } from './latencies.js';

export type Job = {
  readonly target: Target;
  readonly inFlight: number;
  /** User names begin with it; unique for each job that creates. */
  readonly prefix: string;
  /** The target is the empty server, which answers constants. */
  readonly constant?: boolean;
} & (
  | { readonly kind: 'cycle'; readonly seconds: number; readonly warmUpSeconds: number }
  /** Creates the users from..until-1. */
  | { readonly kind: 'create'; readonly from: number; readonly until: number }
  /** Looks up `requests` random users of 0..users-1 by userName. */
  | { readonly kind: 'filter'; readonly users: number; readonly requests: number }
  /** Sends each of these once. */
  | { readonly kind: 'gets'; readonly gets: readonly Get[] }
  /** Reads a list of the admin API to its end, page after page, so many times. */
  | { readonly kind: 'walk'; readonly path: string; readonly rows: number; readonly times: number }
);

/** A path, and a text that its answer has to have. */
export interface Get {
  readonly path: string;
  readonly contains: string;
}

export interface LoadResult {
  /** Seconds that were measured. */
  readonly seconds: number;
  /** Whole cycles (or single requests, for the other kinds) that ended while measuring. */
  readonly completed: number;
  readonly operations: { readonly [operation in Operation]?: Summary };
  /** CPU of this process per request, in microseconds, and as a share of one core. */
  readonly cpuPerRequestUs: number;
  readonly cpuShare: number;
}

export type LoadMessage =
  | { readonly type: 'result'; readonly result: LoadResult }
  | { readonly type: 'progress'; readonly done: number }
  | { readonly type: 'failed'; readonly reason: string };

const REQUEST_TIMEOUT_MS = 30_000;
const PROGRESS_EVERY_REQUESTS = 500;

/** Samples of the time that counts: what begins in the warm-up or ends after the deadline is not measured. */
class Measurement {
  readonly samples: Record<Operation, number[]> = { filter: [], create: [], patch: [], get: [] };
  completed = 0;
  requests = 0;
  begunAtMs = 0;
  private cpu: NodeJS.CpuUsage | undefined;

  begin(): void {
    this.begunAtMs = performance.now();
    this.requests = 0;
    this.cpu = process.cpuUsage();
  }

  get running(): boolean {
    return this.cpu !== undefined;
  }

  result(): LoadResult {
    const seconds = (performance.now() - this.begunAtMs) / 1000;
    const used = process.cpuUsage(this.cpu);
    const cpuUs = used.user + used.system;
    const measured = OPERATIONS.filter((operation) => this.samples[operation].length > 0);
    return {
      seconds,
      completed: this.completed,
      operations: Object.fromEntries(measured.map((operation) => [operation, summarise(this.samples[operation])])),
      cpuPerRequestUs: cpuUs / Math.max(1, this.requests),
      cpuShare: cpuUs / 1e6 / seconds,
    };
  }
}

/** Runs `work` on `inFlight` connections until each returns; the first error ends them all. */
const onConnections = async (job: Job, work: (connection: HttpConnection) => Promise<void>): Promise<void> => {
  const connections = Array.from(
    { length: job.inFlight },
    () => new HttpConnection(job.target.host, job.target.port, REQUEST_TIMEOUT_MS),
  );
  try {
    await Promise.all(connections.map(work));
  } finally {
    for (const connection of connections) connection.close();
  }
};

const runCycles = async (job: Job & { kind: 'cycle' }): Promise<LoadResult> => {
  const cycle = new Cycle(job.target, job.constant === true);
  const measurement = new Measurement();
  const warmUpEndsMs = performance.now() + job.warmUpSeconds * 1000;
  const endsMs = warmUpEndsMs + job.seconds * 1000;
  let next = 0;
  let result: LoadResult | undefined;
  await onConnections(job, async (connection) => {
    const timed = async (operation: Operation, request: string) => {
      const startedMs = performance.now();
      const answer = await connection.send(request);
      measurement.requests++;
      if (measurement.running && startedMs >= measurement.begunAtMs && !result) {
        measurement.samples[operation].push(performance.now() - startedMs);
      }
      return answer;
    };
    for (;;) {
      const nowMs = performance.now();
      if (!measurement.running && nowMs >= warmUpEndsMs) measurement.begin();
      if (nowMs >= endsMs) {
        // The first worker past the end takes the result; cycles that are still going on are not counted.
        result ??= measurement.result();
        return;
      }
      const index = next++;
      const userName = userNameOf(job.prefix, index);
      const created = `User ${job.prefix} ${index}`;
      const renamed = `Renamed ${job.prefix} ${index}`;
      cycle.checkNobody(await timed('filter', cycle.filterRequest(userName)));
      const id = cycle.checkCreated(await timed('create', cycle.createRequest(userName, created, index)), created);
      cycle.checkUser(await timed('patch', cycle.patchRequest(id, userName, renamed, index)), id, renamed);
      cycle.checkUser(await timed('get', cycle.getRequest(id)), id, renamed);
      if (measurement.running && !result) measurement.completed++;
    }
  });
  if (!result) throw new Error('no worker reached the end');
  return result;
};

const runCreates = async (job: Job & { kind: 'create' }, progress: (done: number) => void): Promise<LoadResult> => {
  const cycle = new Cycle(job.target, job.constant === true);
  const measurement = new Measurement();
  let next = job.from;
  measurement.begin();
  await onConnections(job, async (connection) => {
    while (next < job.until) {
      const index = next++;
      const displayName = `User ${index}`;
      const startedMs = performance.now();
      const answer = await connection.send(cycle.createRequest(userNameOf(job.prefix, index), displayName, index));
      measurement.samples.create.push(performance.now() - startedMs);
      measurement.requests++;
      cycle.checkCreated(answer, displayName);
      if (++measurement.completed % PROGRESS_EVERY_REQUESTS === 0) progress(measurement.completed);
    }
  });
  return measurement.result();
};

const runFilters = async (job: Job & { kind: 'filter' }): Promise<LoadResult> => {
  const cycle = new Cycle(job.target, job.constant === true);
  const measurement = new Measurement();
  let left = job.requests;
  measurement.begin();
  await onConnections(job, async (connection) => {
    while (left-- > 0) {
      const userName = userNameOf(job.prefix, Math.floor(Math.random() * job.users));
      const startedMs = performance.now();
      const answer = await connection.send(cycle.filterRequest(userName));
      measurement.samples.filter.push(performance.now() - startedMs);
      measurement.requests++;
      measurement.completed++;
      cycle.checkFound(answer, userName);
    }
  });
  return measurement.result();
};

/** One request at a time, whatever the job says of how many. */
const timedGets = async (
  job: Job,
  work: (get: (path: string) => Promise<Answer>) => Promise<void>,
): Promise<LoadResult> => {
  const measurement = new Measurement();
  const { host, port, token } = job.target;
  measurement.begin();
  await onConnections({ ...job, inFlight: 1 }, (connection) =>
    work(async (path) => {
      const startedMs = performance.now();
      const answer = await connection.send(requestText('GET', path, { authority: `${host}:${port}`, token }));
      measurement.samples.get.push(performance.now() - startedMs);
      measurement.requests++;
      measurement.completed++;
      if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.body.slice(0, 500)}`);
      return answer;
    }),
  );
  return measurement.result();
};

const runGets = (job: Job & { kind: 'gets' }): Promise<LoadResult> =>
  timedGets(job, async (get) => {
    for (const { path, contains } of job.gets) {
      const { body } = await get(path);
      if (!body.includes(contains)) throw new Error(`GET ${path}: no ${contains} in ${body.slice(0, 500)}`);
    }
  });

const runWalks = (job: Job & { kind: 'walk' }): Promise<LoadResult> =>
  timedGets(job, async (get) => {
    for (let time = 0; time < job.times; time++) {
      let rows = 0;
      for (let cursor: string | null = ''; cursor !== null;) {
        const { body } = await get(`${job.path}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
        const page = JSON.parse(body) as { readonly items: readonly unknown[]; readonly next: string | null };
        rows += page.items.length;
        cursor = page.next;
      }
      if (rows !== job.rows) throw new Error(`GET ${job.path}: ${rows} rows in all pages, not ${job.rows}`);
    }
  });

const run = (job: Job, progress: (done: number) => void): Promise<LoadResult> => {
  switch (job.kind) {
    case 'cycle':
      return runCycles(job);
    case 'create':
      return runCreates(job, progress);
    case 'filter':
      return runFilters(job);
    case 'gets':
      return runGets(job);
    case 'walk':
      return runWalks(job);
  }
};

const reply = (message: LoadMessage): void => void process.send?.(message);

process.on('message', (job: Job) => {
  run(job, (done) => reply({ type: 'progress', done })).then(
    (result) => reply({ type: 'result', result }),
    (error: unknown) =>
      reply({ type: 'failed', reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
