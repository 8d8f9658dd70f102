import { appendFileSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { rotateLog } from './bounded-log.js';

it('empties a log that is too long under the server that writes it, and keeps what it held', () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-log-'));
  try {
    const file = join(folder, 'server.log');
    const server = openSync(file, 'a', 0o600);
    writeSync(server, 'short\n');
    rotateLog(file, 10);
    expect(readFileSync(file, 'utf8')).toBe('short\n');
    writeSync(server, 'too long by now\n');
    rotateLog(file, 10);
    writeSync(server, 'goes on\n');
    expect(readFileSync(file, 'utf8')).toBe('goes on\n');
    expect(readFileSync(`${file}.1`, 'utf8')).toBe('short\ntoo long by now\n');
    appendFileSync(file, 'x'.repeat(20));
    rotateLog(file, 10);
    expect(readFileSync(`${file}.1`, 'utf8')).toMatch(/^goes on\nx{20}$/);
    closeSync(server);
    rotateLog(join(folder, 'none'), 10);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
