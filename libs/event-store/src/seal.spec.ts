import { expect, it } from 'vitest';
import { newKey, seal, unseal } from './seal.js';

it('opens with the same key and context only', () => {
  const key = newKey();
  const sealed = seal(key, 'tenant|stream|1|personal', '{"userName":"ada"}');
  expect(unseal(key, 'tenant|stream|1|personal', sealed).toString()).toBe('{"userName":"ada"}');
  expect(() => unseal(key, 'tenant|stream|2|personal', sealed)).toThrow();
  expect(() => unseal(newKey(), 'tenant|stream|1|personal', sealed)).toThrow();
  expect(sealed).not.toContain('ada');
});
