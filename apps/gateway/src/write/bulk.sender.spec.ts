import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBulk, Rejected, type BulkRequest, type BulkWrite } from '#scim';
import { finished } from '../../../../test/support/finished.js';
import { sendBulk, type BulkAnswer, type Writer, type Written } from './bulk.sender.js';

interface Stored {
  readonly type: string;
  version: number;
  name: string;
  manager: string | undefined;
  members: string[];
}
type Data = {
  userName?: string;
  displayName?: string;
  manager?: string;
  members?: { value: string }[];
  Operations?: { value: Data | { value: string }[] }[];
};

/**
 * The owners in small: names are unique, members and nothing else have to exist, and a group cannot contain itself. A
 * write is decided when it is begun, and answered some turns later.
 */
class Store {
  readonly resources = new Map<string, Stored>();
  readonly writes: string[] = [];
  underWay = 0;
  mostUnderWay = 0;
  private nextId = 0;

  constructor(
    private readonly delays: readonly number[] = [0],
    private readonly known: Readonly<Record<string, string>> = {},
  ) {
    for (const id of ['u1', 'u2'])
      this.resources.set(id, { type: 'User', version: 1, name: id, manager: undefined, members: [] });
    this.resources.set('g1', { type: 'Group', version: 1, name: 'g1', manager: undefined, members: ['u1'] });
  }

  readonly write: Writer = async (write) => {
    let decided: Written | Error;
    try {
      decided = this.decide(write);
    } catch (error) {
      decided = error as Error;
    }
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    for (let turns = this.delays[this.writes.length % this.delays.length]!; turns > 0; turns--) await Promise.resolve();
    this.underWay--;
    if (decided instanceof Error) throw decided;
    return decided;
  };

  decide({ method, definition: { name: type }, target, version, data }: BulkWrite): Written {
    this.writes.push(`${method} ${type}`);
    const body = (data ?? {}) as Data;
    if (method === 'POST') {
      const name = body.userName ?? body.displayName ?? '';
      const linked = this.known[name];
      if (!linked && [...this.resources.values()].some((other) => other.type === type && other.name === name))
        throw new Rejected('uniqueness', `${name} is taken`);
      const id = linked ?? `new${this.nextId++}`;
      const made: Stored = { type, version: 1, name, manager: body.manager, members: [] };
      this.add(made, id, body.members ?? []);
      this.resources.set(id, made);
      return { id, version: 1, isNew: !linked };
    }
    const stored = this.resources.get(target!);
    if (!stored || stored.type !== type) throw new Rejected('notFound', `${target} is not there`);
    if (version !== undefined && version !== `W/"${stored.version}"`)
      throw new Rejected('preconditionFailed', 'changed');
    if (method === 'DELETE') {
      this.resources.delete(target!);
      for (const other of this.resources.values()) other.members = other.members.filter((member) => member !== target);
      return { id: target!, version: null, isNew: false };
    }
    const changed: Stored = { ...stored, members: [...stored.members], version: stored.version + 1 };
    if (method === 'PUT') {
      Object.assign(changed, { name: body.userName ?? body.displayName ?? '', manager: body.manager, members: [] });
      this.add(changed, target!, body.members ?? []);
    } else {
      for (const { value } of body.Operations!) {
        if (Array.isArray(value)) this.add(changed, target!, value);
        else {
          changed.manager = value.manager ?? changed.manager;
          this.add(changed, target!, value.members ?? []);
        }
      }
    }
    this.resources.set(target!, changed);
    return { id: target!, version: changed.version, isNew: false };
  }

  private add(group: Stored, id: string, members: readonly { value: string }[]): void {
    for (const { value } of members) {
      if (!this.resources.has(value)) throw new Rejected('invalidValue', `${value} is not there`);
      if (value === id || this.contains(value, id)) throw new Rejected('invalidValue', `${value} would contain itself`);
      if (!group.members.includes(value)) group.members.push(value);
    }
  }

  private contains(group: string, id: string): boolean {
    return (this.resources.get(group)?.members ?? []).some((member) => member === id || this.contains(member, id));
  }
}

const request = (operations: readonly unknown[], failOnErrors: number | null = null): BulkRequest =>
  finished(parseBulk({ Operations: operations, failOnErrors }, 1_000));
