import type { JsonObject } from '#scim';
import { printInstant } from './dates.js';

/** A moment, in milliseconds since 1970, UTC. */
export class Instant {
  constructor(readonly ms: number) {}
}

/** The values of an expression. Texts, numbers and Booleans turn into each other; null is an attribute without a value. */
export type Value = null | string | number | bigint | boolean | Instant | JsonObject | readonly Value[];

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);

/** Booleans are the texts True and False. Of a list, the first value counts; of an object its `value`. */
export const textOf = (value: Value): string | null => {
  if (typeof value === 'string' || value === null) return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value !== 'object') return decimal(value);
  if (value instanceof Instant) return printInstant(value.ms);
  if (isList(value)) return value.length === 0 ? null : textOf(value[0]!);
  return typeof (value as JsonObject).value === 'string' ? ((value as JsonObject).value as string) : null;
};

/** Decimal, without an exponent. */
const decimal = (value: number | bigint): string =>
  typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toFixed(10))) : BigInt(value).toString();

/** Length of a text that is a number, with blanks around it. */
const MAX_NUMBER_CHARACTERS = 100;
const NUMERIC = /^\s*[+-]?\d{1,30}(?:\.\d{1,30})?\s*$/;

/** The number in a text, or null. */
export const numberOf = (value: Value): number | bigint | null => {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  const text = textOf(value);
  if (text === null || value instanceof Instant || text.length > MAX_NUMBER_CHARACTERS || !NUMERIC.test(text))
    return null;
  const number = Number(text);
  return Number.isSafeInteger(number) || text.includes('.') ? number : BigInt(text.trim());
};

/** True and False in any case, numbers by whether they are zero, null as False; undefined = neither. */
export const booleanOf = (value: Value): boolean | undefined => {
  if (typeof value === 'boolean') return value;
  const text = textOf(value);
  if (text === null) return false;
  if (/^true$/i.test(text)) return true;
  if (/^false$/i.test(text)) return false;
  const number = numberOf(value);
  return number === null ? undefined : Number(number) !== 0;
};

/** The text without halves of surrogate pairs, which a cut through a character leaves and no database takes. */
export const wellFormed = (text: string): string => (text.isWellFormed() ? text : text.replace(/\p{Surrogate}/gu, ''));

/** The values of a list; of a single value a list of one, of null none. */
export const listOf = (value: Value): readonly Value[] => (value === null ? [] : isList(value) ? value : [value]);

export const isEmpty = (value: Value): boolean =>
  value === null || value === '' || (isList(value) && value.length === 0);
