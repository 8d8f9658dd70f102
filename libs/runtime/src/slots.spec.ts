import { describe, expect, it } from 'vitest';
import { NoSlot, Slots } from './slots.js';

const FOREVER_MS = 600_000;

/** Work that ends when the test says so. */
class Works {
  readonly started: string[] = [];
  private readonly ends = new Map<string, PromiseWithResolvers<string>>();

  constructor(private readonly slots: Slots) {}

  run(name: string): Promise<string> {
    const end = Promise.withResolvers<string>();
    this.ends.set(name, end);
    return this.slots.run(() => {
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
    const works = new Works(new Slots({ maxRunning: 2, maxWaiting: 10, waitTimeoutMs: FOREVER_MS }));
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
    const works = new Works(new Slots({ maxRunning: 1, maxWaiting: 1, waitTimeoutMs: FOREVER_MS }));
    const [first, second] = [works.run('a'), works.run('b')];
    await expect(works.run('c')).rejects.toThrow(NoSlot);
    works.end('a');
    works.end('b');
    expect(await Promise.all([first, second])).toEqual(['a', 'b']);
  });

  it('are not waited for for ever, and whoever gave up takes none', async () => {
    const works = new Works(new Slots({ maxRunning: 1, maxWaiting: 1, waitTimeoutMs: 1 }));
    const first = works.run('a');
    await expect(works.run('b')).rejects.toThrow(NoSlot);
    works.end('a');
    await first;
    const last = works.run('c');
    works.end('c');
    expect(await last).toBe('c');
    expect(works.started).toEqual(['a', 'c']);
  });
});
