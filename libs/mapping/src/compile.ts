import type { Json, JsonObject } from '#scim';
import { DATE_FUNCTIONS } from './date-functions.js';
import type { Argument, Evaluate, FunctionDefinition, Site } from './definition.js';
import { ExpressionFault } from './fault.js';
import { LIST_FUNCTIONS } from './list-functions.js';
import { LOGIC_FUNCTIONS } from './logic-functions.js';
import { parseExpression } from './parse.js';
import { ATTRIBUTE_LEFT_OUT, LeftOut, OBJECT_LEFT_OUT, Run, type Given, type Result } from './run.js';
import type { Call, Comparison, Compare, Expression } from './syntax.js';
import { TEXT_FUNCTIONS } from './text-functions.js';
import { Instant, isList, numberOf, textOf, wellFormed, type Value } from './value.js';

/** Reads a source attribute out of what came in. */
export type Read = (attributes: JsonObject) => Value;
/** Finds a source attribute by its name; undefined = there is none. */
export type Sources = (name: string) => Read | undefined;

/** An expression that was checked, to be evaluated for many users. */
export interface CompiledExpression {
  readonly text: string;
  /** Functions in it whose values differ each time, such as Guid. */
  readonly random: readonly string[];
  /** Throws ExpressionFault where these attributes have no result, such as a date that is none. */
  evaluate(attributes: JsonObject, given: Given): Result;
  /** The same without turning the value into JSON: dates, and numbers of any size, stay what they are. */
  runIn(run: Run): Value | LeftOut;
}

/** Names are found in any case: Microsoft's own pages print switch, Instr and IsNullorEmpty. */
const FUNCTIONS: ReadonlyMap<string, FunctionDefinition> = new Map(
  [...LOGIC_FUNCTIONS, ...TEXT_FUNCTIONS, ...LIST_FUNCTIONS, ...DATE_FUNCTIONS].map((one) => [
    one.name.toLowerCase(),
    one,
  ]),
);

export const FUNCTION_NAMES: readonly string[] = [...FUNCTIONS.values()].map(({ name }) => name);

/** Throws ExpressionFault: it cannot be read, or names a function, an attribute or an option that there is not. */
export const compileExpression = (text: string, sources: Sources): CompiledExpression => {
  const compiler = new Compiler(text, sources);
  const { evaluate } = compiler.argument(parseExpression(text), true);
  const runIn = (run: Run): Value | LeftOut => {
    run.begin(text);
    try {
      return evaluate(run);
    } catch (error) {
      if (error instanceof LeftOut) return error;
      throw error;
    }
  };
  return {
    text,
    random: [...compiler.random],
    runIn,
    evaluate: (attributes, given) => {
      const run = new Run(attributes, given);
      const value = runIn(run);
      return value instanceof LeftOut
        ? { kind: 'left-out', what: value.what }
        : { kind: 'value', value: jsonOf(value), isRedacted: run.isRedacted };
    },
  };
};

class Compiler {
  readonly random = new Set<string>();

  constructor(
    private readonly text: string,
    private readonly sources: Sources,
  ) {}

  argument(expression: Expression, isOutermost = false): Argument {
    const { at } = expression;
    switch (expression.kind) {
      case 'text':
        return { at, literal: expression.text, evaluate: () => expression.text };
      case 'number':
        return { at, literal: expression.value, evaluate: () => expression.value };
      case 'attribute': {
        const read = this.sources(expression.name);
        if (!read)
          throw this.fault(`There is no attribute [${expression.name}]`, 'a name of Entra, or a path of SCIM', at);
        return { at, evaluate: (run) => read(run.attributes) };
      }
      case 'parameter': {
        const { name } = expression;
        return { at, evaluate: (run) => run.given.settings?.[name] ?? null };
      }
      case 'word':
        return this.word(expression);
      case 'call':
        return { at, evaluate: this.call(expression, isOutermost) };
      case 'compare':
        return { at, evaluate: this.compare(expression) };
    }
  }

  /** As a value, a word is the two results that leave something out, or a text. */
  private word({ word, at }: Extract<Expression, { kind: 'word' }>): Argument {
    if (word !== 'IgnoreAttributeFlow' && word !== 'IgnoreObjectFlow')
      return { at, word, literal: word, evaluate: () => word };
    const leftOut = word === 'IgnoreObjectFlow' ? OBJECT_LEFT_OUT : ATTRIBUTE_LEFT_OUT;
    return {
      at,
      word,
      evaluate: () => {
        throw leftOut;
      },
    };
  }

  private call(call: Call, isOutermost: boolean): Evaluate {
    const definition = FUNCTIONS.get(call.name.toLowerCase());
    if (!definition) throw this.fault(`There is no function ${call.name}`, 'the name of a function of Entra', call.at);
    if (definition.isOutermost && !isOutermost)
      throw this.fault(`${definition.name} stands in another function`, 'it as the outermost one', call.at);
    this.requireFit(definition, call);
    if (definition.isRandom) this.random.add(definition.name);
    const args = call.args.map((argument) => (argument ? this.argument(argument) : undefined));
    const site: Site = {
      fail: (reason, expected, argument) => {
        throw this.fault(`${definition.name}: ${reason}`, expected, argument?.at ?? call.at);
      },
    };
    const evaluate = definition.make(args, site);
    return (run) => {
      run.charge(1);
      return evaluate(run);
    };
  }

  private requireFit({ name, parameters }: FunctionDefinition, { args, at }: Call): void {
    const known = parameters === '' ? [] : parameters.split(', ');
    const usage = `${name}(${parameters.replaceAll('+', ', …')}), where ? may be left out`;
    const missing = known.find((parameter, index) => !parameter.endsWith('?') && !args[index]);
    // A parameter that comes several times may be left out between others.
    if (missing !== undefined && !(missing.endsWith('+') && args.length >= known.length))
      throw this.fault(`${name} lacks its ${missing.replace('+', '')}`, usage, at);
    if (args.length > known.length && !parameters.endsWith('+'))
      throw this.fault(`${name} has ${args.length} arguments`, usage, args[known.length]?.at ?? at);
  }

  private compare({ operator, left, right }: Compare): Evaluate {
    const [a, b] = [this.argument(left).evaluate, this.argument(right).evaluate];
    return (run) => holds(operator, a(run), b(run));
  }

  private fault(reason: string, expected: string, at: number): ExpressionFault {
    return new ExpressionFault(this.text, at, reason, expected);
  }
}

/** Numbers if both sides are numeric, also as texts; else texts, letter by letter; null is "". */
const holds = (operator: Comparison, left: Value, right: Value): boolean => {
  const order = compare(left, right);
  switch (operator) {
    case '=':
      return order === 0;
    case '<>':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
};

const compare = (left: Value, right: Value): number => {
  if (left instanceof Instant && right instanceof Instant) return left.ms - right.ms;
  const [a, b] =
    typeof left === 'boolean' || typeof right === 'boolean' ? [null, null] : [numberOf(left), numberOf(right)];
  if (a !== null && b !== null) return a < b ? -1 : a > b ? 1 : 0;
  const [first, second] = [textOf(left) ?? '', textOf(right) ?? ''];
  return first < second ? -1 : first > second ? 1 : 0;
};

/** Booleans and dates as texts, numbers as long as JSON holds them exactly. */
const jsonOf = (value: Value): Json => {
  if (value === null) return null;
  if (typeof value === 'string') return wellFormed(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (isList(value)) return value.map(jsonOf);
  if (typeof value === 'object' && !(value instanceof Instant)) return value as JsonObject;
  return textOf(value);
};
