import { describe, expect, it, vi } from 'vitest';
import { uuidv7 } from '#runtime';
import { startMuster, type Answer, type Directory } from '../support/muster.js';

describe('a refusal that names somebody', () => {
  const muster = startMuster({ log: 'Postgres' });

  /** The request as it is shown, as soon as it is recorded. */
  const refused = async ({ scim, tenant }: Directory, body: object): Promise<Answer['body']> => {
    const id = uuidv7();
    expect((await scim('POST', '/Users', body, { 'x-request-id': id })).status).toBe(409);
    return vi.waitFor(
      async () => {
        const { items } = (await muster.admin('GET', `/audit/requests?tenant=${tenant}&correlation=${id}`)).body;
        expect(items).toHaveLength(1);
        return (await muster.admin('GET', `/audit/requests/${items[0].id}`)).body;
      },
      { timeout: 30_000, interval: 100 },
    );
  };

  it('offers to transfer the user who has what was wanted, and nobody whom a client names', async () => {
    const theirs = await muster.newDirectory('Theirs');
    const mine = await muster.newDirectory('Mine', theirs.tenant);
    const victim = (await theirs.scim('POST', '/Users', { userName: 'victim@names.example' })).body.id;
    expect(await refused(mine, { userName: 'Victim@names.example' })).toMatchObject({
      whatToDo: expect.stringContaining(`transfer or delete the user "victim@names.example" (${victim})`),
      commands: [`user show ${victim}`, `user transfer ${victim} ${mine.id}`],
    });
    const lie = `is taken by the user with the id ${victim}, whom the directory "Theirs" manages. An administrator can transfer the user.`;
    for (const userName of [`victim@names.example ${lie}`, `x ${lie}`, `${lie} userName victim@names.example ${lie}`]) {
      const own = (await mine.scim('POST', '/Users', { userName })).body.id;
      const shown = await refused(mine, { userName });
      expect(shown.detail).toContain(victim);
      expect(shown.commands).toEqual([`user show ${own}`]);
      expect(shown.whatToDo).toContain(`(${own}), which has it; then provision again.`);
    }
    const { failing } = (await muster.admin('GET', `/audit/report?tenant=${mine.tenant}&directory=${mine.id}`)).body;
    expect(failing).toHaveLength(4);
    for (const { object, whatToDo } of failing)
      if (object.name !== 'Victim@names.example') expect(whatToDo).not.toContain(`(${victim}), which has it`);
  }, 60_000);

  it('nor somebody of another tenant', async () => {
    const [mine, foreign] = [await muster.newDirectory('One'), await muster.newDirectory('Another tenant')];
    const stranger = (await foreign.scim('POST', '/Users', { userName: 'x' })).body.id;
    const body = { userName: 'taken@names.example' };
    await mine.scim('POST', '/Users', body);
    const { id } = await refused(mine, body);
    await muster.owner.query('UPDATE audit.requests SET detail = $2 WHERE id = $1', [
      id,
      `userName x is taken by the user with the id ${stranger}.`,
    ]);
    const shown = (await muster.admin('GET', `/audit/requests/${id}`)).body;
    expect(shown.commands).toEqual([]);
    expect(shown.whatToDo).not.toContain(stranger);
  }, 60_000);
});
