import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rejected, USER, type Json, type JsonObject } from '#scim';
import { compileExpression, FUNCTION_NAMES } from './compile.js';
import { ExpressionFault } from './fault.js';
import { applyMapping, readMapping } from './mapping.js';
import { parseExpression } from './parse.js';
import { MAX_EVALUATION_STEPS, MAX_LIST_VALUES, MAX_TEXT_CHARACTERS, Run } from './run.js';
import { anySources } from './sources.js';
import { COMPARISONS, printExpression, WORDS, type Expression } from './syntax.js';

const TEXTS = [
  '',
  ' ',
  '@',
  ',',
  'a',
  'd',
  'yyyy-MM-dd',
  '(a+)+$',
  '(?<g>.*)',
  'g',
  '${g}',
  '1',
  '2026-01-31',
  'True',
  'é',
];
const text = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: 'binary', maxLength: 12 }));
const value = fc
  .oneof(
    text.map((one) => ({ kind: 'text' as const, at: 0, text: one })),
    fc.oneof(fc.integer(), fc.bigInt()).map((one) => ({ kind: 'number' as const, at: 0, value: one })),
    fc
      .constantFrom('a', 'b', 'list', 'roles', 'gone', 'name.givenName', 'emails[type eq "work"].value')
      .map((name) => ({ kind: 'attribute' as const, at: 0, name })),
    fc.constantFrom(...WORDS).map((word) => ({ kind: 'word' as const, at: 0, word })),
    fc.constant({ kind: 'parameter' as const, at: 0, name: 'Domain' }),
  )
  .map((one): Expression =>
    one.kind === 'number' && typeof one.value === 'bigint' && BigInt(Number(one.value)) === one.value
      ? { ...one, value: Number.isSafeInteger(Number(one.value)) ? Number(one.value) : one.value }
      : one,
  );

/** Any tree that the grammar has: what its functions make of it does not matter. */
const trees = fc.letrec<{ node: Expression }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    value,
    fc
      .tuple(
        fc.constantFrom(...FUNCTION_NAMES, 'Unknown'),
        fc.array(fc.option(tie('node'), { freq: 8 }), { maxLength: 7 }),
        fc.option(fc.tuple(fc.constantFrom(...COMPARISONS), tie('node'))),
      )
      .map(([name, args, comparison]): Expression => {
        const given = [...args];
        if (comparison && given[0] && (name === 'IIF' || name === 'CBool'))
          given[0] = { kind: 'compare', at: 0, operator: comparison[0], left: given[0], right: comparison[1] };
        while (given.at(-1) === null) given.pop();
        return { kind: 'call', at: 0, name, args: given };
      }),
  ),
})).node;

const withoutPlaces = (tree: Expression): unknown =>
  JSON.parse(
    JSON.stringify(tree, (key, one: unknown) => (key === 'at' ? undefined : typeof one === 'bigint' ? `${one}` : one)),
  );

const ATTRIBUTES: JsonObject = {
  a: 'Ada Byron',
  b: 'a'.repeat(3_000),
  list: Array.from({ length: 900 }, (_, at) => `value ${at}`),
  roles: [{ value: 'Admin' }],
  userName: 'ada',
};

/** The result or the fault; anything else that is thrown is an error of ours. */
const evaluate = (expression: string, attributes: JsonObject): Json | 'left out' | ExpressionFault => {
  try {
    const result = compileExpression(expression, anySources()).evaluate(attributes, {
      nowMs: 0,
      randomBelow: (limit) => limit - 1,
    });
    return result.kind === 'value' ? result.value : 'left out';
  } catch (error) {
    if (!(error instanceof ExpressionFault)) throw error;
    const { offset, line, column } = error.position;
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(offset).toBeLessThanOrEqual(expression.length);
    expect(
      expression
        .split('\n')
        .slice(0, line - 1)
        .join('\n').length +
        (line > 1 ? 1 : 0) +
        column -
        1,
    ).toBe(offset);
    return error;
  }
};

