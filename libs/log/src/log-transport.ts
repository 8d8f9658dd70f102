import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import { lastValueFrom, isObservable } from 'rxjs';
import type { Batch, Log, Position } from './log.js';

/**
 * Makes the log a transport of Nest: a controller's message pattern is a topic, its payload a whole batch of one
 * partition.
 */
export class LogTransport extends Server implements CustomTransportStrategy {
  constructor(
    /** The log of each topic's owner; it is the same one for all within one process on the Postgres log. */
    private readonly logOf: (topic: string) => Log,
    private readonly position: (topic: string, partition: number) => Promise<Position>,
  ) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    for (const [topic, handler] of this.getHandlers()) {
      this.logOf(topic).subscribe({
        topic,
        position: (partition) => this.position(topic, partition),
        handleBatch: async (batch: Batch) => {
          // An error of a handler comes back as an Observable that errors; not subscribed to, it would vanish.
          const result: unknown = await handler(batch);
          if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
        },
      });
    }
    callback();
  }

  /** The code that made the logs starts and stops them: others use them as well. */
  close(): void {}

  on(): void {
    throw new Error('The log has no events of its own.');
  }

  unwrap<T>(): T {
    throw new Error('There is nothing to unwrap.');
  }
}
