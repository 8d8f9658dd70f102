import { InvalidArgumentError } from 'commander';
import { LOGS, type LogKind } from './installation.js';

/** A number on the command line. */
export const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on');
  return value;
};

/** Logs on the command line: `embedded,kafka`. */
export const logs = (text: string): LogKind[] =>
  text.split(',').map((name) => {
    const log = LOGS.find((candidate) => candidate === name);
    if (!log) throw new InvalidArgumentError(`one or more of ${LOGS.join(',')}`);
    return log;
  });
