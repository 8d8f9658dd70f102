import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { fullDisk } from './full-disk.js';

it('says what to do about a disk that is full, and nothing of one that has room or is not there', () => {
  // A file system of the kernel, on which nothing can be stored.
  const full = process.platform === 'darwin' ? '/dev' : '/proc';
  expect(fullDisk(full)).toBe(
    `The disk of ${full} is full: 0.0 MiB are free. Make room there, at least 64 MiB: Muster then goes on by itself, and nothing that it acknowledged is lost.`,
  );
  expect(fullDisk(tmpdir())).toBeNull();
  expect(fullDisk('/no/such/folder')).toBeNull();
});
