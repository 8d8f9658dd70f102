import { expect, it } from 'vitest';
import { csvLine } from './export-lines.js';

it('a table has the hash of what an entry says as the leaf has it, and guards what clients chose', () => {
  const leaf = {
    recordedAt: '2026-01-02T03:04:05.678901Z',
    owner: 'identity',
    type: 'muster.something.v1',
    stream: '01980000-0000-7000-8000-0000000000ad',
    version: 1,
    sequence: 7,
    actor: 'token:x',
    directory: null,
    correlationId: '=cmd()',
    commandId: '01980000-0000-7000-8000-0000000000c0',
    payload: '+LVcux40gv8b8gtM0nnhauZ68/6lX8bn9SrLg+3cEmU=',
  };
  const line = csvLine(JSON.stringify({ number: 42, leaf, payload: { data: '-1' } }).slice(0, -1), undefined);
  expect(line).toBe(
    `42,${leaf.recordedAt},identity,${leaf.type},${leaf.stream},1,7,token:x,,'=cmd(),${leaf.commandId},${leaf.payload},'-1,\r\n`,
  );
});