const LIMITS = {
  maxWrites: 4,
  maxBytes: 10_000,
  maxBytesEach: 10_000,
  countedBytes: (bytes: number): number => bytes,
  requireToken: async (): Promise<void> => undefined,
};
const send = (
  operations: readonly unknown[],
  store: Store,
  failOnErrors: number | null = null,
  together = 4,
): Promise<BulkAnswer[]> =>
  sendBulk(request(operations, failOnErrors), store.write, { ...LIMITS, maxWrites: together });
const ALONE = { ...LIMITS, maxWrites: 1 };
const codes = (answers: readonly BulkAnswer[]): unknown[] =>
  answers.map(({ result }) => (result instanceof Rejected ? result.code : (result.version ?? 'gone')));
const user = (bulkId: string, data: object = {}): object => ({
  method: 'POST',
  path: '/Users',
  bulkId,
  data: { userName: bulkId, ...data },
});
const group = (bulkId: string, ...members: string[]): object => ({
  method: 'POST',
  path: '/Groups',
  bulkId,
  data: { displayName: bulkId, members: members.map((value) => ({ value })) },
});

describe('a bulk request', () => {
  it('is answered in the order of the request, whatever was done first', async () => {
    const store = new Store();
    const answers = await send([group('g', 'bulkId:a'), user('a'), { method: 'DELETE', path: '/Users/u1' }], store);
    expect(answers.map(({ operation: { index } }) => index)).toEqual([0, 1, 2]);
    expect(store.writes).toEqual(['POST User', 'POST Group', 'DELETE User']);
    expect(codes(answers)).toEqual([1, 1, 'gone']);
  });

  it('goes on after errors; what refers to one that failed is not attempted, and says to whom', async () => {
    const store = new Store();
    const answers = await send(
      [
        user('u1'),
        group('g', 'bulkId:u1'),
        { method: 'DELETE', path: '/Groups/bulkId:g' },
        user('b'),
        { method: 'GET' },
      ],
      store,
    );
    expect(codes(answers)).toEqual(['uniqueness', 'conflict', 'conflict', 1, 'invalidSyntax']);
    expect((answers[1]!.result as Rejected).detail).toContain('bulkId:u1');
    expect(store.writes).toEqual(['POST User', 'POST User']);
  });

  it('ends after failOnErrors errors, and does not begin what comes after', async () => {
    const operations = [user('a'), user('u1'), { method: 'GET' }, user('b'), user('u2')];
    expect(codes(await send(operations, new Store(), 1))).toEqual([1, 'uniqueness']);
    const store = new Store();
    expect(codes(await send(operations, store, 2, 10))).toEqual([1, 'uniqueness', 'invalidSyntax']);
    expect(store.resources.size).toBe(4);
    expect(codes(await send(operations, new Store(), 4))).toEqual([1, 'uniqueness', 'invalidSyntax', 1, 'uniqueness']);
  });

  it('has as many writes under way as it may, and no more', async () => {
    const store = new Store([3]);
    await send(
      Array.from({ length: 20 }, (_, index) => user(`${index}`)),
      store,
      null,
      7,
    );
    expect(store.mostUnderWay).toBe(7);
  });

  it('has as many bytes under way as it may, and one write in any case', async () => {
    const bytes = Buffer.byteLength(JSON.stringify({ userName: '10' }));
    for (const [maxBytes, most] of [
      [bytes * 3, 3],
      [bytes * 3 - 1, 2],
      [1, 1],
    ] as const) {
      const store = new Store([3]);
      const operations = Array.from({ length: 10 }, (_, index) => user(`${index + 10}`));
      expect(codes(await sendBulk(request(operations), store.write, { ...LIMITS, maxWrites: 7, maxBytes }))).toEqual(
        Array(10).fill(1),
      );
      expect(store.mostUnderWay).toBe(most);
    }
  });

  it('stops where nobody can say what became of a write, and says so for the rest', async () => {
    let writes = 0;
    const away: Writer = () =>
      ++writes === 2
        ? Promise.reject(new Rejected('unavailable', 'away'))
        : Promise.resolve({ id: 'x', version: 1, isNew: true });
    const answers = await sendBulk(request([user('a'), user('b'), user('c'), group('g')]), away, ALONE);
    expect(codes(answers)).toEqual([1, 'unavailable', 'unavailable', 'unavailable']);
    expect(writes).toBe(2);
    expect((answers[3]!.result as Rejected).detail).toContain('not attempted');
  });

  it('begins nothing when its token is no longer good, and says so for each operation that is left', async () => {
    for (const allowed of [0, 1, 2]) {
      const store = new Store();
      let asked = 0;
      const revoked = new Rejected('unauthorized', 'The token has been revoked.');
      const requireToken = (): Promise<void> => (++asked > allowed ? Promise.reject(revoked) : Promise.resolve());
      const answers = await sendBulk(request(['a', 'b', 'c', 'd', 'e'].map((name) => user(name))), store.write, {
        ...LIMITS,
        maxWrites: 2,
        requireToken,
      });
      expect(codes(answers)).toEqual(
        Array.from({ length: 5 }, (_, index) => (index < allowed * 2 ? 1 : 'unauthorized')),
      );
      expect(store.writes).toHaveLength(allowed * 2);
      expect((answers[4]!.result as Rejected).detail).toBe('It was not attempted: The token has been revoked.');
    }
  });

  it('refuses an operation that is too long, with whatever is in it, before its references are resolved and after', async () => {
    const limits = { ...LIMITS, maxBytesEach: 300 };
    const references = (count: number): object => ({
      method: 'PATCH',
      path: '/Groups/g1',
      data: {
        Operations: [
          { op: 'add', path: 'members', value: Array.from({ length: count }, () => ({ value: 'bulkId:a' })) },
        ],
      },
    });
    const long = { method: 'DELETE', path: '/Users/u1', version: 'x'.repeat(400) };
    const ids: Writer = async ({ method }) => ({
      id: method === 'POST' ? '01980000-0000-7000-8000-000000000001' : 'g1',
      version: 1,
      isNew: true,
    });
    const answers = await sendBulk(
      request([user('a'), references(3), references(6), references(100), long]),
      ids,
      limits,
    );
    expect(codes(answers)).toEqual([1, 1, 'tooLarge', 'tooLarge', 'tooLarge']);
  });

  it('is ended by a fault of ours', async () => {
    await expect(sendBulk(request([user('a')]), () => Promise.reject(new TypeError('ours')), ALONE)).rejects.toThrow(
      'ours',
    );
  });

  it('whose operations take long to read lets others have their turn in between, also when one has failed meanwhile', async () => {
    const turns: number[] = [];
    let [turn, isOver] = [0, false];
    const count = (): void => void (isOver || (turn++, setImmediate(count)));
    setImmediate(count);
    const readLong = (bytes: number): number => {
      for (const endMs = performance.now() + 5; performance.now() < endMs;);
      return bytes;
    };
    const failing: Writer = () => {
      turns.push(turn);
      return Promise.reject(new TypeError('ours'));
    };
    const operations = ['a', 'b', 'c', 'd'].map((name) => user(name));
    await expect(
      sendBulk(request(operations), failing, { ...LIMITS, maxWrites: 4, maxBytes: 1_000_000, countedBytes: readLong }),
    ).rejects.toThrow('ours');
    isOver = true;
    expect(new Set(turns).size).toBe(4);
  });
});

