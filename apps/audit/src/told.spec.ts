import { expect, it } from 'vitest';
import { leastIdAt, NO_DIRECTORY, type ToldRequest } from '#contracts';
import { countedRequests } from './told.js';

const TENANT = '01980000-0000-7000-8000-00000000000a';
const DIRECTORY = '01980000-0000-7000-8000-00000000000d';
const asked = (time: string, more: Partial<ToldRequest> = {}): ToldRequest => ({
  id: leastIdAt(Date.parse(`2026-01-31T${time}Z`)),
  // The minute is that of the id, by which a timespan is asked for.
  at: '2020-01-01T00:00:00.000Z',
  durationMs: 1,
  face: 'scim',
  directory: DIRECTORY,
  actor: null,
  method: 'PATCH',
  path: '/',
  resourceType: 'User',
  object: null,
  name: null,
  status: 200,
  effect: 'update',
  scimType: null,
  detail: null,
  address: '::1',
  userAgent: null,
  correlationId: 'c',
  body: null,
  bodyBytes: 0,
  ifMatch: null,
  ifNoneMatch: null,
  replayOf: null,
  ...more,
});
const counted = (...requests: readonly ToldRequest[]) =>
  countedRequests([{ tenant: TENANT, requests }]).map(({ minute, directory, face, effect, scim_type, count }) => [
    minute.slice(11, 16),
    directory === NO_DIRECTORY ? 'none' : 'one',
    face,
    effect || scim_type,
    count,
  ]);

it.each([
  ['of one minute together', [asked('12:00:00.000'), asked('12:00:59.999')], [['12:00', 'one', 'scim', 'update', 2]]],
  [
    'of two minutes apart',
    [asked('12:00:59.999'), asked('12:01:00.000')],
    [
      ['12:00', 'one', 'scim', 'update', 1],
      ['12:01', 'one', 'scim', 'update', 1],
    ],
  ],
  [
    'by effect and answer',
    [asked('12:00:00'), asked('12:00:00', { effect: null, status: 409, scimType: 'uniqueness' })],
    [
      ['12:00', 'one', 'scim', 'update', 1],
      ['12:00', 'one', 'scim', 'uniqueness', 1],
    ],
  ],
  ['of nobody under none', [asked('12:00:00', { directory: null })], [['12:00', 'none', 'scim', 'update', 1]]],
  ['of administrators not at all', [asked('12:00:00', { face: 'admin' })], []],
  [
    'that were sent again apart: they say nothing of the identity provider',
    [asked('12:00:00'), asked('12:00:00', { replayOf: TENANT })],
    [
      ['12:00', 'one', 'scim', 'update', 1],
      ['12:00', 'one', 'replay', 'update', 1],
    ],
  ],
])('requests are counted %s', (_how, requests, rows) => expect(counted(...requests)).toEqual(rows));

it('those that several messages told are one row, and each tenant has its own', () => {
  const told = [TENANT, TENANT, DIRECTORY].map((tenant) => ({ tenant, requests: [asked('12:00:00')] }));
  expect(countedRequests(told).map(({ tenant, count }) => [tenant, count])).toEqual([
    [TENANT, 2],
    [DIRECTORY, 1],
  ]);
});
