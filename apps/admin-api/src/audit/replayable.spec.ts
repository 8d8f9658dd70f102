import { describe, expect, it } from 'vitest';
import { MASKED_CONDITION, MAX_KEPT_BODY_BYTES } from '#contracts';
import type { KeptRequest, SendingDirectory } from './asked-request.js';
import { pathOf, unrepeatable, unsendable, type Circumstances } from './replayable.js';

const USER = '01980000-0000-7000-8000-0000000000aa';
const request = (more: Partial<KeptRequest> = {}): KeptRequest => ({
  tenant: 't',
  id: 'r',
  at: '2026-01-02T00:00:00.000Z',
  durationMs: 1,
  face: 'scim',
  directory: 'd',
  actor: 'token:a',
  method: 'PATCH',
  path: `/api/scim/v2/Users/${USER}`,
  resourceType: 'User',
  object: USER,
  name: null,
  status: 403,
  effect: null,
  scimType: null,
  detail: 'off',
  address: '::1',
  userAgent: null,
  correlationId: 'c',
  body: '{"Operations":[]}',
  bodyBytes: 17,
  ifMatch: null,
  ifNoneMatch: null,
  replayOf: null,
  ...more,
});
const directory: SendingDirectory = { name: 'Contoso', status: 'active', movedAt: null };
const facts: Circumstances = { directory, done: null, isCarriedOut: false };

describe('nobody can send', () => {
  it.each<[string, Partial<KeptRequest>, RegExp]>([
    ['what no identity provider asked', { face: 'admin' }, /only those of identity providers/],
    ['what a token endpoint was asked', { face: 'sign-in' }, /for an access token/],
    ['what has a wrong token', { directory: null, status: 401 }, /belongs to no directory, because its token/],
    [
      'what was refused before that',
      { directory: null, status: 404 },
      /belongs to no directory, because it was refused/,
    ],
    ['a bulk request', { resourceType: 'Bulk', path: '/api/scim/v2/Bulk' }, /a bulk request/],
    ['an operation of one', { resourceType: 'Bulk', path: '/api/scim/v2/Bulk#2/Users' }, /an operation of one/],
    ['another method', { method: 'OPTIONS' }, /OPTIONS asks for no user or group/],
    ['a path with a secret', { path: '/api/scim/v2/Users?token=***' }, /holds a secret/],
    ['a path without its end', { path: `/api/scim/v2/Users?a=${'a'.repeat(2_000)}` }, /more than 2000 characters/],
    ['a write to nothing', { path: '/api/scim/v2/Users/..' }, /neither a list of users or groups/],
    ['a condition that was not kept', { ifMatch: MASKED_CONDITION }, /If-Match/],
    ['another such condition', { ifNoneMatch: MASKED_CONDITION }, /If-None-Match/],
    ['a body that was not read', { body: null, bodyBytes: 9 }, /body of 9 bytes is kept nowhere/],
    ['a body without its end', { bodyBytes: MAX_KEPT_BODY_BYTES + 1 }, /only the first 65536 are kept/],
    ['a body without its secrets', { body: '{"userName":"a","password":"***"}' }, /such as a password/],
  ])('%s', (_what, more, words) => expect(unsendable(request(more))).toMatch(words));

  it('else it can be sent, also without a body', () => {
    expect(unsendable(request())).toBe(null);
    expect(unsendable(request({ method: 'DELETE', body: null, bodyBytes: 0 }))).toBe(null);
    expect(unsendable(request({ method: 'GET', path: '/api/scim/v2/Users?filter=x', body: null, bodyBytes: 0 }))).toBe(
      null,
    );
    expect(unsendable(request({ ifMatch: 'W/"3"' }))).toBe(null);
  });
});

describe('nobody sends again as things are', () => {
  it.each<[string, Partial<KeptRequest>, Partial<Circumstances>, RegExp]>([
    ['what reads', { method: 'GET' }, {}, /only reads/],
    ['what searches', { method: 'POST', path: '/api/scim/v2/Users/.search' }, {}, /only reads/],
    ['what was done', { status: 201 }, {}, /answered 201 and done/],
    [
      'what was done though it failed',
      { status: 503 },
      { isCarriedOut: true },
      /answered 503, and its change was made/,
    ],
    [
      'what a replay has done',
      {},
      { done: { id: 's', at: '2026-01-03T00:00:00.123456Z' } },
      /sent again on 2026-01-03T00:00:00\.123Z .*request s/,
    ],
    ['what a deleted directory sent', {}, { directory: null }, /directory was deleted/],
    ['what a disabled one sent', {}, { directory: { ...directory, status: 'disabled' } }, /disabled.*directory enable/],
    ['what a disconnected one sent', {}, { directory: { ...directory, status: 'disconnected' } }, /directory connect/],
    [
      'what another identity provider sent',
      {},
      { directory: { ...directory, movedAt: '2026-01-02T00:00:01.000Z' } },
      /moved to another identity provider/,
    ],
  ])('%s', (_what, more, known, words) => {
    expect(unrepeatable(request(more), { ...facts, ...known })).toMatch(words);
  });

  it('else it is sent, whatever the reason of the refusal was', () => {
    for (const status of [400, 403, 404, 409, 412, 429, 500, 503])
      expect(unrepeatable(request({ status }), facts)).toBe(null);
    const movedBefore = { ...directory, movedAt: '2026-01-01T00:00:00.000Z' };
    expect(unrepeatable(request(), { ...facts, directory: movedBefore })).toBe(null);
  });
});

it('a read is tried where it was asked for, and a write below the lists of users and groups alone', () => {
  expect(pathOf(request())).toBe(`/Users/${USER}`);
  expect(pathOf(request({ method: 'GET', path: '/api/scim/v2/Users?count=1' }))).toBe('/Users?count=1');
  expect(pathOf(request({ method: 'POST', path: '/api/scim/v2/.search' }))).toBe('/.search');
  expect(pathOf(request({ method: 'GET', path: '/api/admin/v1/keys' }))).toBe(null);
  expect(pathOf(request({ method: 'PUT', path: '/api/scim/v2/Schemas/x' }))).toBe(null);
});
