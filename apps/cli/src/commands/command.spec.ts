import { afterEach, expect, it, vi } from 'vitest';
import { print } from './command.js';

const said = vi.spyOn(console, 'log').mockReturnValue();
afterEach(() => said.mockClear());

const HOSTILE = 'ok\u001b[2J\u001b[31m\u009b2J\u202etxt\u0007';
const HARMLESS = 'ok\\u001b[2J\\u001b[31m\\u009b2J\\u202etxt\\u0007';

it('what a client wrote does nothing to a terminal, and lines stay lines', () => {
  print(false, null, `${HOSTILE}\n${HOSTILE}`);
  expect(said.mock.calls).toEqual([[`${HARMLESS}\n${HARMLESS}`]]);
});

it('JSON says the same, and is read as what it was', () => {
  print(true, { userName: HOSTILE }, '');
  expect(said.mock.calls).toEqual([[`{"userName":"${HARMLESS}"}`]]);
  expect(JSON.parse(String(said.mock.calls[0]![0]))).toEqual({ userName: HOSTILE });
});
