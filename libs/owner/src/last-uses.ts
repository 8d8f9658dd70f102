import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { Pool } from 'pg';
import { RECORD_USES } from '#contracts';

const TICK_MS = 1_000;
/** The use of one id is written so often at most: what is shown is behind by as much. */
const WRITE_EVERY_MS = 60_000;
/** So many ids are remembered; a further one is recorded when it is used in a quieter minute. */
const MAX_IDS = 10_000;

interface Use {
  /** Of the system's clock. */
  usedMs: number;
  /** The `usedMs` that was written last; null = none. */
  writtenMs: number | null;
}

/**
 * When tokens, keys and clients were used last. No request waits for it and none makes an event or a command: the first
 * use is written within a second, and a later one of the same id a minute after that, all that are due with one
 * statement. The face calls the owner's function for it, because a face that may send commands to the owner of
 * directories could make tokens (docs/decisions/0008-who-may-say-what-on-kafka.md).
 */
export class LastUses implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly uses = new Map<string, Use>();
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();
  private isWriting = false;

  constructor(
    private readonly pool: Pool,
    private readonly nowMs: () => number = Date.now,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.write(), TICK_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.writing;
    await this.write(0);
  }

  /** Somebody has used the token, key or client with this id. */
  seen(id: string): void {
    const known = this.uses.get(id);
    if (known) known.usedMs = this.nowMs();
    else if (this.uses.size < MAX_IDS) this.uses.set(id, { usedMs: this.nowMs(), writtenMs: null });
  }

  /**
   * Writes the uses of those ids of which none was written for so long. While the database is away they are kept, and
   * written later.
   */
  async write(everyMs = WRITE_EVERY_MS): Promise<void> {
    if (this.isWriting) return;
    this.isWriting = true;
    this.writing = this.writeDue(everyMs).finally(() => (this.isWriting = false));
    await this.writing;
  }

  private async writeDue(everyMs: number): Promise<void> {
    const nowMs = this.nowMs();
    const due: (readonly [id: string, use: Use, usedMs: number])[] = [];
    for (const [id, use] of this.uses) {
      if (use.writtenMs !== null && nowMs - use.writtenMs < everyMs) continue;
      if (use.usedMs === use.writtenMs) this.uses.delete(id);
      else due.push([id, use, use.usedMs]);
    }
    if (due.length === 0) return;
    try {
      await this.pool.query({
        name: 'record-uses',
        text: `SELECT ${RECORD_USES}($1, $2)`,
        values: [due.map(([id]) => id), due.map(([, , usedMs]) => new Date(usedMs))],
      });
      for (const [, use, usedMs] of due) use.writtenMs = usedMs;
    } catch {
      // Whatever else needs the database says that it is away; the next second tries again.
    }
  }
}