describe('whatever is typed', () => {
  it('a tree that is printed is read again as the same tree', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        expect(withoutPlaces(parseExpression(printExpression(tree)))).toEqual(withoutPlaces(tree));
      }),
      { numRuns: 1_000 },
    );
  });

  it('a tree gives a result, or a fault with a place in the text', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const result = evaluate(printExpression(tree), ATTRIBUTES);
        if (typeof result === 'string') expect(result.length).toBeLessThanOrEqual(MAX_TEXT_CHARACTERS);
        if (Array.isArray(result)) expect(result.length).toBeLessThanOrEqual(MAX_LIST_VALUES);
      }),
      { numRuns: 3_000 },
    );
  });

  it('any text, and any tree with a part exchanged, gives a result or a fault', () => {
    const cut = fc
      .tuple(
        trees.map(printExpression),
        fc.nat(),
        fc.nat({ max: 6 }),
        fc.constantFrom('', '"', ')', '(', '[', ',', '\n', '=', '\\'),
      )
      .map(([tree, at, length, by]) => {
        const from = at % (tree.length + 1);
        return tree.slice(0, from) + by + tree.slice(from + length);
      });
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), cut), (expression) => {
        evaluate(expression, ATTRIBUTES);
      }),
      { numRuns: 3_000 },
    );
  });

  it('any attributes do', () => {
    fc.assert(
      fc.property(
        trees,
        fc.dictionary(fc.constantFrom('a', 'b', 'list', 'roles', 'name', 'emails', '__proto__'), fc.jsonValue()),
        (tree, attributes) => {
          evaluate(printExpression(tree), attributes as JsonObject);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('whatever list is typed as a mapping', () => {
  const TARGETS = [
    'title',
    'active',
    'name',
    'name.givenName',
    'emails',
    'emails[type eq "work"].value',
    'roles',
    'id',
    'x',
  ];
  const lines = fc.array(
    fc.record({
      target: fc.oneof(fc.constantFrom(...TARGETS), fc.string()),
      expression: fc.oneof(trees.map(printExpression), fc.constantFrom('[a]', '[roles]', 'Split([a], " ")')),
      when: fc.constantFrom('always', 'create', 'absent', undefined),
    }),
    { maxLength: 4 },
  );

  it('is refused with faults, or applied, or refuses a user by naming a line', () => {
    const GIVEN = { nowMs: 0, randomBelow: (limit: number) => limit - 1 };
    fc.assert(
      fc.property(fc.oneof({ weight: 9, arbitrary: lines }, fc.jsonValue()), (list) => {
        const read = readMapping(USER, list);
        if ('faults' in read) return;
        try {
          const { resource } = applyMapping(read.mapping, null, { userName: 'a', roles: [{ value: 'User' }] }, GIVEN);
          expect(JSON.stringify(resource).isWellFormed()).toBe(true);
        } catch (error) {
          if (!(error instanceof Rejected)) throw error;
          expect(error.detail).toMatch(/^Line \d of the mapping/);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('no expression does more work than the limit allows', () => {
  const nest = (inner: string, levels: number, around: (inner: string) => string): string =>
    Array.from({ length: levels }).reduce<string>((made) => around(made), inner);
  const EXPENSIVE: Readonly<Record<string, string>> = {
    'one that looks ahead at every place': 'Replace([long], , "(?=(?:a|aa)*b)a", , "", , )',
    'one that looks back at every place': 'Replace([long], , "(?<=(?:a|aa)*b)a", , "", , )',
    'one that begins anew at every place': 'Replace([long], , ".*b|a", , "x", , )',
    'a text that doubles': nest('[long]', 40, (inner) => `Join("", ${inner}, ${inner.length < 400 ? inner : '"a"'})`),
    'a text that is replaced by a longer one': nest('"aaaa"', 20, (inner) => `Replace(${inner}, "a", , , "aaaa", , )`),
    'many calls about a long text': `Join("", ${Array.from({ length: 600 }, () => 'PCase([long])').join()})`,
    'a pattern that each user brings along': `Join("", ${Array.from({ length: 200 }, () => 'Replace("a", , [pattern], , "", , )').join()})`,
    'a list that is too long': 'Split([long], "a")',
    'a list that is looked through often': `Join("", ${Array.from({ length: 300 }, () => 'Contains([list], "x")').join()})`,
  };
  const attributes: JsonObject = {
    long: 'a'.repeat(60_000),
    pattern: '[ab]'.repeat(500),
    list: Array.from({ length: 1_000 }, () => 'a'.repeat(200)),
  };

  it.each(Object.entries(EXPENSIVE))('%s', (_case, expression) => {
    const fault = evaluate(expression, attributes);
    expect(fault).toBeInstanceOf(ExpressionFault);
    expect((fault as ExpressionFault).detail).toMatch(/takes too much work|gets too long/);
  });

  it('and the work is counted', () => {
    const run = new Run({}, { nowMs: 0, randomBelow: () => 0 });
    run.charge(MAX_EVALUATION_STEPS);
    expect(() => run.charge(1)).toThrow(/takes too much work/);
  });
});
