import { requireFewOperations, TooLong } from './bulk.js';
import { checkText, isObject } from './json.js';
import { outlineOf, parseAround, parseJson } from './json-text.js';

/** `{"Operations": [{…}, {…}]}`: each operation of a bulk request stands at this level. */
const OPERATION_LEVEL = 3;
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
    const isTooLong = operation.length > maxBytesEach + MAX_BYTES_AROUND;
    operations.push(isTooLong ? withoutData(parseJson(operation), maxBytesEach) : parseJson(operation));
    if (isUnstorable) checkText(operations.at(-1), `operation ${operations.length}`);
    yield;
  }
  if (isUnstorable) checkText(parseAround(bytes, OPERATION_LEVEL, pieces, () => null));
  return parseAround(bytes, OPERATION_LEVEL, pieces, (index) => operations[index]);
}

/**
 * An operation that is too long: its method and bulkId are needed to answer it. It is parsed all the same, because the
 * body is JSON as a whole or not at all: 8 MiB take 25 ms at most, as few as its marks are.
 */
const withoutData = (operation: unknown, maxBytes: number): unknown => {
  if (!isObject(operation)) return [];
  const tooLong = new TooLong(maxBytes);
  return Object.fromEntries(
    Object.entries(operation).map(([name, value]) => [
      name,
      typeof value === 'object' && value !== null ? tooLong : value,
    ]),
  );
};
