import { requireFewOperations, TooLong } from './bulk.js';
import { checkText } from './json.js';
import { outlineOf, parseAround, parseJson } from './json-text.js';

/**
 * `{"Operations": [{…}, {…}]}`: at this level stands each operation of a bulk request, and at the next of an operation
 * its data.
 */
const OPERATION_LEVEL = 3;
const DATA_LEVEL = 2;
const OPEN_OBJECT = 0x7b;
/** Bytes that an operation may have besides its data: its method, path, version and bulkId. */
const MAX_BYTES_AROUND = 8_192;

/**
 * The JSON of the body of a bulk request, an operation at a time: it yields after each, so that something else may be
 * done. 8 MB of small objects took JSON.parse 300 ms in one piece. Throws Rejected like parseJson and checkText, and
 * tooLarge above `maxOperations`.
 */
export function* readBulkBody(
  bytes: Uint8Array,
  maxOperations: number,
  maxBytesEach: number,
): Generator<undefined, unknown> {
  const { pieces, isUnstorable } = outlineOf(bytes, OPERATION_LEVEL);
  yield;
  requireFewOperations(pieces.length, maxOperations);
  const operations: unknown[] = [];
  for (const { from, to } of pieces) {
    const operation = bytes.subarray(from, to);
    operations.push(
      operation.length <= maxBytesEach + MAX_BYTES_AROUND
        ? parseJson(operation)
        : yield* withoutData(operation, maxBytesEach),
    );
    if (isUnstorable) checkText(operations.at(-1), `operation ${operations.length}`);
    yield;
  }
  if (isUnstorable) checkText(parseAround(bytes, OPERATION_LEVEL, pieces, () => null));
  return parseAround(bytes, OPERATION_LEVEL, pieces, (index) => operations[index]);
}

/** An operation that is too long: its method and bulkId are needed to answer it. */
function* withoutData(operation: Uint8Array, maxBytes: number): Generator<undefined, unknown> {
  if (operation[0] !== OPEN_OBJECT) return [];
  yield;
  const { pieces } = outlineOf(operation, DATA_LEVEL);
  yield;
  return parseAround(operation, DATA_LEVEL, pieces, () => new TooLong(maxBytes));
}
