import type { Pace } from './pace.js';
import { NoSlot } from './slots.js';

export interface RoomOptions {
  /** The room of one key. */
  readonly maxSize: number;
  /** The same while others are here. */
  readonly maxSizeBesideOthers: number;
  /** The number of one key that may be in and wait, together. */
  readonly maxHere: number;
  readonly waitTimeoutMs: number;
}

interface Place {
  /** The number of those that are in. Their sizes may be fractions, whose sum does not come back to 0. */
  count: number;
  size: number;
  readonly waiting: { readonly size: number; readonly resolve: () => void }[];
}

/**
 * Limits how much of each key is under way at once; the rest waits, in the order of asking. Work that is alone is
 * always let in, whatever its size.
 */
export class Room {
  private readonly places = new Map<string, Place>();

  constructor(
    private readonly pace: Pace,
    private readonly options: RoomOptions,
  ) {}

  /** undefined = it has been let in at once. Throws NoSlot; otherwise `leave` is called once with the same size. */
  enter(key: string, size: number): Promise<void> | undefined {
    let place = this.places.get(key);
    if (!place) this.places.set(key, (place = { count: 0, size: 0, waiting: [] }));
    const { maxHere } = this.options;
    if (place.count + place.waiting.length >= maxHere)
      return Promise.reject(new NoSlot(`${maxHere} are under way already`));
    if (place.waiting.length === 0 && this.fits(key, place, size)) {
      take(place, size);
      return undefined;
    }
    return this.wait(place, size);
  }

  leave(key: string, size: number): void {
    const place = this.places.get(key)!;
    place.count--;
    place.size = place.count === 0 ? 0 : place.size - size;
    for (let next = place.waiting[0]; next && this.fits(key, place, next.size); next = place.waiting[0]) {
      place.waiting.shift();
      take(place, next.size);
      next.resolve();
    }
    if (place.count === 0) this.places.delete(key);
  }

  private fits(key: string, place: Place, size: number): boolean {
    return (
      place.count === 0 ||
      place.size + size <= this.options.maxSizeBesideOthers ||
      (place.size + size <= this.options.maxSize && !this.pace.hasOthers(key))
    );
  }

  private wait({ waiting }: Place, size: number): Promise<void> {
    const { waitTimeoutMs } = this.options;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(new NoSlot(`there was no room in ${waitTimeoutMs} ms`));
      }, waitTimeoutMs).unref();
      const waiter = {
        size,
        resolve: (): void => {
          clearTimeout(timer);
          resolve();
        },
      };
      waiting.push(waiter);
    });
  }
}

const take = (place: Place, size: number): void => {
  place.count++;
  place.size += size;
};
