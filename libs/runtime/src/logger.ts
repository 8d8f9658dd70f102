import { pino, type Logger } from 'pino';
import { onceAMinute } from './once-a-minute.js';

export type { Logger };

/**
 * The one output of everything in this process that logs: with one for each, lines would come out of their order. It is
 * written at once: lines that are kept for later are written when the process exits, and fail there for ever when
 * nobody reads them any more.
 */
const OUTPUT = pino.destination({ fd: 1, sync: true });
/** A line of a program about itself: LOG_LEVEL does not silence it. */
export const createSpeaker = (name: string): Logger => pino({ name, level: 'info' }, OUTPUT);

/** JSON lines on standard output; LOG_LEVEL as pino knows it. Tokens, secrets and bodies are never handed to it. */
export const createLogger = (name: string): Logger => {
  // A wrong level is told by readConfig.
  const level = process.env.LOG_LEVEL || 'info';
  return pino(
    {
      name,
      level: level === 'silent' || level in pino.levels.values ? level : 'info',
      redact: ['token', 'authorization', 'password', 'apiKey'],
    },
    OUTPUT,
  );
};

/**
 * For requests that fail for as long as the database is away, or too slow: each of them is answered, and one a minute
 * is told.
 */
export const logAway = (logger: Logger): ((error: Error, correlationId: string) => void) => {
  let correlationId: string | null = null;
  const log = onceAMinute((error, leftOut) =>
    logger.error(
      { error: error.message, code: (error as { code?: string }).code, correlationId, leftOut },
      'requests fail: the database is away or too slow',
    ),
  );
  return (error, id) => {
    correlationId = id;
    log(error);
  };
};

/** SQLSTATE disk_full. */
const DISK_FULL = '53100';
const MAKE_ROOM =
  'The disk of Postgres is full. Make room there: Muster then goes on by itself, and nothing that it acknowledged is lost.';

/** For the errors of a message log, which come several times a second while database or broker is away. */
export const logInterruptions = (logger: Logger): ((error: Error) => void) =>
  onceAMinute((error, leftOut) =>
    logger.warn(
      {
        error: error.message,
        ...((error as { code?: string }).code === DISK_FULL && { toDo: MAKE_ROOM }),
        ...(leftOut > 0 && { leftOut }),
      },
      'message log interrupted',
    ),
  );