describe('a circle', () => {
  it('is left as it is when its token is no longer good, and says what stays', async () => {
    const store = new Store();
    let asked = 0;
    const requireToken = (): Promise<void> =>
      ++asked > 2 ? Promise.reject(new Rejected('unauthorized', 'revoked')) : Promise.resolve();
    const answers = await sendBulk(
      request([user('a', { manager: 'bulkId:b' }), user('b', { manager: 'bulkId:a' })]),
      store.write,
      { ...LIMITS, requireToken },
    );
    expect(codes(answers)).toEqual(['unauthorized', 'unauthorized']);
    expect(store.writes).toEqual(['POST User', 'POST User']);
    expect(answers.map(({ result }) => (result as Rejected).detail)).toEqual([
      expect.stringContaining('new0 stays'),
      expect.stringContaining('new1 stays'),
    ]);
  });

  it('repeats of a long bulkId only the beginning: each of a thousand answers names the one that failed', async () => {
    const long = 'x'.repeat(5_000);
    const answers = await send(
      [user('a', { manager: `bulkId:${long}` }), user(long, { manager: 'bulkId:a', userName: 'u1' })],
      new Store(),
    );
    expect(codes(answers)).toEqual(['conflict', 'uniqueness']);
    for (const { result } of answers) expect((result as Rejected).detail.length).toBeLessThan(400);
  });

  it('is resolved: all refer to each other in the end', async () => {
    const store = new Store();
    const answers = await send(
      [
        user('a', { manager: 'bulkId:c' }),
        user('b', { manager: 'bulkId:a' }),
        user('c', { manager: 'bulkId:b' }),
        user('self', { manager: 'bulkId:self' }),
        group('g', 'bulkId:a'),
      ],
      store,
    );
    const [a, b, c, self, g] = answers.map(({ result }) => (result as Written).id) as [
      string,
      string,
      string,
      string,
      string,
    ];
    expect([a, b, c, self].map((id) => store.resources.get(id)!.manager)).toEqual([c, a, b, self]);
    expect(store.resources.get(g)!.members).toEqual([a]);
    expect(codes(answers)).toEqual([2, 1, 1, 2, 1]);
  });

  it('with one that fails leaves nothing behind, and everything in it and after it fails', async () => {
    const store = new Store();
    const before = structuredClone(store.resources);
    const answers = await send(
      [user('a', { manager: 'bulkId:u1' }), user('u1', { manager: 'bulkId:a' }), group('g', 'bulkId:a')],
      store,
    );
    expect(codes(answers)).toEqual(['conflict', 'uniqueness', 'conflict']);
    expect((answers[0]!.result as Rejected).detail).toContain('bulkId:u1');
    expect(store.resources).toEqual(before);
  });

  it('whose last step fails leaves nothing behind either', async () => {
    const store = new Store();
    const before = structuredClone(store.resources);
    const owned = {
      method: 'POST',
      path: '/Groups',
      bulkId: 'h',
      data: { displayName: 'h', owner: 'bulkId:g', members: [{ value: 'bulkId:g' }] },
    };
    const answers = await send([group('g', 'bulkId:h'), owned], store);
    expect(codes(answers)).toEqual(['invalidValue', 'conflict']);
    expect(store.writes).toEqual(['POST Group', 'POST Group', 'PATCH Group', 'DELETE Group', 'DELETE Group']);
    expect(store.resources).toEqual(before);
  });

  it('does not delete who was there before, and says who stays', async () => {
    const store = new Store([0], { a: 'u2' });
    const answers = await send([user('a', { manager: 'bulkId:u1' }), user('u1', { manager: 'bulkId:a' })], store);
    expect(codes(answers)).toEqual(['conflict', 'uniqueness']);
    expect((answers[0]!.result as Rejected).detail).toContain('u2 stays');
    expect(store.resources.has('u2')).toBe(true);
  });

  it('of groups is refused without a write', async () => {
    const store = new Store();
    expect(codes(await send([group('a', 'bulkId:b'), group('b', 'bulkId:a'), group('c', 'bulkId:a')], store))).toEqual([
      'conflict',
      'conflict',
      'conflict',
    ]);
    expect(store.writes).toEqual([]);
  });
});

