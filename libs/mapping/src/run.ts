import type { Json, JsonObject } from '#scim';
import { ExpressionFault } from './fault.js';

/** Length of a text that an expression makes, in UTF-16 units: that of the longest value that SCIM takes here. */
export const MAX_TEXT_CHARACTERS = 65_536;
/** Values of a list that an expression makes. */
export const MAX_LIST_VALUES = 1_000;
/**
 * Steps of one evaluation, or of all lines of a mapping for one user: a call, a step of a regular expression, or eight characters that are read or made. The worst
 * expressions that were found take 25 ms for them.
 */
export const MAX_EVALUATION_STEPS = 250_000;
const CHARACTERS_PER_STEP = 8;

/** Everything that an evaluation needs beside the attributes: it is pure, so time and chance are given. */
export interface Given {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** A whole number from 0 on, below a limit. */
  readonly randomBelow: (limit: number) => number;
  /** Facts about the tenant: DefaultDomain for DefaultDomain(), any other for %Name%. */
  readonly settings?: { readonly [name: string]: string };
  /** True for a value that somebody else has already, for SelectUniqueValue. */
  readonly isTaken?: (value: string) => boolean;
}

/** Thrown where the attribute, or the whole object, is left out of what is sent: no fault, but the end of an evaluation. */
export class LeftOut extends Error {
  constructor(readonly what: 'attribute' | 'object') {
    super(`The ${what} is left out.`);
  }
}

/** Made once: the stack of an error takes longer than most expressions. */
export const ATTRIBUTE_LEFT_OUT = new LeftOut('attribute');
export const OBJECT_LEFT_OUT = new LeftOut('object');

/** The evaluation of one expression, or of several one after the other: what they read, and what they have taken so far. */
export class Run {
  /** A value of the current expression went through Redact: it belongs into no log. */
  isRedacted = false;
  /** The expression that is evaluated. */
  private text = '';
  private steps = 0;

  constructor(
    readonly attributes: JsonObject,
    readonly given: Given,
  ) {}

  begin(text: string): void {
    this.text = text;
    this.isRedacted = false;
  }

  readonly charge = (steps: number): void => {
    this.steps += steps;
    if (this.steps <= MAX_EVALUATION_STEPS) return;
    throw this.fault(
      'The evaluation takes too much work',
      `at most ${MAX_EVALUATION_STEPS} steps: write simpler patterns, or fewer calls`,
    );
  };

  /** A text that was made, after its length was checked. */
  made(text: string): string {
    this.requireShort(text.length);
    this.charge(1 + text.length / CHARACTERS_PER_STEP);
    return text;
  }

  /**
   * Called before one text is looked for in another: the search of V8 takes the product of both lengths at the worst,
   * 64 units in the time of a step.
   */
  chargeSearch(characters: number, sought: number): void {
    this.charge(1 + (characters * (Math.min(sought, characters) + 1)) / 64);
  }

  /** Called before a text of this length is made. */
  requireShort(characters: number): void {
    if (characters > MAX_TEXT_CHARACTERS)
      throw this.fault('A text gets too long', `at most ${MAX_TEXT_CHARACTERS} characters`);
  }

  /** Called before a list of this length is made. */
  requireFew(values: number): void {
    if (values > MAX_LIST_VALUES) throw this.fault('A list gets too long', `at most ${MAX_LIST_VALUES} values`);
    this.charge(1 + values);
  }

  private fault(reason: string, expected: string): ExpressionFault {
    return new ExpressionFault(this.text, 0, reason, expected);
  }
}

/** The outcome of an evaluation. */
export type Result =
  | { readonly kind: 'value'; readonly value: Json; readonly isRedacted: boolean }
  | { readonly kind: 'left-out'; readonly what: 'attribute' | 'object' };
