import { describe, expect, it } from 'vitest';
import {
  ERROR_URN,
  errorBody,
  errorStatus,
  isRejection,
  orRejection,
  Rejected,
  rejection,
  type RejectionCode,
} from './error.js';

it.each<[RejectionCode, number, boolean]>([
  ['invalidSyntax', 400, true],
  ['invalidFilter', 400, true],
  ['invalidPath', 400, true],
  ['noTarget', 400, true],
  ['invalidValue', 400, true],
  ['mutability', 400, true],
  ['tooMany', 400, true],
  ['sensitive', 400, true],
  ['invalidVers', 400, true],
  ['invalidCursor', 400, true],
  ['expiredCursor', 400, true],
  ['invalidCount', 400, true],
  ['uniqueness', 409, true],
  ['unauthorized', 401, false],
  ['forbidden', 403, false],
  ['notFound', 404, false],
  ['methodNotAllowed', 405, false],
  ['conflict', 409, false],
  ['requestTimeout', 408, false],
  ['preconditionFailed', 412, false],
  ['tooLarge', 413, false],
  ['unsupportedMediaType', 415, false],
  ['keyReused', 422, false],
  ['tooManyRequests', 429, false],
  ['headersTooLarge', 431, false],
  ['internal', 500, false],
  ['notImplemented', 501, false],
  ['unavailable', 503, false],
])('%s is %i, and a scimType: %s', (code, status, isScimType) => {
  expect(errorStatus(code)).toBe(status);
  expect(errorBody(code, 'why')).toEqual({
    schemas: [ERROR_URN],
    status: String(status),
    detail: 'why',
    ...(isScimType ? { scimType: code } : {}),
  });
});

it('carries the detail as its message, so that a log shows it', () => {
  const error = new Rejected('invalidValue', 'userName is required.');
  expect(error).toBeInstanceOf(Error);
  expect(String(error)).toBe('Rejected: userName is required.');
  expect({ code: error.code, detail: error.detail }).toEqual({ code: 'invalidValue', detail: 'userName is required.' });
});

describe('a rejection', () => {
  it('is a value, which nothing else is taken for', () => {
    const refused = rejection('conflict', 'why');
    expect(refused).toEqual({ status: 'rejected', code: 'conflict', detail: 'why' });
    expect(isRejection(refused)).toBe(true);
    for (const other of [null, undefined, [], {}, { status: 'done' }, new Rejected('conflict', 'why')])
      expect(isRejection(other)).toBe(false);
  });

  it('is made of what a parser throws, and of no other error', () => {
    expect(orRejection(() => 7)).toBe(7);
    const parse = (): never => {
      throw new Rejected('invalidPath', 'why');
    };
    expect(orRejection(parse)).toEqual(rejection('invalidPath', 'why'));
    const fail = (): never => {
      throw Object.assign(new Error('ours'), { name: 'Rejected' });
    };
    expect(() => orRejection(fail)).toThrow('ours');
  });
});
