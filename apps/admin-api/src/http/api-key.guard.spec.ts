import { expect, it } from 'vitest';
import type { ExecutionContext } from '@nestjs/common';
import { ApiKeyGuard } from './api-key.guard.js';

const KEY = 'k'.repeat(32);
const asks = (guard: ApiKeyGuard, authorization?: string): boolean =>
  guard.canActivate({
    switchToHttp: () => ({ getRequest: () => ({ headers: { authorization } }) }),
  } as unknown as ExecutionContext);

it.each(['', 'short', 'k'.repeat(31)])('takes no key that is empty or can be guessed: %j', (key) => {
  expect(() => new ApiKeyGuard(key)).toThrow(/less than 32 characters/);
});

it('lets in with its key alone', () => {
  const guard = new ApiKeyGuard(KEY);
  expect(asks(guard, `Bearer ${KEY}`)).toBe(true);
  for (const wrong of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Bearer ${KEY}k`,
    `Basic ${KEY}`,
    `Bearer ${'x'.repeat(32)}`,
  ]) {
    expect(() => asks(guard, wrong), String(wrong)).toThrow(/needs the key of this installation/);
  }
});
