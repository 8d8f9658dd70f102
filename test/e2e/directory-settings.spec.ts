import { expect, it, vi } from 'vitest';
import { DIRECTORY_SETTINGS, directorySettings, isValueOf, PRESETS, settingsSql } from '#contracts';
import { newProgram } from '../../apps/cli/src/commands.js';
import { startMuster } from '../support/muster.js';
import { settingsDocument } from '../support/settings-document.js';

/**
 * A setting is one entry of the declaration. This one is added to it here and nowhere else, and everything that is made
 * of the declaration knows it.
 */
const madeUp = { description: 'It exists in a test alone.', readBy: ['identity'] };
const TYPES = {
  textMadeUp: { type: 'text', minCharacters: 0, maxCharacters: 20, default: "it's", ...madeUp },
  choiceMadeUp: { type: 'choice', choices: ['quiet', 'error'], default: 'error', ...madeUp },
  numberMadeUp: { type: 'number', min: 1, max: 10, default: 5, ...madeUp },
  listMadeUp: { type: 'list', maxItems: 2, maxCharacters: 20, default: [], ...madeUp },
  mapMadeUp: { type: 'map', choices: ['User', 'Admin'], maxItems: 2, maxCharacters: 20, default: {}, ...madeUp },
};
Object.assign(DIRECTORY_SETTINGS, { ...TYPES, offerMadeUp: { type: 'boolean', default: false, ...madeUp } });
const muster = startMuster();
const patch = (id: string, settings: unknown) => muster.admin('PATCH', `/directories/${id}`, settings);

