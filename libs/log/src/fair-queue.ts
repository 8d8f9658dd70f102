/**
 * A queue of things that each belong to one tenant: tenants take turns, and the things of one tenant keep their order.
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
    // A tenant that has more goes to the end of the line.
    this.waiting.delete(tenant);
    if (mine.length > 0) this.waiting.set(tenant, mine);
    this.count--;
    return item;
  }
}
