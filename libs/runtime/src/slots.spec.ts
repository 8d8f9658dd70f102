import { describe, expect, it } from 'vitest';
import { Pace } from './pace.js';
import { NoSlot, Slots } from './slots.js';

const FOREVER_MS = 600_000;

/** Work that ends when the test says so. */
class Works {
  readonly started: string[] = [];
  private readonly ends = new Map<string, PromiseWithResolvers<string>>();

  constructor(private readonly slots: Slots) {}

  run(name: string, key = name): Promise<string> {
    const end = Promise.withResolvers<string>();
    this.ends.set(name, end);
    return this.slots.run(key, () => {
      this.started.push(name);
      return end.promise;
    });
  }

  end(name: string): void {
    this.ends.get(name)!.resolve(name);
  }

  fail(name: string): void {
    this.ends.get(name)!.reject(new Error(name));
  }
}

describe('slots', () => {
  it('are taken in the order of asking, by as many as there are', async () => {
    const works = new Works(
      new Slots({ maxRunning: 2, maxWaiting: 10, maxWaitingPerKey: 10, waitTimeoutMs: FOREVER_MS }),
    );
    const all = ['a', 'b', 'c', 'd', 'e'].map((name) => works.run(name));
    expect(works.started).toEqual(['a', 'b']);
    works.end('b');
    await all[1];
    expect(works.started).toEqual(['a', 'b', 'c']);
    works.fail('a');
    await expect(all[0]).rejects.toThrow('a');
    expect(works.started).toEqual(['a', 'b', 'c', 'd']);
    for (const name of ['e', 'd', 'c']) works.end(name);
    expect(await Promise.all(all.slice(2))).toEqual(['c', 'd', 'e']);
    void works.run('f');
    void works.run('g');
    expect(works.started).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  });

  it('are refused when too many wait', async () => {
    const works = new Works(
      new Slots({ maxRunning: 1, maxWaiting: 1, maxWaitingPerKey: 1, waitTimeoutMs: FOREVER_MS }),
    );
    const [first, second] = [works.run('a'), works.run('b')];
    await expect(works.run('c')).rejects.toThrow(NoSlot);
    works.end('a');
    works.end('b');
    expect(await Promise.all([first, second])).toEqual(['a', 'b']);
  });

  it('are not waited for for ever, and whoever gave up takes none', async () => {
    const works = new Works(new Slots({ maxRunning: 1, maxWaiting: 1, maxWaitingPerKey: 1, waitTimeoutMs: 1 }));
    const first = works.run('a');
    await expect(works.run('b')).rejects.toThrow(NoSlot);
    works.end('a');
    await first;
    const last = works.run('c');
    works.end('c');
    expect(await last).toBe('c');
    expect(works.started).toEqual(['a', 'c']);
  });

  it('are waited for by each for its own time, whoever came before it', async () => {
    const works = new Works(new Slots({ maxRunning: 1, maxWaiting: 10, maxWaitingPerKey: 10, waitTimeoutMs: 20 }));
    const first = works.run('a');
    const second = works.run('b');
    works.end('a');
    await first;
    // The timer that was set for the second one, which waits no more, serves these.
    const waiting = ['c', 'd'].map((name) => works.run(name));
    for (const one of waiting) await expect(one).rejects.toThrow(NoSlot);
    works.end('b');
    expect(await second).toBe('b');
    const last = works.run('e');
    works.end('e');
    expect(await last).toBe('e');
    expect(works.started).toEqual(['a', 'b', 'e']);
  });

  it('are taken in turns by those who wait, and of each key in the order of asking', async () => {
    const works = new Works(
      new Slots({ maxRunning: 1, maxWaiting: 10, maxWaitingPerKey: 10, waitTimeoutMs: FOREVER_MS }),
    );
    const names = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'];
    const all = names.map((name) => works.run(name, name[0]));
    for (let index = 0; index < names.length; index++) {
      works.end(works.started[index]!);
      await Promise.all(works.started.slice(0, index + 1).map((name) => all[names.indexOf(name)]));
    }
    expect(works.started).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
  });

  it('are never all taken by one key, so that another one begins at once', async () => {
    const works = new Works(
      new Slots({ maxRunning: 3, maxWaiting: 10, maxWaitingPerKey: 10, waitTimeoutMs: FOREVER_MS }),
    );
    const all = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((name) => works.run(name, name[0]));
    expect(works.started).toEqual(['a1', 'a2', 'b1']);
    works.end('b1');
    await all[4];
    expect(works.started).toEqual(['a1', 'a2', 'b1', 'b2']);
    works.end('a1');
    await all[0];
    expect(works.started).toEqual(['a1', 'a2', 'b1', 'b2', 'a3']);
    works.end('b2');
    await all[5];
    expect(works.started.at(-1)).toBe('c1');
  });

  it('are fewer for one key while others are here', async () => {
    const pace = new Pace(() => 0);
    const works = new Works(
      new Slots({
        maxRunning: 4,
        besideOthers: { maxRunning: 1, pace },
        maxWaiting: 10,
        maxWaitingPerKey: 10,
        waitTimeoutMs: FOREVER_MS,
      }),
    );
    pace.seen('a');
    const all = [works.run('a1', 'a'), works.run('a2', 'a')];
    pace.seen('b');
    all.push(works.run('a3', 'a'), works.run('b1', 'b'), works.run('b2', 'b'));
    expect(works.started).toEqual(['a1', 'a2', 'b1']);
    works.end('a1');
    await all[0];
    expect(works.started).toEqual(['a1', 'a2', 'b1']);
    works.end('a2');
    await all[1];
    expect(works.started).toEqual(['a1', 'a2', 'b1', 'a3']);
    works.end('b1');
    await all[3];
    expect(works.started.at(-1)).toBe('b2');
    for (const name of ['a3', 'b2']) works.end(name);
    expect(await Promise.all(all)).toHaveLength(5);
  });

  it('are all for one key again when the others have gone: those that wait begin first, in their order', async () => {
    let nowMs = 0;
    const pace = new Pace(() => nowMs);
    const works = new Works(
      new Slots({
        maxRunning: 4,
        besideOthers: { maxRunning: 1, pace },
        maxWaiting: 10,
        maxWaitingPerKey: 10,
        waitTimeoutMs: FOREVER_MS,
      }),
    );
    for (const key of ['b', 'a']) pace.seen(key);
    const all = ['a1', 'a2', 'a3', 'a4', 'a5'].map((name) => works.run(name, 'a'));
    expect(works.started).toEqual(['a1']);
    nowMs = 60_000;
    all.push(works.run('a6', 'a'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(works.started).toEqual(['a1', 'a2', 'a3']);
    works.end('a1');
    await all[0];
    expect(works.started).toEqual(['a1', 'a2', 'a3', 'a4']);
    for (const name of ['a2', 'a3', 'a4', 'a5', 'a6']) works.end(name);
    expect(await Promise.all(all)).toHaveLength(6);
    expect(works.started).toEqual(['a1', 'a2', 'a3', 'a4', 'a5', 'a6']);
  });

  it('are waited for by so many of one key and not more, while others still may', async () => {
    const works = new Works(
      new Slots({ maxRunning: 1, maxWaiting: 2, maxWaitingPerKey: 1, waitTimeoutMs: FOREVER_MS }),
    );
    const all = [works.run('a1', 'a'), works.run('a2', 'a'), works.run('b1', 'b')];
    await expect(works.run('a3', 'a')).rejects.toThrow(NoSlot);
    await expect(works.run('c1', 'c')).rejects.toThrow(NoSlot);
    for (const name of ['a1', 'a2', 'b1']) works.end(name);
    expect(await Promise.all(all)).toEqual(['a1', 'a2', 'b1']);
    const last = works.run('c2', 'c');
    works.end('c2');
    expect(await last).toBe('c2');
  });
});
