import { NULL, type Args, type Evaluate, type FunctionDefinition, type Site } from './definition.js';
import { ATTRIBUTE_LEFT_OUT } from './run.js';
import { booleanOf, Instant, isEmpty, isList, numberOf, textOf, type Value } from './value.js';

const isTrue = (value: Value, site: Site): boolean =>
  booleanOf(value) ?? site.fail('The condition is neither true nor false', 'True, False, a number or a comparison');

/** Pairs of key and value. A key of null is the empty text, as a source of null is. */
const makeSwitch = ([source, defaultValue, ...rest]: Args, site: Site): Evaluate => {
  if (rest.length === 0 || rest.length % 2 !== 0)
    site.fail('Keys and values are not in pairs', 'Switch(source, default value, key 1, value 1, key 2, value 2, …)');
  const pairs = Array.from({ length: rest.length / 2 }, (_, index) => ({
    key: rest[2 * index]?.evaluate ?? NULL,
    value: rest[2 * index + 1]?.evaluate ?? NULL,
  }));
  const otherwise = defaultValue?.evaluate ?? NULL;
  const keyOf = (value: Value): string => textOf(value) ?? '';
  const literals = rest.filter((_, index) => index % 2 === 0).map((key) => key?.literal);
  if (literals.every((literal) => literal !== undefined)) {
    const values = new Map<string, Evaluate>();
    for (const [index, literal] of literals.entries())
      if (!values.has(keyOf(literal))) values.set(keyOf(literal), pairs[index]!.value);
    return (run) => (values.get(keyOf(source!.evaluate(run))) ?? otherwise)(run);
  }
  return (run) => {
    const sought = keyOf(source!.evaluate(run));
    for (const { key, value } of pairs) {
      run.charge(1);
      if (keyOf(key(run)) === sought) return value(run);
    }
    return otherwise(run);
  };
};

export const LOGIC_FUNCTIONS: readonly FunctionDefinition[] = [
  {
    // Only the branch that is taken is evaluated: guides protect CDate("") so. A condition about null reads it as "".
    name: 'IIF',
    parameters: 'condition, valueIfTrue, valueIfFalse',
    make: ([condition, whenTrue, whenFalse], site) => {
      const test = condition!.evaluate;
      const [yes, no] = [whenTrue!.evaluate, whenFalse!.evaluate];
      return (run) => (isTrue(test(run), site) ? yes(run) : no(run));
    },
  },
  { name: 'Switch', parameters: 'source, defaultValue?, keysAndValues+', make: makeSwitch },
  {
    // The reference passes over null alone; a sample of a guide would need "" to be passed over, too.
    name: 'Coalesce',
    parameters: 'source+',
    make: (args) => {
      const sources = args.map((argument) => argument?.evaluate ?? NULL);
      return (run) => {
        for (const source of sources) {
          const value = source(run);
          if (value !== null && !(isList(value) && value.length === 0)) return value;
        }
        return null;
      };
    },
  },
  {
    name: 'Not',
    parameters: 'source',
    make:
      ([source]) =>
      (run) =>
        !/^true$/i.test(textOf(source!.evaluate(run)) ?? ''),
  },
  {
    name: 'CBool',
    parameters: 'expression',
    make:
      ([expression], site) =>
      (run) =>
        isTrue(expression!.evaluate(run), site),
  },
  {
    name: 'IsNull',
    parameters: 'expression',
    make:
      ([expression]) =>
      (run) =>
        expression!.evaluate(run) === null,
  },
  {
    name: 'IsNullOrEmpty',
    parameters: 'expression',
    make:
      ([expression]) =>
      (run) =>
        isEmpty(expression!.evaluate(run)),
  },
  {
    name: 'IsPresent',
    parameters: 'expression',
    make:
      ([expression]) =>
      (run) =>
        !isEmpty(expression!.evaluate(run)),
  },
  {
    // Microsoft's page does not say what numbers are: CStr would take them, so they count; lists and null do not.
    name: 'IsString',
    parameters: 'expression',
    make:
      ([expression]) =>
      (run) => {
        const value = expression!.evaluate(run);
        return value !== null && (typeof value !== 'object' || value instanceof Instant);
      },
  },
  {
    name: 'IgnoreFlowIfNullOrEmpty',
    parameters: 'expression',
    make:
      ([expression]) =>
      (run) => {
        const value = expression!.evaluate(run);
        if (isEmpty(value)) throw ATTRIBUTE_LEFT_OUT;
        return value;
      },
  },
  {
    name: 'Error',
    parameters: 'errorMessage',
    make:
      ([message], site) =>
      (run) =>
        site.fail(`The expression refuses: ${textOf(message!.evaluate(run)) ?? ''}`, 'other attributes'),
  },
  {
    name: 'Redact',
    parameters: 'value',
    make:
      ([value]) =>
      (run) => {
        run.isRedacted = true;
        return value!.evaluate(run);
      },
  },
  {
    name: 'SelectUniqueValue',
    parameters: 'uniqueValueRule+',
    isOutermost: true,
    make: (args, site) => {
      if (args.length < 2) site.fail('There is one rule', 'at least two, because the first value may be taken');
      return (run) => {
        for (const rule of args) {
          const text = textOf(rule?.evaluate(run) ?? null);
          if (text !== null && text !== '' && !run.given.isTaken?.(text)) return text;
        }
        return site.fail('All values are taken', 'one more rule, which gives another value');
      };
    },
  },
  {
    name: 'BitAnd',
    parameters: 'value1, value2',
    make: ([value1, value2], site) => {
      const bits = (value: Value): bigint => {
        const number = numberOf(value);
        if (number === null || (typeof number === 'number' && !Number.isInteger(number)))
          return site.fail('A value is no whole number', 'two whole numbers');
        return BigInt(number);
      };
      return (run) => {
        const both = bits(value1!.evaluate(run)) & bits(value2!.evaluate(run));
        return both >= Number.MIN_SAFE_INTEGER && both <= Number.MAX_SAFE_INTEGER ? Number(both) : both;
      };
    },
  },
];
