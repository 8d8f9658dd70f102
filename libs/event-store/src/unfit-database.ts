/** A database, or what was said about it, that somebody has to change. Shown as one line, and no restart mends it. */
export class UnfitDatabase extends Error {
  override readonly name = 'UsageError';
}
