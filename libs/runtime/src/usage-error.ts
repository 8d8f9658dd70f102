/** The exit code that says: the user has to change something, a restart is of no use. */
export const EXIT_USAGE = 64;

/** Something that the person who starts Muster has to change: shown as one line, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly exitCode = EXIT_USAGE;
}

/**
 * The exit code that an error names for the process: such an error tells what to do, and is shown as one line. Any other
 * error is a fault of ours, and is shown with its stack.
 */
export const exitCodeOf = (error: unknown): number | undefined =>
  error instanceof Error ? (error as { exitCode?: number }).exitCode : undefined;

/**
 * It is recognised by the code with which it ends the process: libs that know nothing of this one have such errors as
 * well.
 */
export const isUsageError = (error: unknown): error is Error => exitCodeOf(error) === EXIT_USAGE;

/** The fault of DATA_DIR, in one line. */
export const unusableDataDirectory = (dataDir: string, error: unknown): UsageError =>
  new UsageError(
    `The data directory ${dataDir} cannot be used: ${(error as Error).message}. Set DATA_DIR to another one.`,
  );
