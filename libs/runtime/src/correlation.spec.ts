import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { givenCorrelationId, traceOf } from './correlation.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const VALID = `00-${TRACE}-${PARENT}-01`;

describe('traceparent (W3C Trace Context §3.2)', () => {
  it.each([
    [VALID, VALID],
    // Flags that version 00 does not know are not passed on.
    [`00-${TRACE}-${PARENT}-ff`, VALID],
    [`00-${TRACE}-${PARENT}-02`, `00-${TRACE}-${PARENT}-00`],
    // A later version may append more, and is answered in the version that is known here.
    [`cc-${TRACE}-${PARENT}-01-what-the-future-holds`, VALID],
    [`01-${TRACE}-${PARENT}-00`, `00-${TRACE}-${PARENT}-00`],
  ])('%s is given back as %s', (header, parent) => {
    expect(traceOf(header)).toEqual({ id: TRACE, parent });
  });

  it.each([
    '',
    'x',
    `ff-${TRACE}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `${VALID}-more`,
    `${VALID}.`,
    ` ${VALID}`,
    `${VALID}\n`,
    `00-${TRACE}-${PARENT}`,
    `00-${TRACE}-${PARENT}-1`,
    `00-${TRACE.slice(1)}-${PARENT}-01`,
    `cc-${TRACE}-${PARENT}-01.more`,
    `${VALID}, ${VALID}`,
  ])('%s is as if it were not there', (header) => {
    expect(traceOf(header)).toBeNull();
    expect(givenCorrelationId({ traceparent: header })).toBeNull();
  });
});

describe('the correlation id', () => {
  it.each([
    [{ 'x-request-id': 'a' }, 'a'],
    [{ 'x-request-id': 'Ab9._:-', traceparent: VALID }, 'Ab9._:-'],
    [{ 'x-request-id': 'x'.repeat(64) }, 'x'.repeat(64)],
    [{ 'x-request-id': 'x'.repeat(65), traceparent: VALID }, TRACE],
    [{ 'x-request-id': 'a b', traceparent: VALID }, TRACE],
    [{ 'x-request-id': 'a, b' }, null],
    [{ 'x-request-id': 'a\n' }, null],
    [{ 'x-request-id': 'ä' }, null],
    [{ 'x-request-id': '' }, null],
    // It was pasted into the wrong header, and would be in each log line.
    [{ 'x-request-id': `muster_${'x'.repeat(43)}`, traceparent: VALID }, TRACE],
    [{ 'x-request-id': `a:muster_key_${'x'.repeat(43)}` }, null],
    [{ traceparent: VALID }, TRACE],
    [{}, null],
  ])('of %o is %s', (headers, id) => {
    expect(givenCorrelationId(headers)).toBe(id);
  });

  it('whatever comes: it is short and plain, or there is none', () => {
    const header = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 80 }), fc.constant(undefined));
    fc.assert(
      fc.property(header, header, (id, traceparent) => {
        const given = givenCorrelationId({ 'x-request-id': id, traceparent });
        expect(given === null || /^[A-Za-z0-9._:-]{1,64}$/.test(given)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
