import { describe, expect, it } from 'vitest';
import { faultsOf, fill, type Got, type Step } from './case.js';

const got = (body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Got => ({
  status,
  header: (name) => ({ 'content-type': 'application/scim+json', ...headers })[name] ?? null,
  body,
});
const step = (answer: Partial<Step['answer']>): Step => ({ send: 'GET /Users', answer: { status: 200, ...answer } });
const NAMES = new Map([['id', '7']]);
const faults = (answer: Partial<Step['answer']>, ...what: Parameters<typeof got>): string[] =>
  faultsOf(step(answer), got(...what), NAMES);

describe('an answer', () => {
  it('has parts of the body, and may have more', () => {
    expect(faults({ body: { a: { b: 1 }, id: '{{id}}' } }, { a: { b: 1, c: 2 }, id: '7', d: 3 })).toEqual([]);
  });

  it('has some attributes exactly, and others not at all', () => {
    expect(faults({ exactly: { a: { b: 1 }, d: null } }, { a: { b: 1 } })).toEqual([]);
    expect(faults({ exactly: { a: { b: 1 } } }, { a: { b: 1, c: 2 } })).toEqual(['a has c: 2']);
    expect(faults({ exactly: { d: null } }, { d: 4 })).toEqual(['there is d: 4']);
  });

  it('may be like a pattern', () => {
    expect(faults({ headers: { etag: '/^W/' } }, {}, 200, { etag: 'W/"1"' })).toEqual([]);
    expect(faults({ body: { a: '/^x/' } }, { a: 'y' })).toEqual(['a of the body is "y", which is not like /^x/']);
    expect(faults({ body: { a: '/x/' } }, {})).toEqual(['a of the body is absent, which is not like /x/']);
  });

  it.each<[string, Partial<Step['answer']>, Parameters<typeof got>, RegExp]>([
    ['another status', {}, [{}, 201], /status is 201 instead of 200/],
    ['none of several', { status: [200, 204] }, [{}, 201], /status is 201 instead of 200 or 204/],
    ['another media type', {}, [{}, 200, { 'content-type': 'text/html' }], /content type is text\/html/],
    ['another value', { body: { a: 1 } }, [{ a: '1' }], /a of the body is "1" instead of 1/],
    ['a value too few', { body: { a: [1, 2] } }, [{ a: [1] }], /a of the body is \[1\] instead of \[1,2\]/],
    ['a value too many', { body: { a: [1] } }, [{ a: [1, 2] }], /instead of \[1\]/],
    ['something else than an object', { body: { a: {} } }, [{ a: [] }], /a of the body is \[\] instead of \{\}/],
    ['no body', { body: { a: 1 } }, [undefined], /the body is absent/],
    ['another header', { headers: { etag: 'x' } }, [{}, 200, { etag: 'y' }], /header etag is "y" instead of "x"/],
  ])('is wrong with %s', (_what, answer, sent, fault) => {
    expect(faults(answer, ...sent).join()).toMatch(fault);
  });
});

it('fills places in texts, names and lists', () => {
  const names = new Map([['unique', 'u']]);
  expect(fill({ '{{unique}}': ['{{x*3}}'], list: { $times: 2, $of: 'v{{n}}' }, n: 1 }, names)).toEqual({
    u: ['xxx'],
    list: ['v0', 'v1'],
    n: 1,
  });
  expect(() => fill('{{nothing}}', names)).toThrow(/stands for nothing/);
});
