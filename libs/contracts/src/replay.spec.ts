import { describe, expect, it } from 'vitest';
import { isReplayablePath, replayablePath } from './replay.js';

const ID = '01980000-0000-7000-8000-0000000000aa';

describe('a request that is sent again', () => {
  it.each([
    ['/api/scim/v2/Users', '/Users'],
    ['/api/scim/v2/Users/', '/Users'],
    ['/api/scim/v2//Groups', '/Groups'],
    ['//api//scim/v2///Users//', '/Users'],
    [`/api/scim/v2/Users/${ID}`, `/Users/${ID}`],
    [`/api/scim/v2/Groups/${ID.toUpperCase()}`, `/Groups/${ID}`],
    [`/api/scim/v2/Users/${ID}?attributes=userName&x=%2e%2e/`, `/Users/${ID}?attributes=userName&x=%2e%2e/`],
    ['/api/scim/v2/Users?aadOptscim062020', '/Users?aadOptscim062020'],
    ['http://evil.example/api/scim/v2/Users', '/Users'],
    ['http://evil.example@127.0.0.1:1/api/scim/v2/Users', '/Users'],
  ])('%s leads to the users or groups of its directory: %s', (written, path) => {
    expect(replayablePath(written)).toBe(path);
    expect(isReplayablePath(path)).toBe(true);
    expect(new URL(`http://gateway/api/scim/v2${path}`).pathname).toBe(`/api/scim/v2${path.split('?')[0]}`);
  });

  it.each([
    '',
    '/',
    '/api/scim/v2',
    '/api/scim/v2/Bulk',
    '/api/scim/v2/Bulk#2/Users',
    '/api/scim/v2/Users/.search',
    '/api/scim/v2/Users/..',
    '/api/scim/v2/Users/../../../admin/v1/keys',
    '/api/scim/v2/Users/%2e%2e/%2e%2e/admin/v1/keys',
    '/api/scim/v2/Users/..%2f..%2fadmin',
    `/api/scim/v2/Users/${ID}/..`,
    `/api/scim/v2/Users/${ID}%2f..%2f..`,
    `/api/scim/v2/Users/${ID}\\..\\..`,
    `/api/scim/v2/Users/${ID}\n`,
    `/api/scim/v2/Users/${ID} HTTP/1.1\r\nHost: x`,
    '/api/scim/v2/Users?a=b#/../..',
    '/api/scim/v2/Users?a=b\r\nx: y',
    '/api/scim/v2/Users?a=é',
    '/api/scim/v2/Schemas',
    '/api/scim/v1/Users',
    '/api/admin/v1/keys',
    'http://evil.example/',
    'http://evil.example/?/api/scim/v2/Users',
    'file:///api/scim/v2/Users',
    '//evil.example/api/scim/v2/Users',
    'Users',
    '@evil.example/api/scim/v2/Users',
    '***',
  ])('%j leads nowhere', (written) => expect(replayablePath(written)).toBe(null));

  it.each([
    '/Users/..',
    '//evil.example',
    '@evil.example/Users',
    ':1/Users',
    '.evil.example/Users',
    '/Users/x',
    '/Users#x',
    `/Users/${ID}/x`,
    `/Users/${ID}\n`,
    '/Bulk',
    '/Users?\t',
  ])('a path that is not made so is not sent: %j', (path) => expect(isReplayablePath(path)).toBe(false));
});
