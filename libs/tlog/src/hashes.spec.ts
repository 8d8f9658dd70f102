import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { Malformed } from './fault.js';
import { hashLeaf, hashLeafText, MAX_ENTRY_BYTES, sha256 } from './hashes.js';

it('a digest has the bytes that others compute', () => {
  for (const data of ['', 'abc', 'ä€😀', Buffer.from([0, 255, 128]), Buffer.alloc(100_000, 7)]) {
    const digest = sha256(data);
    expect(digest).toEqual(createHash('sha256').update(data).digest());
    expect(digest).toHaveLength(32);
  }
});

it('the leaf of a text is that of its bytes in UTF-8, whatever its length', () => {
  const texts = ['', '{"a":1}', 'ä€😀', '\0', '\ud800', '€'.repeat(MAX_ENTRY_BYTES / 3), 'x'.repeat(MAX_ENTRY_BYTES)];
  for (const text of texts) expect(hashLeafText(text)).toEqual(hashLeaf(Buffer.from(text)));
  for (const text of ['x'.repeat(MAX_ENTRY_BYTES + 1), '€'.repeat(MAX_ENTRY_BYTES / 3 + 1)])
    expect(() => hashLeafText(text)).toThrow(Malformed);
});
