import type { CountedReads, SeenObject } from '#contracts';

/** A row of `audit.read_counts`. */
export interface ReadCountRow {
  readonly tenant: string;
  readonly minute: string;
  readonly face: string;
  readonly directory: string;
  readonly kind: string;
  readonly count: number;
}

/** Stands in the key of the counters where no directory is known. */
export const NO_DIRECTORY = '00000000-0000-0000-0000-000000000000';

/** Sums of the reads that several messages told: one statement writes a row once. */
export const countedReads = (
  told: readonly { readonly tenant: string; readonly reads: readonly CountedReads[] }[],
): readonly ReadCountRow[] => {
  const sums = new Map<string, ReadCountRow>();
  for (const { tenant, reads } of told)
    for (const { minute, face, directory, kind, count } of reads) {
      const key = [tenant, minute, face, directory, kind].join('|');
      const before = sums.get(key)?.count ?? 0;
      sums.set(key, { tenant, minute, face, directory: directory ?? NO_DIRECTORY, kind, count: before + count });
    }
  return [...sums.values()];
};

/** The last moment of each object: one statement writes a row once. */
export const latestSeen = (
  told: readonly { readonly tenant: string; readonly seen: readonly SeenObject[] }[],
): readonly (SeenObject & { readonly tenant: string })[] => {
  const latest = new Map<string, SeenObject & { readonly tenant: string }>();
  for (const { tenant, seen } of told)
    for (const { id, at } of seen) {
      const key = `${tenant}|${id}`;
      const before = latest.get(key);
      if (!before || before.at < at) latest.set(key, { tenant, id, at });
    }
  return [...latest.values()];
};
