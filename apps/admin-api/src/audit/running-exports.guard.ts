import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Rejected } from '#scim';

/** Exports of one process, and of one key among them: each keeps the database and this process busy. */
const MAX_EXPORTS = 4;
const MAX_EXPORTS_OF_KEY = 2;
/** An export of which the client has taken nothing for so long is ended, and makes room for others. */
export const MAX_IDLE_MS = 60_000;

/** Counts exports that run, by whose they are. */
@Injectable()
export class RunningExports {
  private readonly ofKeys = new Map<string, number>();
  private all = 0;

  /** Makes room for one more, until the function that it returns is called. Throws Rejected(tooManyRequests). */
  take(actor: string): () => void {
    const ofKey = this.ofKeys.get(actor) ?? 0;
    if (ofKey >= MAX_EXPORTS_OF_KEY)
      throw new Rejected(
        'tooManyRequests',
        `${MAX_EXPORTS_OF_KEY} exports run already with this key: wait until one of them has ended.`,
      );
    if (this.all >= MAX_EXPORTS)
      throw new Rejected('tooManyRequests', `${MAX_EXPORTS} exports run already: wait until one of them has ended.`);
    this.all++;
    this.ofKeys.set(actor, ofKey + 1);
    let isFree = false;
    return () => {
      if (isFree) return;
      isFree = true;
      this.all--;
      const left = this.ofKeys.get(actor)! - 1;
      if (left > 0) this.ofKeys.set(actor, left);
      else this.ofKeys.delete(actor);
    };
  }
}

/**
 * A stream that reads on only when somebody takes what it has read, and that fails when nobody does for `idleMs`: what it
 * holds is bounded, and so is the time for which it does.
 */
export const takenStream = (pieces: AsyncGenerator<string>, idleMs: number): Readable => {
  const timer = setTimeout(() => stream.destroy(new Error('the client takes no more of the export')), idleMs);
  const stream: Readable = Readable.from(watched(pieces, timer), { objectMode: false });
  return stream.once('close', () => clearTimeout(timer));
};

async function* watched(pieces: AsyncGenerator<string>, timer: NodeJS.Timeout): AsyncGenerator<string> {
  for await (const piece of pieces) {
    timer.refresh();
    yield piece;
  }
}
