import { expect, it } from 'vitest';
import { walk } from './walk.queries.js';

const ROWS = 100;
/** Looks at ten rows at once, from the greatest down, of which those are wanted that `isWanted` says. */
const rowsThat = (isWanted: (row: number) => boolean) => {
  const looked: number[] = [];
  return {
    looked,
    placeOf: (row: number) => row,
    stretch: (behind: number, wanted: number) => {
      const rows = Array.from({ length: Math.min(10, behind) }, (_, index) => behind - 1 - index);
      looked.push(...rows);
      const reached = rows.at(-1) ?? 0;
      return Promise.resolve({
        found: rows.filter(isWanted).slice(0, wanted),
        reached: reached === 0 ? null : reached,
      });
    },
  };
};
const never = (): boolean => false;

it('looks stretch by stretch until there are enough, and goes on behind the last one that it gave', async () => {
  const rows = rowsThat((row) => row % 4 === 0);
  expect(await walk(ROWS, 3, { ...rows, isTimeUp: never })).toEqual({ items: [96, 92, 88], reached: 88 });
  expect(await walk(88, 3, { ...rows, isTimeUp: never })).toEqual({ items: [84, 80, 76], reached: 76 });
});

it('ends when its time is up, after one stretch at least, and says how far it has come', async () => {
  const rows = rowsThat((row) => row === 5);
  expect(await walk(ROWS, 3, { ...rows, isTimeUp: () => true })).toEqual({ items: [], reached: 90 });
  expect(rows.looked).toHaveLength(10);
});

it('comes to its end when there are no more rows', async () => {
  expect(await walk(ROWS, 3, { ...rowsThat((row) => row === 5), isTimeUp: never })).toEqual({
    items: [5],
    reached: null,
  });
  expect(await walk(ROWS, 1, { ...rowsThat((row) => row === 5), isTimeUp: never })).toEqual({
    items: [5],
    reached: null,
  });
});
