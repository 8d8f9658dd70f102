/** Latencies of one operation in milliseconds. */
export interface Summary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The smallest sample that at least the given share (0..1) of all samples do not exceed; NaN without samples. */
export const percentile = (ascending: ArrayLike<number>, share: number): number =>
  ascending.length === 0 ? Number.NaN : ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)]!;

export const summarise = (samplesMs: readonly number[]): Summary => {
  const ascending = Float64Array.from(samplesMs).sort();
  return { count: ascending.length, p50Ms: percentile(ascending, 0.5), p99Ms: percentile(ascending, 0.99) };
};

/** The middle value, or the mean of the two middle ones; NaN without values. */
export const median = (values: readonly number[]): number => {
  const ascending = Float64Array.from(values).sort();
  const middle = Math.floor(ascending.length / 2);
  if (ascending.length === 0) return Number.NaN;
  return ascending.length % 2 === 1 ? ascending[middle]! : (ascending[middle - 1]! + ascending[middle]!) / 2;
};
