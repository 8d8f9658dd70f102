import { pino, type Logger } from 'pino';

export type { Logger };

/** JSON lines on standard output; LOG_LEVEL as pino knows it. Tokens, secrets and bodies are never handed to it. */
export const createLogger = (name: string): Logger =>
  pino({ name, level: process.env.LOG_LEVEL || 'info', redact: ['token', 'authorization', 'password', 'apiKey'] });
