import { expect, it, vi } from 'vitest';
import { DIRECTORY_SETTINGS, directorySettings, settingsSql } from '#contracts';
import { newProgram } from '../../apps/cli/src/commands.js';
import { startMuster } from '../support/muster.js';
import { settingsDocument } from '../support/settings-document.js';

/**
 * A setting is one entry of the declaration. This one is added to it here and nowhere else, and everything that is made
 * of the declaration knows it.
 */
Object.assign(DIRECTORY_SETTINGS, {
  offerMadeUp: { type: 'boolean', default: false, description: 'It exists in a test alone.', readBy: ['identity'] },
});
const muster = startMuster();
const patch = (id: string, settings: unknown) => muster.admin('PATCH', `/directories/${id}`, settings);

it('a setting that is declared is checked by the admin API, stored, and handed to those who read it', async () => {
  const { id } = await muster.newDirectory('Declared');
  expect((await muster.admin('GET', `/directories/${id}`)).body.settings).toMatchObject({ offerMadeUp: false });
  for (const wrong of ['on', null, 1])
    expect(await patch(id, { offerMadeUp: wrong })).toMatchObject({
      status: 400,
      body: { detail: 'offerMadeUp must be true or false' },
    });
  expect(await patch(id, { offerMadeUp: true })).toMatchObject({
    status: 200,
    body: { settings: { offerMadeUp: true, offerExistingUsers: false } },
  });
  const stored = 'SELECT settings FROM directory.directories WHERE id = $1';
  expect((await muster.owner.query(stored, [id])).rows).toEqual([{ settings: { offerMadeUp: true } }]);
  const read = (reader: 'identity' | 'group') =>
    muster.owner.query(
      `SELECT json_build_object(${settingsSql(reader, 'settings')}) AS seen FROM directory.directories_v1 WHERE id = $1`,
      [id],
    );
  expect((await read('identity')).rows[0].seen).toMatchObject({ offerMadeUp: true, offerExistingUsers: false });
  expect((await read('group')).rows[0].seen).toEqual({ offerLocalGroups: false });
});

it('what is already so is no event, also where nobody has set it', async () => {
  const { id } = await muster.newDirectory('Unchanged');
  const events = async () =>
    (await muster.owner.query('SELECT data FROM directory.events WHERE stream = $1 AND version > 1', [id])).rows;
  await patch(id, { offerMadeUp: false });
  expect(await events()).toEqual([]);
  for (const value of [true, true, false]) await patch(id, { offerMadeUp: value });
  expect(await events()).toEqual(
    [true, false].map((value) => ({ data: { type: 'DirectoryChanged', settings: { offerMadeUp: value } } })),
  );
});

it('a name that is none, and a body that is no object, are refused', async () => {
  const { id } = await muster.newDirectory('Misspelt');
  for (const name of ['offerMadeup', 'constructor', 'toString'])
    expect(await patch(id, `{"${name}": true}`), name).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching(/is no setting: there are .*offerMadeUp$/) },
    });
  for (const body of ['{"__proto__": true}', '[]', '"offerMadeUp"', 'true'])
    expect((await patch(id, body)).status, body).toBe(400);
});

it('the command line offers it', async () => {
  const { id } = await muster.newDirectory('Offered');
  const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  vi.stubEnv('MUSTER_URL', `http://127.0.0.1:${muster.server.adminPort}`);
  vi.stubEnv('MUSTER_API_KEY', muster.server.apiKey);
  try {
    const program = newProgram();
    await program.parseAsync(['directory', 'set', id, '--offer-made-up', 'on'], { from: 'user' });
    expect(printed.mock.calls.flat().join('\n')).toMatch(/^ {2}--offer-made-up on$/m);
    const set = program.commands
      .find((noun) => noun.name() === 'directory')!
      .commands.find((one) => one.name() === 'set')!;
    expect(set.helpInformation()).toMatch(/--offer-made-up <on\|off> +It exists in a test alone\./);
  } finally {
    printed.mockRestore();
    vi.unstubAllEnvs();
  }
  expect((await muster.admin('GET', `/directories/${id}`)).body.settings).toMatchObject({ offerMadeUp: true });
});

it('the documentation names it', () => {
  expect(settingsDocument()).toContain(
    '| `offerMadeUp` | true or false | `false` | It exists in a test alone. | identity |\n',
  );
});

it('each is a sentence and has a reader', () => {
  for (const [name, { description, readBy }] of directorySettings()) {
    expect(description, name).toMatch(/^[A-Z].+\.$/);
    expect(readBy, name).not.toEqual([]);
  }
});
