import { Rejected } from './error.js';
import { hasTooManyMarks, MAX_COMBINING_MARKS } from './fold.js';

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** Levels of objects and arrays inside each other. The deepest SCIM resource has five. */
export const MAX_DEPTH_LEVELS = 64;
/** The most of a client's text that a message repeats, in characters. */
const MAX_QUOTED_CHARACTERS = 100;

export const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isJsonObject = (value: Json | undefined): value is JsonObject => isObject(value);

/** A client's text inside a message: in quotes and cut. Never half of a surrogate pair, which Postgres refuses. */
export const quote = (text: string): string => {
  const short = text.length > MAX_QUOTED_CHARACTERS ? `${text.slice(0, MAX_QUOTED_CHARACTERS)}…` : text;
  return JSON.stringify(short.toWellFormed());
};

/** Said of a text that no reader can show, after the name of its place. */
export const TOO_MANY_MARKS = `stacks more than ${MAX_COMBINING_MARKS} combining marks on one letter (UAX #15): write it without them`;

/**
 * Throws Rejected(invalidSyntax) naming the place of a NUL character or lone surrogate in parsed JSON, since Postgres
 * refuses both, and of a text that stacks more combining marks than can be compared in time.
 */
export const checkText = (value: unknown, path = 'the body'): void => {
  const fault = faultIn(value, 0);
  if (fault) throw new Rejected('invalidSyntax', `${placeOf(fault, path)} ${fault.what}.`);
};

/** A fault and its place: the names on the way to it, the innermost first. */
interface Fault {
  readonly what: string;
  readonly names: string[];
  readonly isName: boolean;
}

const placeOf = ({ names, isName }: Fault, path: string): string => {
  const place = names.length === 0 ? path : names.reverse().map(quote).join('.');
  return isName ? `the name of an attribute in ${place}` : place;
};

/** The names are put together only when there is something to say: that took 60 ms of a megabyte of small objects. */
const faultIn = (value: unknown, depth: number): Fault | null => {
  if (typeof value === 'string') return faultOf(value, false);
  if (typeof value !== 'object' || value === null) return null;
  if (depth >= MAX_DEPTH_LEVELS)
    throw new Rejected('invalidSyntax', `The body is nested more than ${MAX_DEPTH_LEVELS} levels deep.`);
  if (Array.isArray(value)) {
    for (const element of value as unknown[]) {
      const fault = faultIn(element, depth + 1);
      if (fault) return fault;
    }
    return null;
  }
  for (const name of Object.keys(value)) {
    const ofName = faultOf(name, true);
    if (ofName) return ofName;
    const fault = faultIn((value as Readonly<Record<string, unknown>>)[name], depth + 1);
    if (fault) {
      fault.names.push(name);
      return fault;
    }
  }
  return null;
};

/** Nearly all texts are plain: one look says so, where three would. */
const NOT_PLAIN = /[\0\u0080-\uffff]/;

const faultOf = (text: string, isName: boolean): Fault | null => {
  if (!NOT_PLAIN.test(text)) return null;
  const what = text.includes('\0')
    ? 'holds a NUL character'
    : !text.isWellFormed()
      ? 'holds half of a surrogate pair'
      : hasTooManyMarks(text)
        ? TOO_MANY_MARKS
        : null;
  return what === null ? null : { what, names: [], isName };
};

/** Tells whether two values are the same, whatever the order of their keys. */
export const isEqual = (a: Json | undefined, b: Json | undefined): boolean => {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return (
      Array.isArray(b) && a.length === b.length && a.every((element: Json, index) => isEqual(element, b[index] as Json))
    );
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]));
};
