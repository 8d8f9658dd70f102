import type { SingleBar } from 'cli-progress';
import pg from 'pg';
import { schemaOf } from '#contracts';
import { OWNERS } from '../../apps/muster/src/owners.js';
import type { LoadProcess } from './child.js';
import { residentMegabytes } from './groups.js';
import { until, type Installation } from './installation.js';
import { median, percentile } from './latencies.js';

const WARM_UP_SECONDS = 4;
const WARM_UP_IN_FLIGHT = 16;
const TURN_WARM_UP_SECONDS = 0.3;
const MANY_IN_FLIGHT = 64;
const LAG_SECONDS = 10;
const RECORDED_TIMEOUT_MS = 300_000;
const RATIO_AT_LEAST = 0.85;
const LAG_LESS_THAN_SECONDS = 2;
const CAUGHT_UP_AT_LEAST = 5_000;
/** Catching up begins with as many events at least. */
const EVENTS_AT_LEAST = 40_000;

/** Turns of two installations, one after the other and then the other way round. */
export interface Compared {
  readonly inFlight: number;
  readonly cyclesPerSecond: readonly [without: number, having: number];
  /** Cycles/s with it to those without: the median and the quartiles of all pairs. */
  readonly ratio: number;
  readonly quartiles: readonly [number, number];
  /** Milliseconds of each process for a cycle. */
  readonly processorMs: readonly [Readonly<Record<string, number>>, Readonly<Record<string, number>>];
}

export interface AuditCostResult {
  readonly levels: readonly Compared[];
  /** Seconds from an event to the commit of its entry, while as many requests as possible come. */
  readonly lag: { readonly p50: number; readonly p99: number; readonly most: number };
  /** The process of audit stands still; null = it has none of its own. */
  readonly away: (Compared & { readonly faceGrewMegabytes: number }) | null;
  readonly caughtUp: { readonly entries: number; readonly perSecond: number };
  readonly bars: readonly { readonly text: string; readonly figure: string; readonly reached: boolean }[];
}

export interface AuditCostOptions {
  readonly seconds: number;
  readonly rounds: number;
  readonly inFlight: readonly number[];
}

/**
 * What the audit log costs: two installations in turns, one of them without it. Then the one without it is started once
 * more, and with it (`restart`): everything that was written until then becomes entries.
 */
export const measureAuditCost = async (
  [without, having]: readonly [Installation, Installation],
  restart: () => Promise<Installation>,
  load: LoadProcess,
  options: AuditCostOptions,
  bar: SingleBar,
): Promise<AuditCostResult> => {
  const pair = new Pair(without, having, load, options, bar);
  bar.start(options.inFlight.length * options.rounds, 0, { what: 'warm-up' });
  await pair.warmUp();
  const levels: Compared[] = [];
  for (const inFlight of options.inFlight) levels.push(await pair.compare(inFlight));
  bar.update({ what: 'lag' });
  const lag = await lagOf(having, load);
  const away = having.pidOf('audit') === undefined ? null : await pair.compareAway();
  bar.update({ what: 'catching up' });
  await without.thaw();
  await fill(without, load);
  await without.stop();
  const caughtUp = await speedOf(await restart());
  bar.stop();
  const many = levels.find(({ inFlight }) => inFlight === MANY_IN_FLIGHT);
  return {
    levels,
    lag,
    away,
    caughtUp,
    bars: [
      ...(many
        ? [atLeast(`cycles/s at ${MANY_IN_FLIGHT} in flight, to those without`, many.ratio, RATIO_AT_LEAST)]
        : []),
      {
        text: `an event is an entry within ${LAG_LESS_THAN_SECONDS} s`,
        figure: `${lag.most.toFixed(2)} s`,
        reached: lag.most < LAG_LESS_THAN_SECONDS,
      },
      ...(away ? [atLeast('cycles/s while audit stands still, to those without', away.ratio, RATIO_AT_LEAST)] : []),
      atLeast('entries/s when it catches up', caughtUp.perSecond, CAUGHT_UP_AT_LEAST),
    ],
  };
};

const atLeast = (text: string, figure: number, least: number): AuditCostResult['bars'][number] => ({
  text: `${text}: at least ${least.toLocaleString('en')}`,
  figure: figure < 10 ? figure.toFixed(3) : Math.round(figure).toLocaleString('en'),
  reached: figure >= least,
});

