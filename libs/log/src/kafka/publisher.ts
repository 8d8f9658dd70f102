import kafkajs, { type Message as KafkaMessage, type Producer } from 'kafkajs';
import { partitionOf, type Message } from '#contracts';
import { LogUnavailable, MessageTooLong, type Watch } from '../log.js';
import { countOfRequest, isTooLong, MAX_MESSAGE_BYTES, sizeOf, toKafka } from './kafka-message.js';

interface Outgoing {
  readonly message: KafkaMessage;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const MAX_OUTGOING_BYTES = 64 * 1_048_576;

/** Publishes messages: those of one turn of the event loop go as one request, and a topic has one request at a time. */
export class Publisher {
  private readonly outgoing = new Map<string, Outgoing[]>();
  private readonly flushing = new Map<string, Promise<void>>();
  private outgoingBytes = 0;

  constructor(
    private readonly producer: Producer,
    private readonly service: string,
    private readonly named: (topic: string) => string,
    private readonly watch: Watch,
  ) {}

  /** Throws LogUnavailable or MessageTooLong. */
  async publish(topic: string, messages: readonly Message[]): Promise<void> {
    const waiting = this.outgoing.get(topic) ?? [];
    this.outgoing.set(topic, waiting);
    const sent = messages.map((message) => {
      const made = toKafka(message, partitionOf(message.tenant));
      const bytes = sizeOf(made);
      if (bytes > MAX_MESSAGE_BYTES) return Promise.reject(tooLong(bytes));
      // While the broker is away these messages would fill the memory.
      if (this.outgoingBytes + bytes > MAX_OUTGOING_BYTES)
        return Promise.reject(new LogUnavailable('The message log is behind.'));
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
      const bytes = batch.reduce((sum, one) => sum + one.bytes, 0);
      await this.send(topic, batch);
      this.outgoingBytes -= bytes;
    }
    this.flushing.delete(topic);
  }

  private async send(topic: string, batch: readonly Outgoing[]): Promise<void> {
    try {
      const isTaken = await this.watch.during(`publishing of ${this.service} to ${topic}`, () =>
        this.isTaken(topic, batch),
      );
      if (!isTaken) return await this.divide(topic, batch);
      for (const { resolve } of batch) resolve();
    } catch (error) {
      const away = new LogUnavailable(`The message log did not take the message: ${(error as Error).message}`);
      // If no broker answers, messages that wait cannot be sent either.
      const inVain = isAnswer(error) ? [] : this.outgoing.get(topic)!.splice(0);
      for (const { bytes } of inVain) this.outgoingBytes -= bytes;
      for (const { reject } of [...batch, ...inVain]) reject(away);
    }
  }

  /** False = one of the messages is too long for the broker, which answers and takes others. */
  private async isTaken(topic: string, batch: readonly Outgoing[]): Promise<boolean> {
    try {
      await this.producer.send({ topic: this.named(topic), acks: -1, messages: batch.map(({ message }) => message) });
      return true;
    } catch (error) {
      if (isTooLong(error)) return false;
      throw error;
    }
  }

  /** One of the messages is too long for the broker: the others are sent. */
  private async divide(topic: string, batch: readonly Outgoing[]): Promise<void> {
    const [first] = batch;
    if (batch.length === 1) return first!.reject(tooLong(first!.bytes));
    const middle = batch.length >> 1;
    await this.send(topic, batch.slice(0, middle));
    await this.send(topic, batch.slice(middle));
  }

  private take(topic: string): Outgoing[] {
    const waiting = this.outgoing.get(topic) ?? [];
    return waiting.splice(0, countOfRequest(waiting));
  }
}

const tooLong = (bytes: number): MessageTooLong =>
  new MessageTooLong(`The message log takes no message of ${bytes} bytes.`);

/** Tells whether an error is the answer of a broker. */
const isAnswer = (error: unknown): boolean => ((error as Error).cause ?? error) instanceof kafkajs.KafkaJSProtocolError;
