import type { Message as KafkaMessage, Producer } from 'kafkajs';
import { partitionOf, type Message } from '#contracts';
import { LogUnavailable } from '../log.js';
import { countOfRequest, sizeOf, toKafka } from './kafka-message.js';

interface Outgoing {
  readonly message: KafkaMessage;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const MAX_OUTGOING_BYTES = 64 * 1_048_576;

/** Sends what is published: messages of one turn of the event loop as one request, and one request of a topic at a time. */
export class Publisher {
  private readonly outgoing = new Map<string, Outgoing[]>();
  private readonly flushing = new Map<string, Promise<void>>();
  private outgoingBytes = 0;

  constructor(private readonly producer: Producer, private readonly named: (topic: string) => string) {}

  /** Throws LogUnavailable. */
  async publish(topic: string, messages: readonly Message[]): Promise<void> {
    const waiting = this.outgoing.get(topic) ?? [];
    this.outgoing.set(topic, waiting);
    const sent = messages.map((message) => {
      const made = toKafka(message, partitionOf(message.tenant));
      const bytes = sizeOf(made);
      // While the broker is away they would fill the memory.
      if (this.outgoingBytes + bytes > MAX_OUTGOING_BYTES) return Promise.reject(new LogUnavailable('The message log is behind.'));
      this.outgoingBytes += bytes;
      return new Promise<void>((resolve, reject) => waiting.push({ message: made, bytes, resolve, reject }));
    });
    if (!this.flushing.has(topic)) this.flushing.set(topic, this.flush(topic));
    await Promise.all(sent);
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    await Promise.all(this.flushing.values());
  }

  private async flush(topic: string): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    for (let batch = this.take(topic); batch.length > 0; batch = this.take(topic)) {
      try {
        await this.producer.send({ topic: this.named(topic), acks: -1, messages: batch.map(({ message }) => message) });
        for (const { resolve } of batch) resolve();
      } catch (error) {
        // Where no broker answers, those that wait would only wait in vain.
        if (!isAnswer(error)) batch.push(...this.outgoing.get(topic)!.splice(0));
        const away = new LogUnavailable(`The message log did not take the message: ${(error as Error).message}`);
        for (const { reject } of batch) reject(away);
      }
      for (const { bytes } of batch) this.outgoingBytes -= bytes;
    }
    this.flushing.delete(topic);
  }

  private take(topic: string): Outgoing[] {
    const waiting = this.outgoing.get(topic) ?? [];
    return waiting.splice(0, countOfRequest(waiting));
  }
}

/** Whether a broker said no. */
const isAnswer = (error: unknown): boolean => {
  const { name, cause } = error as { name?: string; cause?: { name?: string } };
  return (cause?.name ?? name) === 'KafkaJSProtocolError';
};
