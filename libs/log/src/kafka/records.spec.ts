import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import './records.js';

/** Whatever records.ts writes and reads is what kafkajs itself would have written and read. */
const require = createRequire(import.meta.url);
const RECORD = 'kafkajs/src/protocol/recordBatch/record/v0';
const READER = `${RECORD}/decoder`;
/** The module as kafkajs brings it. */
const originalOf = (name: string): unknown => {
  const path = require.resolve(name);
  const ours = require.cache[path];
  delete require.cache[path];
  const original = require(path) as unknown;
  require.cache[path] = ours;
  return original;
};
type Write = (record: object) => { readonly buf: Buffer; readonly buffer: Buffer };
type Read = (decoder: unknown, context: object) => { readonly headers: Record<string, unknown> };
const [write, theirWrite] = [require(RECORD), originalOf(RECORD)] as [Write, Write];
const [read, theirRead] = [require(READER), originalOf(READER)] as [Read, Read];
const Decoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => { readVarIntBytes(): Buffer };

const CONTEXT = {
  firstOffset: '9007199254740993',
  firstTimestamp: '1764400000000',
  maxTimestamp: '17644',
  magicByte: 2,
};
const bodyOf = (bytes: Buffer): unknown => new Decoder(new Decoder(bytes).readVarIntBytes());
const bytesOf = (record: object): Buffer => theirWrite(record).buffer;

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.constantFrom('', 'x'.repeat(63), 'ü'.repeat(32), 'x'.repeat(9_000)),
);
/** kafkajs takes a header that is called like a method of objects for one that is there twice. */
const name = text.filter((one) => !(one in {}));
const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array));
const offsetDelta = fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 100_000 }));
const timestampDelta = fc.constantFrom(0, 0, 0, 5, -1, 2 ** 40);
const anyRecord = fc.record(
  {
    offsetDelta,
    timestampDelta,
    key: fc.oneof(text, bytes, fc.constant(null)),
    value: fc.oneof(text, bytes, fc.constant(null)),
    headers: fc.dictionary(name, fc.oneof(text, bytes, fc.array(text, { maxLength: 3 })), { maxKeys: 12 }),
  },
  { requiredKeys: ['key', 'value'] },
);

it('is in the place of kafkajs', () => {
  expect(write).not.toBe(theirWrite);
  expect(read).not.toBe(theirRead);
});

it('writes the same bytes', () => {
  fc.assert(
    fc.property(anyRecord, (record) => {
      const { buf, buffer } = write(record);
      expect(buffer.equals(bytesOf(record))).toBe(true);
      expect(buf.subarray(0, buffer.length).equals(buffer)).toBe(true);
    }),
  );
});

it('writes the same bytes where lengths need one byte more', () => {
  for (const length of [63, 64, 8_191, 8_192, 1_048_575, 1_048_576]) {
    const record = { key: 'x', value: 'x'.repeat(length), headers: {} };
    expect(write(record).buffer.equals(bytesOf(record)), `${length}`).toBe(true);
  }
});

it('reads the same, whoever wrote it', () => {
  fc.assert(
    fc.property(anyRecord, fc.constantFrom(0, 1), (record, timestampType) => {
      const context = { ...CONTEXT, timestampType, isControlBatch: timestampType === 1 };
      const mine = read(bodyOf(bytesOf(record)), context);
      const theirs = theirRead(bodyOf(bytesOf(record)), context);
      expect({ ...mine, headers: { ...mine.headers } }).toEqual(theirs);
      expect(Object.keys(mine.headers)).toEqual(Object.keys(theirs.headers));
    }),
  );
});

it('reads headers of the same name as a list', () => {
  const record = { key: 'x', value: 'y', headers: { a: ['1', '2', '3'], b: '4' } };
  expect(read(bodyOf(bytesOf(record)), CONTEXT).headers).toEqual({
    a: ['1', '2', '3'].map((one) => Buffer.from(one)),
    b: Buffer.from('4'),
  });
});

it('reads a header that is called like a method of objects', () => {
  const { headers } = read(bodyOf(bytesOf({ key: 'x', value: 'y', headers: { toString: '1' } })), CONTEXT);
  expect({ ...headers }).toEqual({ toString: Buffer.from('1') });
});
