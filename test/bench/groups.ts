import { readFileSync } from 'node:fs';
import type { SingleBar } from 'cli-progress';
import pg from 'pg';
import type { LoadProcess } from './child.js';
import type { Installation } from './installation.js';
import { median } from './latencies.js';

const MEMBERS = 100_000;
/** Users who are members of nothing: they are added and removed again. */
const SPARE = 1_000;
const LOAD_IN_FLIGHT = 64;
const MEMBERS_IN_PATCH = 100;
/** Entra sends about five at once. */
const IN_FLIGHT = 5;
const ADDS = 300;
const FEW = 20;
const MANY = 1_000;
const PATCHES = 20;
const READERS = 5;

export interface GroupsResult {
  /** A group of 100,000 is built in PATCHes of 100. */
  readonly membersPerSecond: number;
  /** p50 in ms of adding one member, and the ratio of both. */
  readonly addToEmptyMs: number;
  readonly addToLargeMs: number;
  /** p50 in ms of a PATCH that adds so many. */
  readonly patchFewMs: number;
  readonly patchManyMs: number;
  /** Five readers at once, each of the whole group. */
  readonly readSeconds: number;
  readonly readMegabytes: number;
  /** Resident memory of the process that streams, at its peak, above what it was before. */
  readonly readGrowthMegabytes: number;
  readonly bars: readonly { readonly text: string; readonly figure: string; readonly reached: boolean }[];
}

/** Groups of 100,000 members. It needs a fresh installation. */
export const measureGroups = async (muster: Installation, load: LoadProcess, bar: SingleBar): Promise<GroupsResult> => {
  bar.start(2 * MEMBERS, 0, { what: 'users' });
  const ids = await makeUsers(muster, load, bar);
  const members = ids.slice(0, MEMBERS);
  const spare = ids.slice(MEMBERS);
  const groups = new Groups(muster);
  const large = await groups.create('large');
  bar.update({ what: 'members' });
  const startedMs = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (next < MEMBERS) {
        const from = next;
        next += MEMBERS_IN_PATCH;
        await groups.add(large, members.slice(from, from + MEMBERS_IN_PATCH));
        bar.increment(MEMBERS_IN_PATCH);
      }
    }),
  );
  const membersPerSecond = (MEMBERS / (performance.now() - startedMs)) * 1_000;
  bar.update({ what: 'one more' });
  const timed = async (act: () => Promise<void>): Promise<number> => {
    const sinceMs = performance.now();
    await act();
    return performance.now() - sinceMs;
  };
  await muster.idle();
  // One of each in turn, so that both see the same machine. A group is empty when its only member has just left.
  const empty = await groups.create('empty');
  const [toEmpty, toLarge]: [number[], number[]] = [[], []];
  for (let index = 0; index < ADDS; index++) {
    const one = [spare[index % SPARE]!];
    for (const [group, times] of [
      [empty, toEmpty],
      [large, toLarge],
    ] as const) {
      times.push(await timed(() => groups.add(group, one)));
      await groups.remove(group, one);
    }
  }
  const [few, many]: [number[], number[]] = [[], []];
  for (let index = 0; index < PATCHES; index++) {
    for (const [count, times] of [
      [FEW, few],
      [MANY, many],
    ] as const) {
      const some = spare.slice(0, count);
      times.push(await timed(() => groups.add(empty, some)));
      await groups.remove(empty, some);
    }
  }
  bar.update({ what: 'reading' });
  const pid = muster.pidOf('server') ?? muster.pidOf('gateway')!;
  const before = residentMegabytes(pid);
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, residentMegabytes(pid))), 20);
  let bytes = 0;
  const readMs = await timed(async () => {
    const read = await Promise.all(Array.from({ length: READERS }, () => groups.read(large, MEMBERS)));
    bytes = read[0]!;
  });
  clearInterval(timer);
  bar.stop();
  const result = {
    membersPerSecond,
    addToEmptyMs: median(toEmpty.slice(20)),
    addToLargeMs: median(toLarge.slice(20)),
    patchFewMs: median(few.slice(2)),
    patchManyMs: median(many.slice(2)),
    readSeconds: readMs / 1_000,
    readMegabytes: bytes / 1e6,
    readGrowthMegabytes: peak - before,
  };
  return { ...result, bars: judge(result) };
};

