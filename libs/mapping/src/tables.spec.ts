import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isJsonObject, USER, type Json, type JsonObject } from '#scim';
import { compileExpression } from './compile.js';
import { ExpressionFault } from './fault.js';
import { anySources } from './sources.js';

/**
 * Each row is an expression with the attributes that it reads and its result. `now` is the clock, `taken` what others
 * have already, `log` what a log may show of the result. Results: `{"$ignore_flow": true}` = the attribute is left out,
 * `{"$ignore_object": true}` = the object is, `{"$error": …}` = a fault, `{"$pattern": …}` = any such text. Where
 * Microsoft prints another result than its own rules give, the row is doubtful, and has the result that was chosen.
 */
interface Row {
  readonly expression: string;
  readonly attributes: JsonObject;
  readonly result: Json;
  readonly now?: string;
  readonly taken?: readonly string[];
  readonly log?: string;
}

const rows = (name: string): Row[] =>
  JSON.parse(readFileSync(`test/fixtures/expressions/${name}.json`, 'utf8')) as Row[];

const evaluate = ({ expression, attributes, now = '2026-01-31T08:00:00Z', taken = [] }: Row): Json => {
  try {
    let drawn = 0;
    const result = compileExpression(expression, anySources(USER)).evaluate(attributes, {
      nowMs: Date.parse(now),
      randomBelow: (limit) => (drawn += 7_919) % limit,
      settings: { DefaultDomain: String(attributes.$DefaultDomain) },
      isTaken: (value) => taken.includes(value),
    });
    if (result.kind === 'left-out') return result.what === 'object' ? { $ignore_object: true } : { $ignore_flow: true };
    return result.isRedacted ? { value: result.value, log: '[Redact]' } : result.value;
  } catch (error) {
    if (!(error instanceof ExpressionFault)) throw error;
    expect(error.position.offset).toBeLessThanOrEqual(expression.length);
    return { $error: error.detail };
  }
};

const expected = ({ result, log }: Row): unknown => {
  const special = isJsonObject(result) ? result : {};
  const value: unknown =
    typeof special.$pattern === 'string'
      ? expect.stringMatching(new RegExp(special.$pattern))
      : special.$error
        ? { $error: expect.any(String) as string }
        : result;
  return log ? { value, log } : value;
};

describe('what Microsoft documents of its functions', () => {
  it.each(rows('documented').map((row) => [row.expression, row] as const))('%s', (_expression, row) => {
    expect(evaluate(row)).toEqual(expected(row));
  });
});

describe('expressions that are in use', () => {
  it.each(rows('field').map((row) => [row.expression, row] as const))('%s', (_expression, row) => {
    expect(evaluate(row)).toEqual(expected(row));
  });
});
