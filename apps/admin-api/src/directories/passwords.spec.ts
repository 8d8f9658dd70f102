import { describe, expect, it } from 'vitest';
import { withoutPasswords } from './passwords.js';

const URN = 'urn:ietf:params:scim:schemas:core:2.0:User';
const patch = (...Operations: readonly object[]): object => ({ Operations });

describe('the body of a request that is tried', () => {
  it.each<[string, unknown]>([
    ['an attribute', { userName: 'ada', password: 'planted' }],
    ['an attribute in another case', { userName: 'ada', Password: 'planted' }],
    ['an attribute by its URN', { userName: 'ada', [`${URN}:password`]: 'planted' }],
    ['an attribute below its URN', { userName: 'ada', [URN]: { password: 'planted' } }],
    ['a PATCH', patch({ op: 'replace', path: 'password', value: 'planted' })],
    ['a PATCH in another case', patch({ OP: 'Replace', Path: ' PASSWORD ', Value: { text: ['planted'] } })],
    ['a PATCH by its URN', patch({ op: 'replace', path: `${URN}:password`, value: 'planted' })],
    ['a PATCH without a path', patch({ op: 'replace', value: { password: 'planted', 'x.password': 'planted' } })],
  ])('has no password: %s', (_where, body) => {
    expect(withoutPasswords(body)).not.toContain('planted');
  });

  it('keeps all else, and the operation itself', () => {
    const body = { path: 'nickName', value: 'x', list: [1, null, { passwordHint: 'y' }] };
    expect(JSON.parse(withoutPasswords(body))).toEqual(body);
    expect(JSON.parse(withoutPasswords(patch({ op: 'replace', path: 'password', value: 'planted' })))).toEqual(
      patch({ op: 'replace', path: 'password', value: '' }),
    );
  });
});
