import { expect, it } from 'vitest';
import { fileNamesOf, lastCheckpointIn, lineOf, tenantOf } from './checkpoint-lines.js';

const TENANT = '0199b6a0-0000-7000-8000-000000000001';
const AT = '2026-01-02T03:04:05.678Z';
const NOTE = 'example.org/audit\n7\nroot\n\n— example.org/audit signature\n';

it('a checkpoint is one line, and is read again as it was', () => {
  const line = lineOf(AT, NOTE);
  expect(line.indexOf('\n')).toBe(line.length - 1);
  expect(lastCheckpointIn(lineOf(AT, 'older\n') + line)).toBe(NOTE);
  expect(lastCheckpointIn('')).toBeNull();
});

it('a line that a crash has cut off, or that is none, is passed over', () => {
  const line = lineOf(AT, NOTE);
  const torn = lineOf(AT, 'newer\n').slice(0, 40);
  expect(lastCheckpointIn(line + torn)).toBe(NOTE);
  expect(lastCheckpointIn(`${line}${torn}\n`)).toBe(NOTE);
  expect(lastCheckpointIn(`${line}null\n\n{}\n[1]\n"x"\n`)).toBe(NOTE);
});

it('a file is named after its tenant', () => {
  const [current, before] = fileNamesOf(TENANT);
  expect([tenantOf(current), tenantOf(before)]).toEqual([TENANT, null]);
  for (const name of ['x.jsonl', TENANT, `${TENANT}.json`, `../${TENANT}.jsonl`, '']) expect(tenantOf(name)).toBeNull();
});
