/** Something that the person who starts Muster has to change: shown as one line, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
