import { expect, it } from 'vitest';
import { isUuid, uuidv7 } from './uuid.js';

it('makes ids of version 7 that ascend and never repeat', () => {
  const ids = Array.from({ length: 20_000 }, uuidv7);
  expect(ids.every((id) => isUuid(id) && /^.{14}7.{4}[89ab]/.test(id))).toBe(true);
  expect(new Set(ids).size).toBe(ids.length);
  expect([...ids].sort()).toEqual(ids);
});
