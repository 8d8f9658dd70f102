import { expect, it } from 'vitest';
import { FairQueue } from './fair-queue.js';

const taken = (queue: FairQueue<string>): string[] => {
  const all: string[] = [];
  for (let item = queue.take(); item !== undefined; item = queue.take()) all.push(item);
  return all;
};

it('a tenant with many waits for one with few after each of its own, and keeps its order', () => {
  const queue = new FairQueue<string>();
  for (let index = 0; index < 5; index++) queue.add('many', `many ${index}`);
  queue.add('few', 'few 0');
  queue.add('few', 'few 1');
  expect(queue.size).toBe(7);
  expect(taken(queue)).toEqual(['many 0', 'few 0', 'many 1', 'few 1', 'many 2', 'many 3', 'many 4']);
  expect([queue.size, queue.take()]).toEqual([0, undefined]);
});

it('who comes while others are served gets the next turn but those of who is in line', () => {
  const queue = new FairQueue<string>();
  for (let index = 0; index < 3; index++) queue.add('many', `many ${index}`);
  expect(queue.take()).toBe('many 0');
  queue.add('late', 'late 0');
  expect(taken(queue)).toEqual(['many 1', 'late 0', 'many 2']);
});
