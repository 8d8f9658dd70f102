import type { Run } from './run.js';
import { numberOf, textOf, type Value } from './value.js';

export type Evaluate = (run: Run) => Value;

/** An argument as it was compiled; `literal` is its value where it stands in the expression itself. */
export interface Argument {
  readonly evaluate: Evaluate;
  readonly literal?: Value;
  /** The word, where it is one. */
  readonly word?: string;
  readonly at: number;
}
export type Args = readonly (Argument | undefined)[];

/** A call in an expression, as the function sees it. */
export interface Site {
  /** Throws ExpressionFault at the call, or at an argument. */
  fail(reason: string, expected: string, argument?: Argument): never;
}

/** A function of the language. */
export interface FunctionDefinition {
  readonly name: string;
  /**
   * Its parameters: a `?` behind one says that it may be left out, a `+` that the last one may come several times, at
   * least once.
   */
  readonly parameters: string;
  /** Called once for each call in an expression: what depends on literals alone is checked and made here. */
  readonly make: (args: Args, site: Site) => Evaluate;
  /** Its value differs from one evaluation to the next. */
  readonly isRandom?: boolean;
  /** It stands in no other function. */
  readonly isOutermost?: boolean;
}

export const NULL: Evaluate = () => null;

/** Reads an argument as a text, or null. */
export const asText = (argument: Argument | undefined): ((run: Run) => string | null) => {
  if (!argument) return () => null;
  const { evaluate } = argument;
  return (run) => textOf(evaluate(run));
};

/** A function of one text that makes another one; null stays null. */
export const ofText =
  (change: (text: string, run: Run) => string) =>
  ([source]: Args): Evaluate => {
    const text = asText(source);
    return (run) => {
      const found = text(run);
      return found === null ? null : run.made(change(found, run));
    };
  };

/** Reads an argument as a whole number; anything else is a fault, also null. */
export const asInteger = (argument: Argument | undefined, name: string, site: Site): ((run: Run) => number) => {
  const read = (value: Value): number => {
    const number = Number(numberOf(value) ?? Number.NaN);
    if (!Number.isSafeInteger(number)) site.fail(`${name} is no whole number`, 'one such as 1', argument);
    return number;
  };
  if (!argument) return site.fail(`${name} is missing`, 'a whole number');
  if (argument.literal !== undefined) {
    const value = read(argument.literal);
    return () => value;
  }
  return (run) => read(argument.evaluate(run));
};

/**
 * Something that is made of a text, such as a compiled pattern: once if the text stands in the expression, else again
 * whenever the text is another than before. What is made again is charged for.
 */
export const madeOf = <T>(
  argument: Argument,
  make: (text: string | null) => T,
  charge: (run: Run, text: string) => void = (run, text) => run.charge(text.length),
): ((run: Run) => T) => {
  if (argument.literal !== undefined) {
    const made = make(textOf(argument.literal));
    return () => made;
  }
  let last: { readonly text: string | null; readonly made: T } | null = null;
  return (run) => {
    const text = textOf(argument.evaluate(run));
    if (last?.text !== text || !last) {
      if (text !== null) charge(run, text);
      last = { text, made: make(text) };
    }
    return last.made;
  };
};

/** The word that an argument is, one of those that the function knows. */
export const wordOf = <W extends string>(
  argument: Argument | undefined,
  words: readonly [W, ...W[]],
  site: Site,
): W => {
  if (!argument) return words[0];
  const given = argument.word ?? (typeof argument.literal === 'string' ? argument.literal : undefined);
  const found = words.find((word) => word.toLowerCase() === given?.toLowerCase());
  return found ?? site.fail('There is no such option', words.join(' or '), argument);
};