it('a setting that is declared is checked by the admin API, stored, and handed to those who read it', async () => {
  const { id } = await muster.newDirectory('Declared');
  expect((await muster.admin('GET', `/directories/${id}`)).body.settings).toMatchObject({ offerMadeUp: false });
  for (const wrong of ['on', [], 1])
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
  expect((await read('group')).rows[0].seen).toMatchObject({ offerLocalGroups: false });
  expect((await read('group')).rows[0].seen).not.toHaveProperty('offerMadeUp');
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

it('each type has its values; what is none is refused with the name of the setting and what is expected', async () => {
  const { id } = await muster.newDirectory('Types');
  const list = 'must be a list of at most 2 texts of 1 to 20 characters';
  const map = 'must be an object of at most 2 names of 1 to 20 characters, each with User or Admin';
  const cases: readonly [keyof typeof TYPES, unknown, string, readonly unknown[]][] = [
    ['textMadeUp', "a 'text'", 'must be a text of at most 20 characters', ['x'.repeat(21), 1, ['a']]],
    ['choiceMadeUp', 'quiet', 'must be quiet or error', ['loud', 'toString', ['quiet'], true]],
    ['numberMadeUp', 10, 'must be a whole number from 1 to 10', [0, 11, 1.5, '5']],
    ['listMadeUp', ['a b', 'c'], list, ['a', ['a', ''], [1], ['a', 'b', 'c'], ['x'.repeat(21)], [['a']], { 0: 'a' }]],
    ['mapMadeUp', { b: 'User', a: 'Admin' }, map, [[], { a: 'Owner' }, { a: null }, { '': 'User' }, 'a=User']],
  ];
  for (const [name, right, expected, wrongs] of cases) {
    for (const wrong of wrongs)
      expect(await patch(id, { [name]: wrong }), JSON.stringify(wrong)).toMatchObject({
        status: 400,
        body: { detail: `${name} ${expected}` },
      });
    expect(await patch(id, { [name]: right }), name).toMatchObject({ status: 200, body: { warnings: [] } });
  }
  expect((await patch(id, '{"mapMadeUp": {"__proto__": "Owner"}}')).status).toBe(400);
  const set = Object.fromEntries(cases.map(([name, right]) => [name, right]));
  const read = async () =>
    (
      await muster.owner.query(
        `SELECT json_build_object(${settingsSql('identity', 'settings')}) AS seen FROM directory.directories_v1 WHERE id = $1`,
        [id],
      )
    ).rows[0].seen;
  expect(await read()).toMatchObject(set);
  expect((await muster.admin('GET', `/directories/${id}`)).body.settings).toMatchObject(set);
  const defaults = Object.fromEntries(Object.entries(TYPES).map(([name, setting]) => [name, setting.default]));
  await patch(id, Object.fromEntries(Object.keys(TYPES).map((name) => [name, null])));
  expect(await read()).toMatchObject(defaults);
  expect((await muster.owner.query('SELECT settings FROM directory.directories WHERE id = $1', [id])).rows).toEqual([
    { settings: {} },
  ]);
});

it('the same list, or the same map in another order, is no event; null is none where nobody has set it', async () => {
  const { id } = await muster.newDirectory('Same');
  const count = async () =>
    Number((await muster.owner.query('SELECT count(*) FROM directory.events WHERE stream = $1', [id])).rows[0].count);
  await patch(id, { listMadeUp: ['a'], mapMadeUp: { b: 'User', a: 'Admin' } });
  const before = await count();
  await patch(id, { listMadeUp: ['a'], mapMadeUp: { a: 'Admin', b: 'User' }, textMadeUp: null });
  expect(await count()).toBe(before);
});

it('a kind is made with its preset, which is shown and can be changed like what anybody sets', async () => {
  const { strict } = PRESETS;
  Object.assign(PRESETS, { strict: { ...strict, offerMadeUp: true, listMadeUp: ['emails'] } });
  try {
    const { id } = await muster.newDirectory('To the letter', undefined, 'strict');
    const events = 'SELECT version, data FROM directory.events WHERE stream = $1 ORDER BY version';
    expect((await muster.owner.query(events, [id])).rows).toMatchObject([
      { version: 1, data: { type: 'DirectoryCreated', kind: 'strict' } },
      { version: 2, data: { type: 'DirectoryChanged', settings: { offerMadeUp: true, listMadeUp: ['emails'] } } },
    ]);
    expect((await patch(id, { offerMadeUp: null })).body.settings).toMatchObject({
      offerMadeUp: false,
      listMadeUp: ['emails'],
    });
  } finally {
    Object.assign(PRESETS, { strict });
  }
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
    printed.mockClear();
    const several = [
      '--list-made-up',
      'a b',
      '--list-made-up',
      'c',
      '--map-made-up',
      'x=y=Admin',
      '--text-made-up',
      '-',
    ];
    await newProgram().parseAsync(['directory', 'set', id, ...several, '--number-made-up', '7'], { from: 'user' });
    expect(printed.mock.calls.flat().join('\n')).toContain(
      "  --text-made-up -\n  --number-made-up 7\n  --list-made-up 'a b'\n  --list-made-up c\n  --map-made-up x=y=Admin\n",
    );
    printed.mockClear();
    const reset = ['--reset', 'listMadeUp', '--reset', 'map-made-up', '--choice-made-up', 'quiet'];
    await newProgram().parseAsync(['directory', 'set', id, ...reset, '--json'], { from: 'user' });
    expect(JSON.parse(printed.mock.calls.flat().join(''))).toMatchObject({
      settings: { listMadeUp: [], mapMadeUp: {}, choiceMadeUp: 'quiet', numberMadeUp: 7 },
      warnings: [],
    });
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

it('each is a sentence and has a reader, and its default is a value; a preset names what differs from it', () => {
  for (const [name, setting] of directorySettings()) {
    expect(setting.description, name).toMatch(/^[A-Z].+\.$/);
    expect(setting.readBy, name).not.toEqual([]);
    expect(isValueOf(setting, setting.default), name).toBe(true);
    for (const [kind, preset] of Object.entries(PRESETS)) {
      if (preset[name] === undefined) continue;
      expect(isValueOf(setting, preset[name]), `${kind} ${name}`).toBe(true);
      expect(preset[name], `${kind} ${name}`).not.toEqual(setting.default);
    }
  }
});
