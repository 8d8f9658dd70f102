import { expect, it } from 'vitest';
import { uuidv7 } from '#runtime';
import { startMuster } from '../support/muster.js';

const muster = startMuster();

const WRITES = 40;
const AT_ONCE = 10;
/** Nearly as long as a mapping may be, each with patterns of its own. */
const LONG = ['nickName', 'title', 'displayName', 'userType', 'locale', 'timezone', 'name.formatted'].map(
  (target, line) => {
    const replaced = Array.from(
      { length: 100 },
      (_, part) => `Replace([title], , "(?:[a-z0-9]{0,40}|b{0,9}){0,9}${line}-${part}", , "y", , )`,
    );
    return { target, expression: `Join("", ${replaced.join(', ')})` };
  },
);

it('administrators who save long mappings all the time take no more than their share from other tenants', async () => {
  const { id } = await muster.newDirectory('Long mappings');
  const other = await muster.newDirectory('Other');
  const save = () => muster.admin('PATCH', `/directories/${id}`, { attributeMapping: LONG });
  const first = await save();
  expect(first.status, JSON.stringify(first.body)).toBe(200);
  let [saved, isOver] = [0, false];
  const saving = Array.from({ length: AT_ONCE }, async () => {
    for (; !isOver; saved++) expect([200, 429]).toContain((await save()).status);
  });
  for (let written = 0; written < WRITES; written++)
    expect((await other.scim('POST', '/Users', { userName: uuidv7() })).status).toBe(201);
  const meanwhile = saved;
  isOver = true;
  await Promise.all(saving);
  // Without a share, ten are saved while one user is written.
  expect(meanwhile).toBeLessThan(WRITES);
});
