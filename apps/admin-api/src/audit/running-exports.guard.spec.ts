import { once } from 'node:events';
import { expect, it } from 'vitest';
import { RunningExports, takenStream } from './running-exports.guard.js';

const refused = (running: RunningExports, actor: string): string | null => {
  try {
    running.take(actor)();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
};

it('two exports run with one key, and four in all', () => {
  const running = new RunningExports();
  const [first] = [running.take('key:a'), running.take('key:a')];
  expect(refused(running, 'key:a')).toMatch(/^2 exports run already with this key: wait/);
  expect(refused(running, 'key:b')).toBe(null);
  const others = [running.take('key:b'), running.take('key:b')];
  expect(refused(running, 'key:c')).toMatch(/^4 exports run already: wait/);
  first!();
  // A stream may tell of its end twice.
  first!();
  expect(refused(running, 'key:a')).toBe(null);
  for (const free of others) free();
  expect(refused(running, 'key:c')).toBe(null);
  running.take('key:a');
  expect(refused(running, 'key:a')).toMatch(/^2 exports run already with this key/);
});

const PIECE = 'x'.repeat(100_000);
/** Counts what was made, and notes the end. */
class Source {
  made = 0;
  isEnded = false;

  async *pieces(count: number): AsyncGenerator<string> {
    try {
      for (; this.made < count; this.made++) yield PIECE;
    } finally {
      this.isEnded = true;
    }
  }
}

it('what nobody takes is not made, and ends after its time', async () => {
  const source = new Source();
  const stream = takenStream(source.pieces(1_000), 50);
  stream.read(0);
  const [error] = (await once(stream, 'error')) as [Error];
  expect(error.message).toMatch(/takes no more/);
  await expect.poll(() => source.isEnded).toBe(true);
  expect(source.made).toBeLessThan(4);
});

it('who takes it, however slowly, gets all of it', async () => {
  const source = new Source();
  const stream = takenStream(source.pieces(20), 2_000);
  let taken = 0;
  for await (const piece of stream) {
    taken += (piece as Buffer).length;
    // Nothing is made ahead of those who take it but some pieces.
    expect(source.made * PIECE.length - taken).toBeLessThan(4 * PIECE.length);
    await new Promise(setImmediate);
  }
  expect(taken).toBe(20 * PIECE.length);
  expect([source.made, source.isEnded]).toEqual([20, true]);
});

it('a stream that is closed ends what makes its pieces', async () => {
  const source = new Source();
  const stream = takenStream(source.pieces(1_000), 60_000);
  stream.once('readable', () => stream.destroy());
  stream.read(0);
  await once(stream, 'close');
  await expect.poll(() => source.isEnded).toBe(true);
});
