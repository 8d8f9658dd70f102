import { readFileSync } from 'node:fs';
import { UsageError } from './usage-error.js';

/**
 * A secret from the variable of its name, or from the file that the one with `_FILE` at its end names. Throws
 * UsageError, never with the secret.
 */
export const secretFrom = (
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
): string | undefined => {
  const [value, file] = [environment[name], environment[`${name}_FILE`]];
  if (value && file) throw new UsageError(`${name} and ${name}_FILE are both set: leave one of them out.`);
  return file ? readSecret(`${name}_FILE`, file) : value || undefined;
};

/**
 * The text of a file, without the line end that editors and `echo` put behind it. Throws UsageError when there is none.
 */
const readSecret = (setting: string, file: string): string => {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new UsageError(`${setting} names a file that cannot be read: ${(error as Error).message}.`);
  }
  if (text === '') throw new UsageError(`${setting} names a file that is empty: ${file}.`);
  return text;
};