const judge = (result: Omit<GroupsResult, 'bars'>): GroupsResult['bars'] => {
  const { membersPerSecond, addToEmptyMs, addToLargeMs, patchFewMs, patchManyMs } = result;
  const one = addToLargeMs / addToEmptyMs;
  const thousand = patchManyMs / patchFewMs;
  return [
    {
      text: `a group of ${MEMBERS.toLocaleString('en')} in PATCHes of ${MEMBERS_IN_PATCH}: at least 10,000 members/s`,
      figure: membersPerSecond.toFixed(0),
      reached: membersPerSecond >= 10_000,
    },
    {
      text: 'one more member of 100,000 against one of none: at most 1.3',
      figure: one.toFixed(2),
      reached: one <= 1.3,
    },
    {
      text: 'a PATCH with 1,000 members against one with 20: at most 15',
      figure: thousand.toFixed(1),
      reached: thousand <= 15,
    },
  ];
};

const makeUsers = async (muster: Installation, load: LoadProcess, bar: SingleBar): Promise<string[]> => {
  const job = {
    kind: 'create',
    target: muster.target,
    prefix: 'member',
    inFlight: LOAD_IN_FLIGHT,
    from: 0,
    until: MEMBERS + SPARE,
  } as const;
  await load.run(job, (done) => bar.update(Math.min(done, MEMBERS)));
  const database = new pg.Client({ connectionString: muster.databaseUrl });
  await database.connect();
  try {
    return (await database.query<{ id: string }>('SELECT id FROM identity.users ORDER BY id')).rows.map(({ id }) => id);
  } finally {
    await database.end();
  }
};

/** Sends what a SCIM client sends. Throws on a wrong answer. */
class Groups {
  private readonly url: string;

  constructor(private readonly muster: Installation) {
    const { host, port, usersPath } = muster.target;
    this.url = `http://${host}:${port}${usersPath.replace(/Users$/, 'Groups')}`;
  }

  async create(displayName: string): Promise<string> {
    const response = await this.send(
      'POST',
      '',
      { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'], displayName },
      201,
    );
    return ((await response.json()) as { id: string }).id;
  }

  /** As Entra sends it. */
  async add(group: string, members: readonly string[]): Promise<void> {
    await this.patch(group, 'Add', members);
  }

  async remove(group: string, members: readonly string[]): Promise<void> {
    await this.patch(group, 'Remove', members);
  }

  /** Returns the length of the answer in bytes. */
  async read(group: string, members: number): Promise<number> {
    const response = await this.send('GET', `/${group}`, undefined, 200);
    let bytes = 0;
    let found = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      // 36 characters of id come once in value and once in $ref; this counts what begins a member, whatever the chunks.
      for (const byte of chunk) if (byte === 0x7b) found++;
    }
    // The group and its meta are objects as well.
    if (found - 2 !== members) throw new Error(`${found - 2} members were read instead of ${members}`);
    return bytes;
  }

  private async patch(group: string, op: string, members: readonly string[]): Promise<void> {
    const value = members.map((id) => ({ $ref: null, value: id }));
    const response = await this.send(
      'PATCH',
      `/${group}`,
      { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: [{ op, path: 'members', value }] },
      204,
    );
    await response.arrayBuffer();
  }

  private async send(method: string, path: string, body: object | undefined, status: number): Promise<Response> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.muster.target.token}`,
        ...(body ? { 'content-type': 'application/scim+json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (response.status !== status)
      throw new Error(`wrong answer to ${method}: ${response.status} ${await response.text()}`);
    return response;
  }
}

export const residentMegabytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

export const renderGroups = (log: string, result: GroupsResult): string =>
  [
    `groups on ${log}:`,
    `  one more member, p50: ${result.addToEmptyMs.toFixed(2)} ms in an empty group, ${result.addToLargeMs.toFixed(2)} ms in one of ${MEMBERS.toLocaleString('en')}`,
    `  a PATCH, p50: ${result.patchFewMs.toFixed(1)} ms with ${FEW} members, ${result.patchManyMs.toFixed(1)} ms with ${MANY.toLocaleString('en')}`,
    `  ${READERS} readers of the whole group at once: ${result.readSeconds.toFixed(1)} s, ${result.readMegabytes.toFixed(1)} MB each; the server grew by ` +
      `${result.readGrowthMegabytes.toFixed(0)} MB meanwhile`,
    ...result.bars.map(({ text, figure, reached }) => `${reached ? 'reached' : 'MISSED '} ${text}: ${figure}`),
  ].join('\n');
