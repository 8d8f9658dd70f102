import { expect, it } from 'vitest';
import { CommandCosts } from './command-costs.js';

const MEBIBYTE = 1_048_576;

it('an ordinary tenant counts for nothing, however much it sends', () => {
  const costs = new CommandCosts();
  for (let command = 0; command < 10_000; command++) costs.learn('ordinary', command % 2 === 0 ? 2_000 : 14_000);
  expect(costs.of('ordinary')).toBe(0);
});

it('a tenant whose commands are heavy is known after a few, and others are not concerned', () => {
  const costs = new CommandCosts();
  for (let command = 0; command < 8; command++) costs.learn('heavy', 3 * MEBIBYTE);
  expect(costs.of('heavy')).toBeGreaterThan(MEBIBYTE);
  expect(costs.of('other')).toBe(0);
});

it('one heavy command among many leaves room for more than ten at once, and is forgotten in the end', () => {
  const costs = new CommandCosts();
  costs.learn('mixed', 2 * MEBIBYTE);
  expect((4 * MEBIBYTE) / costs.of('mixed')).toBeGreaterThan(10);
  for (let command = 0; command < 300; command++) costs.learn('mixed', 6_000);
  expect(costs.of('mixed')).toBe(0);
});

it('light commands between heavy ones do not hide them for long', () => {
  const costs = new CommandCosts();
  for (let command = 0; command < 20; command++) costs.learn('sly', 3 * MEBIBYTE);
  for (let command = 0; command < 64; command++) costs.learn('sly', 2_000);
  expect(costs.of('sly')).toBeGreaterThan(MEBIBYTE / 2);
});

it('a tenant whose commands take 160 ms each, which count 6.4 MB, has few under way at once after the first, and one alone in the end', () => {
  const costs = new CommandCosts();
  costs.learn('slow', 6_400_000);
  expect((4 * MEBIBYTE) / costs.of('slow')).toBeLessThan(6);
  for (let command = 0; command < 10; command++) costs.learn('slow', 6_400_000);
  expect(costs.of('slow')).toBeGreaterThan(4 * MEBIBYTE);
});

it('remembers 10,000 tenants at most', () => {
  const costs = new CommandCosts();
  for (let tenant = 0; tenant <= 10_000; tenant++) costs.learn(`tenant ${tenant}`, MEBIBYTE);
  expect([costs.of('tenant 0'), costs.of('tenant 1') > 0, costs.of('tenant 10000') > 0]).toEqual([0, true, true]);
});
