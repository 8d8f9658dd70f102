import type { Pool } from 'pg';
import { eventsOf, schemaOf, type Owner } from '#contracts';
import { Conflict } from './blame.js';
import { UUID } from './consumed-event.js';
import { consumerGroupOf, readPosition } from './positions.js';
import type { BatchToHandle } from './turn.js';

interface Position {
  readonly epoch: string;
  readonly nextOffset: number;
}

/** The memory of the only reader of a partition; thrown away after any fault. */
interface Memory {
  /** The position as it is in the database. */
  saved: Position;
  savedAtMs: number;
}

/** Hearing something twice after a crash costs nothing. */
const SAVE_EVERY_MS = 1_000;

/**
 * Hears that tenants have new events of an owner, and writes nothing but how far it has heard. What a message says
 * counts for nothing: whoever is told reads the store.
 */
export class NoticeConsumer {
  private readonly memories = new Map<number, Memory>();

  constructor(
    private readonly pool: Pool,
    private readonly owner: Owner,
    private readonly source: Owner,
    private readonly notice: (tenants: readonly string[]) => void,
    /** Milliseconds of a clock that only goes forward. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The position from which it goes on. It is asked when a partition is opened. */
  async position(partition: number): Promise<Position> {
    const { owner, source } = this;
    const { epoch, nextOffset } = await readPosition(this.pool, owner, eventsOf(source), partition);
    const saved = { epoch, nextOffset };
    this.memories.set(partition, { saved, savedAtMs: this.now() });
    return saved;
  }

  /** Throws on infrastructure faults, never for the content of a message. */
  async handle({ partition, epoch, nextOffset, received }: BatchToHandle): Promise<void> {
    const tenants = new Set(
      received.flatMap(({ message }) => (message && UUID.test(message.tenant) ? message.tenant : [])),
    );
    if (tenants.size > 0) this.notice([...tenants]);
    if (!this.memories.has(partition)) await this.position(partition);
    const memory = this.memories.get(partition)!;
    if (this.now() - memory.savedAtMs < SAVE_EVERY_MS) return;
    try {
      await this.save(partition, memory, { epoch, nextOffset });
    } catch (error) {
      this.memories.delete(partition);
      throw error;
    }
  }

  private async save(partition: number, memory: Memory, position: Position): Promise<void> {
    const topic = eventsOf(this.source);
    const { rows } = await this.pool.query({
      name: `notice-${this.owner}`,
      text: `WITH moved AS (
          UPDATE ${schemaOf(this.owner)}.positions SET epoch = $1, next_offset = $2
          WHERE consumer_group = $3 AND topic = $4 AND partition = $5 AND epoch = $6 AND next_offset = $7 RETURNING 1
        )
        SELECT set_config('synchronous_commit', 'off', true) FROM moved`,
      values: [
        position.epoch,
        position.nextOffset,
        consumerGroupOf(this.owner),
        topic,
        partition,
        memory.saved.epoch,
        memory.saved.nextOffset,
      ],
    });
    if (rows.length !== 1) throw new Conflict(`somebody else has moved the position of ${topic}/${partition}`);
    memory.saved = position;
    memory.savedAtMs = this.now();
  }
}
