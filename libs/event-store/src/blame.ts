/** Somebody else has moved on: drop everything in memory and load again. */
export class Conflict extends Error {}

/**
 * Commands that ask for something more after each load. One command asks for all that it needs in three loads at most.
 */
export class Unsettled extends Error {}

/** A transaction would load or write more than it may. */
export class TooMuch extends Error {
  constructor(
    what: string,
    /** The bytes, as far as they were counted. */
    readonly bytes: number,
    readonly maxBytes: number,
  ) {
    super(what);
  }
}

/**
 * The verdict of a failed transaction on its commands. `content`: it is the content of one of them, whichever; found
 * and alone, it is set aside. `unsure`: the content, or something that stands in everybody's way, such as a locked
 * table or a starved machine. `infrastructure`: no command is to blame, and the same batch is handed over again.
 */
export type Blame = 'content' | 'unsure' | 'infrastructure';

/** SQLSTATE data_exception, for what this process itself cannot read. */
export const UNREADABLE = '22000';
/** A key that exists already: somebody else wrote it (a missed fence), or our memory is wrong. */
const UNIQUE_VIOLATION = '23505';
/** log.expect: a part of the write statement wrote other rows than it should have. */
const UNEXPECTED = 'MU001';
/** log.expect of the position row: another process has the partition. */
const FENCE_MISSED = /^write statement: position /;

/**
 * 22 data exception, 23 integrity, 54 limits of Postgres (1 GB for a text among them), MU003 a limit of ours on what is
 * read.
 */
const CONTENT = /^(22|23|54|MU003)/;
/**
 * 08 connection, 40 rollback because of others, 53 resources, 57P operator intervention, 58 system error. 53200 (out of
 * memory) and 53400 (a limit that the operator has set, as for temporary files) are not among them: what one command
 * asks for may be too much, and nothing else.
 */
const INFRASTRUCTURE = /^(08|40|53(?!200|400)|57P|58)/;
/** None begins with E, as the errors of sockets do (EPIPE). */
const SQLSTATE = /^(?!E)[0-9A-Z]{5}$/;
/** 57014 statement_timeout or a cancellation by an administrator, 55P03 lock_timeout, 25P04 transaction_timeout. */
const TIME_OUT = /^(57014|55P03|25P04)$/;

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? '';

/** Tells whether the memory of a lane is to be loaded again, because somebody else may have written. */
export const isStale = (error: unknown): boolean => [UNEXPECTED, UNIQUE_VIOLATION].includes(codeOf(error));

export const isTimeOut = (error: unknown): boolean => TIME_OUT.test(codeOf(error));

/** Tells whether a command ran into a limit of time or size. */
export const isCostly = (error: unknown): boolean => {
  if (error === undefined) return false;
  return (
    error instanceof TooMuch ||
    error instanceof RangeError ||
    isTimeOut(error) ||
    /^(53|54|ERR_STRING_TOO_LONG$)/.test(codeOf(error))
  );
};

export const blameOf = (error: unknown): Blame => {
  if (error instanceof TooMuch || error instanceof Unsettled) return 'content';
  const code = codeOf(error);
  // A text of more than 512 MiB: V8 says the former when one is made, Node the latter when the driver reads one.
  if (error instanceof RangeError || code === 'ERR_STRING_TOO_LONG') return 'content';
  // A fault of a program, which may meet the content of one command only.
  if (error instanceof TypeError || error instanceof ReferenceError || error instanceof SyntaxError) return 'unsure';
  // The driver's own errors have none: connections that broke, or could not be had.
  if (!SQLSTATE.test(code) || INFRASTRUCTURE.test(code)) return 'infrastructure';
  if (CONTENT.test(code)) return 'content';
  if (code === UNEXPECTED && FENCE_MISSED.test((error as Error).message)) return 'infrastructure';
  return 'unsure';
};