interface Turn {
  readonly perSecond: number;
  readonly processorMs: Readonly<Record<string, number>>;
}

/** Both run frozen, but for the one whose turn it is. */
class Pair {
  private turns = 0;

  constructor(
    private readonly without: Installation,
    private readonly having: Installation,
    private readonly load: LoadProcess,
    private readonly options: AuditCostOptions,
    private readonly bar: SingleBar,
  ) {}

  async warmUp(): Promise<void> {
    for (const one of [this.without, this.having, this.without, this.having])
      await this.turn(one, WARM_UP_IN_FLIGHT, WARM_UP_SECONDS);
  }

  async compare(inFlight: number, prepare?: (having: Installation) => void): Promise<Compared> {
    const pairs: (readonly [Turn, Turn])[] = [];
    for (let round = 0; round < this.options.rounds; round++) {
      this.bar.update({ what: `${inFlight} in flight` });
      const first = round % 2 === 0 ? await this.turn(this.without, inFlight) : undefined;
      const having = await this.turn(this.having, inFlight, this.options.seconds, prepare);
      pairs.push([first ?? (await this.turn(this.without, inFlight)), having]);
      if (!prepare) this.bar.increment();
    }
    const ratios = Float64Array.from(pairs, ([without, having]) => having.perSecond / without.perSecond).sort();
    const middle = (of: 0 | 1): Turn => ({
      perSecond: median(pairs.map((pair) => pair[of].perSecond)),
      processorMs: Object.fromEntries(
        Object.keys(pairs[0]![of].processorMs).map((name) => [
          name,
          median(pairs.map((pair) => pair[of].processorMs[name] ?? Number.NaN)),
        ]),
      ),
    });
    const [without, having] = [middle(0), middle(1)];
    return {
      inFlight,
      cyclesPerSecond: [without.perSecond, having.perSecond],
      ratio: median([...ratios]),
      quartiles: [percentile(ratios, 0.25), percentile(ratios, 0.75)],
      processorMs: [without.processorMs, having.processorMs],
    };
  }

  async compareAway(): Promise<Compared & { readonly faceGrewMegabytes: number }> {
    const before = residentMegabytes(this.having.pidOf('gateway')!);
    const compared = await this.compare(MANY_IN_FLIGHT, (having) => having.pause('audit'));
    return { ...compared, faceGrewMegabytes: residentMegabytes(this.having.pidOf('gateway')!) - before };
  }

  private async turn(
    muster: Installation,
    inFlight: number,
    seconds = this.options.seconds,
    prepare?: (muster: Installation) => void,
  ): Promise<Turn> {
    await muster.thaw();
    prepare?.(muster);
    const before = muster.processorMs();
    const result = await this.load.run({
      kind: 'cycle',
      target: muster.target,
      inFlight,
      prefix: `a${this.turns++}`,
      warmUpSeconds: TURN_WARM_UP_SECONDS,
      seconds,
    });
    const after = muster.processorMs();
    // A process that was stopped in the middle of a transaction would hold it open.
    if (prepare) await muster.thaw();
    await muster.freeze();
    // The load is warmed up at the same rate.
    const cycles = (result.completed / result.seconds) * (seconds + TURN_WARM_UP_SECONDS);
    return {
      perSecond: result.completed / result.seconds,
      processorMs: Object.fromEntries(
        Object.entries(after).map(([name, ms]) => [name, (ms - (before[name] ?? 0)) / cycles]),
      ),
    };
  }
}

const withDatabase = async <T>(muster: Installation, work: (database: pg.Client) => Promise<T>): Promise<T> => {
  const database = new pg.Client({ connectionString: muster.databaseUrl });
  await database.connect();
  try {
    return await work(database);
  } finally {
    await database.end();
  }
};

const untilRecorded = (muster: Installation): Promise<void> =>
  withDatabase(muster, (database) =>
    until(
      'all events are entries',
      async () => {
        // They are counted first, so that they are never more than the events.
        const entries = await count(database, 'audit.entries');
        let events = 0;
        for (const { name } of OWNERS) events += await count(database, `${schemaOf(name)}.events`);
        return entries === events;
      },
      RECORDED_TIMEOUT_MS,
    ),
  );

