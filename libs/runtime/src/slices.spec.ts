import { expect, it } from 'vitest';
import { inSlices } from './slices.js';

/** Works for longer than a slice may take. */
const workLong = (): void => {
  const endMs = performance.now() + 5;
  while (performance.now() < endMs);
};

/** In which turn of the event loop it was called, for as long as `work` takes. */
const turnsOf = async (work: (inTurn: () => number) => Promise<unknown>): Promise<void> => {
  let turn = 0;
  let isOver = false;
  const count = (): void => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await work(() => turn);
  isOver = true;
};

it('gives all results in their order, and things that come after a long one in a later turn of the event loop', async () => {
  await turnsOf(async (inTurn) => {
    const turns: number[] = [];
    const results = await inSlices([1, 2, 3], (thing) => {
      turns.push(inTurn());
      workLong();
      return thing * 2;
    });
    expect(results).toEqual([2, 4, 6]);
    expect(new Set(turns).size).toBe(3);
  });
});

it('lets one of all who wait go on in each turn, by turns', async () => {
  await turnsOf(async (inTurn) => {
    const worked: { readonly who: string; readonly turn: number }[] = [];
    await Promise.all(
      ['a', 'b', 'c'].map((who) =>
        inSlices([1, 2, 3], () => {
          worked.push({ who, turn: inTurn() });
          workLong();
        }),
      ),
    );
    const waited = worked.slice(3);
    expect(waited.map(({ who }) => who).join('')).toBe('abcabc');
    expect(new Set(waited.map(({ turn }) => turn)).size).toBe(waited.length);
  });
});

it('does what is done at once without waiting for a turn, and fails with what the work throws', async () => {
  await turnsOf(async (inTurn) => {
    await inSlices([1, 2, 3], () => undefined);
    expect(inTurn()).toBe(0);
    await expect(
      inSlices([1, 2], (thing) => {
        workLong();
        if (thing === 2) throw new Error('the second one');
      }),
    ).rejects.toThrow('the second one');
  });
});
