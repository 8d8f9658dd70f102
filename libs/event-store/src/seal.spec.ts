import { expect, it } from 'vitest';
import { keySeal, newKey, seal, unseal } from './seal.js';

it('opens with the same key and context only', () => {
  const key = newKey();
  const sealed = seal(key, 'tenant|stream|1|personal', '{"userName":"ada"}');
  expect(unseal(key, 'tenant|stream|1|personal', sealed).toString()).toBe('{"userName":"ada"}');
  expect(() => unseal(key, 'tenant|stream|2|personal', sealed)).toThrow();
  expect(() => unseal(newKey(), 'tenant|stream|1|personal', sealed)).toThrow();
  expect(sealed).not.toContain('ada');
});

it('a key that is sealed with another one opens what it sealed, and so does one that is derived of a text', () => {
  const [master, inner] = [newKey(), newKey()];
  const wrapped = seal(master, 'wrapped', inner);
  const sealed = seal(inner, 'text', 'ada');
  expect(keySeal(master).unwrap('wrapped', wrapped)?.open('text', sealed)).toBe('ada');
  expect(keySeal(master).unwrap('another place', wrapped)).toBe(null);
  expect(keySeal(newKey()).unwrap('wrapped', wrapped)).toBe(null);
  expect(keySeal(master).unwrap('wrapped', wrapped)?.open('another place', sealed)).toBe(null);
  const derived = keySeal(master).derived('bodies');
  expect(keySeal(keySeal(master).derive('bodies')).open('c', derived.seal('c', 'body'))).toBe('body');
  expect(keySeal(master).derived('others').open('c', derived.seal('c', 'body'))).toBe(null);
});
