/**
 * Things that wait, each of one tenant: taken in turns, one of each tenant after the other, and those of a tenant in
 * their order.
 */
export class FairQueue<T> {
  private readonly waiting = new Map<string, T[]>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  add(tenant: string, item: T): void {
    const mine = this.waiting.get(tenant);
    if (mine) mine.push(item);
    else this.waiting.set(tenant, [item]);
    this.count++;
  }

  take(): T | undefined {
    const [first] = this.waiting;
    if (!first) return undefined;
    const [tenant, mine] = first;
    const item = mine.shift()!;
    // To the end of the line, if it has more.
    this.waiting.delete(tenant);
    if (mine.length > 0) this.waiting.set(tenant, mine);
    this.count--;
    return item;
  }
}