/** Random operations that refer to what was made before, or to anything. */
const operations = (isForward: boolean) =>
  fc.integer({ min: 1, max: 15 }).chain((size) =>
    fc.tuple(
      ...Array.from({ length: size }, (_, index) => {
        const reference = isForward
          ? fc.integer({ min: 0, max: size - 1 })
          : fc.integer({ min: 0, max: Math.max(0, index - 1) });
        const id = fc.oneof(
          fc.constantFrom('u1', 'u2', 'g1', 'nobody'),
          reference.map((at) => (!isForward && index === 0 ? 'u1' : `bulkId:${at}`)),
        );
        const members = fc.array(
          id.map((value) => ({ value })),
          { maxLength: 2 },
        );
        const name = fc.constantFrom('a', 'b', 'c', 'd', 'u1');
        const version = fc.constantFrom(undefined, undefined, 'W/"1"', 'W/"2"');
        return fc.oneof(
          {
            weight: 3,
            arbitrary: fc.record({
              method: fc.constant('POST'),
              path: fc.constant('/Users'),
              bulkId: fc.constant(`${index}`),
              data: fc.record({ userName: name, manager: id }),
            }),
          },
          {
            weight: 2,
            arbitrary: fc.record({
              method: fc.constant('POST'),
              path: fc.constant('/Groups'),
              bulkId: fc.constant(`${index}`),
              data: fc.record({ displayName: name, members }),
            }),
          },
          fc.record({
            method: fc.constant('PATCH'),
            path: id.map((to) => `/Groups/${to}`),
            version,
            data: members.map((value) => ({ Operations: [{ op: 'add', path: 'members', value }] })),
          }),
          fc.record({
            method: fc.constant('PUT'),
            path: id.map((to) => `/Users/${to}`),
            version,
            data: fc.record({ userName: name, manager: id }),
          }),
          fc.record({
            method: fc.constant('DELETE'),
            path: fc.tuple(fc.constantFrom('/Users', '/Groups'), id).map(([type, to]) => `${type}/${to}`),
            version,
          }),
          fc.constant({ method: 'GET' }),
        );
      }),
    ),
  );

