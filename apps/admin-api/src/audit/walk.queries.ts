/** One step of a walk: the rows that were wanted among those that were looked at. */
export interface Stretch<Row, Place> {
  readonly found: readonly Row[];
  /** The last row that was looked at; null = there are no more. */
  readonly reached: Place | null;
}

export interface Walked<Row, Place> {
  readonly items: readonly Row[];
  /** The walk goes on behind it; null = it came to its end. */
  readonly reached: Place | null;
}

/** The time that one page may take. */
const WALK_MS = 1_000;
/** For `isTimeUp`, from now on. */
export const timeIsUp = (): (() => boolean) => {
  const end = performance.now() + WALK_MS;
  return () => performance.now() > end;
};

/**
 * Looks for `limit` rows, stretch by stretch, and ends when `isTimeUp` says so: what is rare among a million rows is then
 * found by the pages that follow, each of which takes no longer than this one. At least one stretch is looked at.
 */
export const walk = async <Row, Place>(
  start: Place,
  limit: number,
  {
    stretch,
    placeOf,
    isTimeUp,
  }: {
    readonly stretch: (behind: Place, wanted: number) => Promise<Stretch<Row, Place>>;
    readonly placeOf: (row: Row) => Place;
    readonly isTimeUp: () => boolean;
  },
): Promise<Walked<Row, Place>> => {
  const items: Row[] = [];
  for (let behind = start; ;) {
    // One more than is wanted says whether there is another page.
    const { found, reached } = await stretch(behind, limit - items.length + 1);
    items.push(...found);
    if (items.length > limit) return { items: items.slice(0, limit), reached: placeOf(items[limit - 1]!) };
    if (reached === null || isTimeUp()) return { items, reached };
    behind = reached;
  }
};