const lagOf = async (muster: Installation, load: LoadProcess): Promise<AuditCostResult['lag']> => {
  await muster.thaw();
  await untilRecorded(muster);
  const since = new Date();
  await load.run({
    kind: 'cycle',
    target: muster.target,
    inFlight: MANY_IN_FLIGHT,
    prefix: 'lag',
    warmUpSeconds: TURN_WARM_UP_SECONDS,
    seconds: LAG_SECONDS,
  });
  await untilRecorded(muster);
  // A checkpoint is signed right before the commit of its entries.
  const lag = await withDatabase(muster, async (database) => {
    const { rows } = await database.query<{ lag: [number, number, number] }>(
      `SELECT percentile_disc(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM c.signed_at - e.recorded_at)::float8) AS lag
       FROM audit.entries e CROSS JOIN LATERAL (
         SELECT signed_at FROM audit.checkpoints WHERE tenant = e.tenant AND size > e.number ORDER BY size LIMIT 1
       ) AS c WHERE e.recorded_at >= $1`,
      [since],
    );
    return rows[0]!.lag;
  });
  await muster.freeze();
  return { p50: lag[0], p99: lag[1], most: lag[2] };
};

const fill = async (muster: Installation, load: LoadProcess): Promise<void> => {
  const until = EVENTS_AT_LEAST - (await withDatabase(muster, (database) => count(database, 'identity.events')));
  const job = { kind: 'create', target: muster.target, prefix: 'fill', inFlight: MANY_IN_FLIGHT, from: 0 } as const;
  if (until > 0) await load.run({ ...job, until });
};

const count = async (database: pg.Client, table: string): Promise<number> =>
  (await database.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table}`)).rows[0]!.count;

/** From the first to the last checkpoint of the tenant that has most. */
const speedOf = async (muster: Installation): Promise<AuditCostResult['caughtUp']> => {
  await untilRecorded(muster);
  return withDatabase(muster, async (database) => {
    const { rows } = await database.query<{ entries: number; seconds: number }>(
      `SELECT (max(size) - min(size))::float8 AS entries, extract(epoch FROM max(signed_at) - min(signed_at))::float8 AS seconds
       FROM audit.checkpoints GROUP BY tenant ORDER BY 1 DESC LIMIT 1`,
    );
    const { entries, seconds } = rows[0]!;
    return { entries, perSecond: entries / seconds };
  });
};

export const renderAuditCost = (log: string, { levels, lag, away, caughtUp, bars }: AuditCostResult): string => {
  const times = ({ processorMs: [without, having] }: Compared): string =>
    Object.entries(having)
      .map(
        ([name, ms]) =>
          `${name} ${without[name] === undefined ? '' : `${without[name].toFixed(2)} → `}${ms.toFixed(2)}`,
      )
      .join(', ');
  const compared = (one: Compared): string => {
    const [without, having] = one.cyclesPerSecond;
    const [low, high] = one.quartiles;
    return (
      `${without.toFixed(0)} → ${having.toFixed(0)} cycles/s, ratio ${one.ratio.toFixed(3)} (${low.toFixed(2)}–${high.toFixed(2)})\n` +
      `    processor time of a cycle in ms: ${times(one)}`
    );
  };
  return [
    `the audit log on ${log}, without → with it:`,
    ...levels.map((level) => `  ${level.inFlight} in flight: ${compared(level)}`),
    `  an event is an entry after ${lag.p50.toFixed(2)} s (p50), ${lag.p99.toFixed(2)} s (p99), ${lag.most.toFixed(2)} s at most`,
    ...(away
      ? [
          `  its process stands still: ${compared(away)}\n    the gateway grew by ${away.faceGrewMegabytes.toFixed(0)} MB`,
        ]
      : []),
    `  after a start it makes ${Math.round(caughtUp.entries).toLocaleString('en')} entries, ${Math.round(caughtUp.perSecond).toLocaleString('en')}/s`,
    ...bars.map(({ text, figure, reached }) => `  ${reached ? 'reached' : 'MISSED '} ${text}: ${figure}`),
  ].join('\n');
};