/**
 * One after the other as they stand, each reference looked up in what was made so far. Only for those that refer to
 * what was before them.
 */
const naive = ({ operations: all }: BulkRequest, store: Store): unknown[] => {
  const ids: Record<string, string> = {};
  return all.map(({ write, bulkId }) => {
    if (write instanceof Rejected) return write.code;
    let isLost = false;
    const replace = (text: string): string =>
      text.replaceAll(/bulkId:(\d+)/g, (_, made: string) => ids[made] ?? ((isLost = true), ''));
    const [target, data] = JSON.parse(replace(JSON.stringify([write.target, write.data ?? null]))) as [
      string | null,
      unknown,
    ];
    if (isLost) return 'conflict';
    try {
      const { id, version } = store.decide({ ...write, target, data });
      if (write.method === 'POST') ids[bulkId!] = id;
      return version ?? 'gone';
    } catch (error) {
      return (error as Rejected).code;
    }
  });
};

describe('random requests', () => {
  it('that refer backwards end as if each operation had been sent alone, however many are under way and whenever they are answered', async () => {
    await fc.assert(
      fc.asyncProperty(
        operations(false),
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.nat(4), { minLength: 1 }),
        async (given, together, delays) => {
          const [store, model] = [new Store(delays), new Store()];
          expect(codes(await send(given, store, null, together))).toEqual(naive(request(given), model));
          expect([...store.resources]).toEqual([...model.resources]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('with failOnErrors end where the same without it has so many errors', async () => {
    await fc.assert(
      fc.asyncProperty(operations(false), fc.integer({ min: 1, max: 4 }), async (given, limit) => {
        const all = codes(await send(given, new Store()));
        const last =
          all.flatMap((code, index) => (typeof code === 'string' && code !== 'gone' ? [index] : []))[limit - 1] ??
          all.length;
        expect(codes(await send(given, new Store(), limit))).toEqual(all.slice(0, last + 1));
      }),
      { numRuns: 300 },
    );
  });

  it('that refer anywhere have one answer each, leave nothing of what failed, and no reference unresolved', async () => {
    await fc.assert(
      fc.asyncProperty(operations(true), fc.integer({ min: 1, max: 6 }), async (given, together) => {
        const store = new Store();
        const answers = await send(given, store, null, together);
        expect(answers.map(({ operation: { index } }) => index)).toEqual(given.map((_, index) => index));
        expect(JSON.stringify([...store.resources])).not.toContain('bulkId:');
        const made = answers.flatMap(({ operation: { method }, result }) =>
          method === 'POST' && !(result instanceof Rejected) ? [result.id] : [],
        );
        for (const id of store.resources.keys()) expect(['u1', 'u2', 'g1', ...made]).toContain(id);
        for (const { operation, result } of answers) {
          if (!(result instanceof Rejected)) expect(result.version === null).toBe(operation.method === 'DELETE');
        }
      }),
      { numRuns: 500 },
    );
  });
});
