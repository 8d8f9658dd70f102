import { createRequire } from 'node:module';

/**
 * Mends kafkajs 2.2.4 (its issue 1751) by subclassing nothing and copying nothing: a connection that waited for no
 * answer set a timer of a negative time, which Node makes one of a millisecond, again and again. Nothing has to be
 * looked at later while nothing is pending.
 */
interface Queue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}
const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as {
  readonly prototype: Queue;
};
const { scheduleCheckPendingRequests } = prototype;

prototype.scheduleCheckPendingRequests = function (this: Queue): void {
  if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
};
