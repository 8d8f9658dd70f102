import { expect, it } from 'vitest';
import { onceAMinute } from './once-a-minute.js';

it('tells the first error at once, one a minute after it, and how many it left out', () => {
  const told: [string, number][] = [];
  let nowMs = 1_000;
  const listener = onceAMinute(
    (error, leftOut) => told.push([error.message, leftOut]),
    () => nowMs,
  );
  // Five a second for two minutes and a half.
  for (let count = 0; count < 750; count++, nowMs += 200) listener(new Error(`away ${count}`));
  expect(told).toEqual([
    ['away 0', 0],
    ['away 300', 299],
    ['away 600', 299],
  ]);
});

it('tells what comes after a quiet time at once', () => {
  const told: number[] = [];
  let nowMs = 0;
  const listener = onceAMinute(
    (_error, leftOut) => told.push(leftOut),
    () => nowMs,
  );
  listener(new Error('away'));
  nowMs = 3_600_000;
  listener(new Error('away'));
  expect(told).toEqual([0, 0]);
});

it('tells what is of another kind', () => {
  const told: string[] = [];
  const listener = onceAMinute(
    ({ message }) => told.push(message),
    () => 0,
  );
  for (const text of [
    'connect ECONNREFUSED 127.0.0.1:5432',
    'connect ECONNREFUSED 127.0.0.1:5433',
    'the message 7 is too long for Kafka',
  ])
    listener(new Error(text));
  expect(told).toEqual(['connect ECONNREFUSED 127.0.0.1:5432', 'the message 7 is too long for Kafka']);
});
