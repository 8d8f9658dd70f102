import { createRequire } from 'node:module';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import './request-queue.js';

/**
 * These tests show what request-queue.ts mends in kafkajs: where it does not, it shows here, and not as a process that
 * is always busy.
 */
interface Queue {
  push(request: {
    entry: { correlationId: number; resolve: () => void };
    expectResponse: boolean;
    sendRequest: () => void;
  }): void;
  fulfillRequest(response: { correlationId: number; payload: Buffer; size: number }): void;
  maybeThrottle(ms: number): void;
}
const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as new (
  options: object,
) => Queue;

let queue: Queue;
let sent: number[];

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  queue = new RequestQueue({ requestTimeout: 30_000, logger: { debug: () => undefined, warn: () => undefined } });
});

afterEach(() => {
  vi.useRealTimers();
});

const push = (correlationId: number): void => {
  queue.push({
    entry: { correlationId, resolve: () => undefined },
    expectResponse: false,
    sendRequest: () => sent.push(correlationId),
  });
};

it('sets no timer on a connection that waits for nothing: kafkajs would set one of a negative time, again each millisecond', () => {
  queue.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 });
  expect(vi.getTimerCount()).toBe(0);
});

it('sends what a broker throttled when its time has come', () => {
  queue.maybeThrottle(100);
  push(1);
  expect(sent).toEqual([]);
  vi.advanceTimersByTime(100);
  expect(sent).toEqual([1]);
  expect(vi.getTimerCount()).toBe(0);
});
