import { isDatabaseAway, newSlices } from '#runtime';
import {
  orderBulk,
  quote,
  Rejected,
  resolveBulk,
  resolveValue,
  splitBulk,
  tooLong,
  type BulkOperation,
  type BulkRequest,
  type BulkWrite,
} from '#scim';

/** The outcome of a write. */
export interface Written {
  readonly id: string;
  /** Null after a DELETE. */
  readonly version: number | null;
  /** True if a POST has made the resource: it may also have been linked to a user that is known. */
  readonly isNew: boolean;
}

/**
 * Carries out one write of so many bytes, all of whose references are resolved. Writes are decided in the order in
 * which they are begun. Throws Rejected.
 */
export type Writer = (write: BulkWrite, bytes: number) => Promise<Written>;

/** One bulk request may have so much under way at a time. */
export interface BulkLimits {
  readonly maxWrites: number;
  readonly maxBytes: number;
  /** The number of bytes that a write of this length counts as. */
  readonly countedBytes: (bytes: number) => number;
  /** The longest write: what becomes one message must not be longer than a single request may be. */
  readonly maxBytesEach: number;
  /**
   * Throws Rejected when no more writes may be begun: a token may be revoked while a request with many operations is
   * carried out.
   */
  readonly requireToken: () => Promise<unknown> | undefined;
}

export interface BulkAnswer {
  readonly operation: BulkOperation;
  readonly result: Written | Rejected;
}

/**
 * Carries out a bulk request (RFC 7644 §3.7), several writes at a time. The answers are in the order of the request, so
 * that a client may also count; what was left undone after `failOnErrors` errors is not among them.
 */
export const sendBulk = async (
  { failOnErrors, operations }: BulkRequest,
  write: Writer,
  limits: BulkLimits,
): Promise<BulkAnswer[]> => {
  const ids = new Map<string, string>();
  const answers: BulkAnswer[] = [];
  let errors = 0;
  /** The answer to each operation that has not been begun. */
  let end: Rejected | null = null;
  const fate = async (): Promise<Rejected | null> => {
    try {
      if (!end) await limits.requireToken();
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      end = new Rejected(error.code, `It was not attempted: ${error.detail}`);
    }
    return end;
  };
  const sender: Sender = { write, fate, ...limits };
  // With failOnErrors, nothing that comes after the last tolerated error may have been begun.
  for (const step of orderBulk(operations, failOnErrors === null ? limits.maxWrites : 1)) {
    if (errors >= (failOnErrors ?? Infinity)) break;
    const results = await (step.isCircle ? sendCircle : sendTogether)(step.operations, sender, ids);
    for (const [at, operation] of step.operations.entries()) {
      const result = results[at]!;
      answers.push({ operation, result });
      if (!(result instanceof Rejected)) {
        if (operation.method === 'POST') ids.set(operation.bulkId!, result.id);
        continue;
      }
      errors++;
      // The next one would wait as long, and there may be a thousand.
      if (result.code === 'unavailable') end = LEFT;
    }
  }
  return answers.sort((a, b) => a.operation.index - b.operation.index);
};

const LEFT = new Rejected(
  'unavailable',
  'It was not attempted, because an operation before it could not be confirmed. Send it again.',
);

/** The means by which operations are sent. */
interface Sender extends BulkLimits {
  readonly write: Writer;
  /** The reason why no more operations are begun; null = they are. */
  readonly fate: () => Promise<Rejected | null>;
}

const sendTogether = async (
  operations: readonly BulkOperation[],
  sender: Sender,
  ids: ReadonlyMap<string, string>,
): Promise<(Written | Rejected)[]> => {
  const results: (Written | Rejected)[] = [];
  let underWay: Promise<Written | Rejected>[] = [];
  let bytes = 0;
  // One operation may take 25 ms to be resolved and read, and there may be fifty.
  const slice = newSlices();
  for (const operation of operations) {
    const later = slice();
    if (later) await later;
    const resolved = resolve(operation, ids, sender);
    const size = resolved instanceof Rejected ? 0 : sender.countedBytes(resolved.bytes);
    if (bytes + size > sender.maxBytes) {
      results.push(...(await Promise.all(underWay)));
      [underWay, bytes] = [[], 0];
    }
    if (underWay.length === 0) {
      const fate = await sender.fate();
      if (fate) return [...results, ...operations.slice(results.length).map(() => fate)];
    }
    const begun =
      resolved instanceof Rejected
        ? Promise.resolve(resolved)
        : attempt(() => sender.write(resolved.write, resolved.bytes));
    // A write may fail before the others are begun, and is awaited with them. Until then nobody would listen to its
    // failure, and an unheard failure ends the process.
    begun.catch(() => undefined);
    underWay.push(begun);
    bytes += size;
  }
  return [...results, ...(await Promise.all(underWay))];
};

/** The length of a write. Throws Rejected(tooLarge). */
const bytesOf = ({ target, version, data }: BulkWrite, { maxBytesEach }: BulkLimits): number => {
  const bytes =
    (data === undefined ? 0 : Buffer.byteLength(JSON.stringify(data))) + (target?.length ?? 0) + (version?.length ?? 0);
  if (bytes > maxBytesEach) throw tooLong(maxBytesEach);
  return bytes;
};

/**
 * RFC 7644 §3.7.1: resources that refer to each other in a circle are created without these references, which are added
 * once all have ids. Each of them needs the others: when one fails, those that were made are deleted again.
 */
const sendCircle = async (
  operations: readonly BulkOperation[],
  sender: Sender,
  ids: ReadonlyMap<string, string>,
): Promise<(Written | Rejected)[]> => {
  const write = async (operation: BulkWrite): Promise<Written> => {
    const fate = await sender.fate();
    if (fate) throw fate;
    return sender.write(operation, bytesOf(operation, sender));
  };
  const circle = new Set(operations.map(({ bulkId }) => bulkId!));
  const known = new Map(ids);
  const made: Written[] = [];
  const left: ReturnType<typeof splitBulk>['later'][] = [];
  for (const [at, operation] of operations.entries()) {
    const result = await attempt(async () => {
      const { now, later } = splitBulk(sound(operation), known, circle);
      left.push(later);
      return write(now);
    });
    if (result instanceof Rejected) return undo(operations, at, result, made, write);
    made.push(result);
    known.set(operation.bulkId!, result.id);
  }
  const complete: Written[] = [];
  for (const [at, operation] of operations.entries()) {
    if (Object.keys(left[at]!).length === 0) {
      complete.push(made[at]!);
      continue;
    }
    const data = { Operations: [{ op: 'add', value: resolveValue(left[at]!, known) }] };
    const result = await attempt(async () =>
      write({ ...sound(operation), method: 'PATCH', target: made[at]!.id, version: undefined, data }),
    );
    if (result instanceof Rejected) return undo(operations, at, result, made, write);
    complete.push(result);
  }
  return complete;
};

/**
 * The answers to the operations of a circle when one of them has failed. Nothing is left of the circle, or the answers
 * say what is left.
 */
const undo = async (
  operations: readonly BulkOperation[],
  culprit: number,
  fault: Rejected,
  made: readonly Written[],
  write: (write: BulkWrite) => Promise<Written>,
): Promise<Rejected[]> => {
  const stays = new Map<number, string>();
  for (const [at, { id, isNew }] of [...made.entries()].toReversed()) {
    // A user who was known before is not to be deleted; and while nobody answers, or without a token, nothing can be.
    const result = !isNew
      ? 'it was there already'
      : fault.code === 'unavailable' || fault.code === 'unauthorized'
        ? fault
        : await attempt(async () =>
            write({ ...sound(operations[at]!), method: 'DELETE', target: id, version: undefined, data: undefined }),
          );
    if (typeof result === 'string' || result instanceof Rejected)
      stays.set(at, `${id} stays, without these references: ${typeof result === 'string' ? result : result.detail}`);
  }
  const { bulkId } = operations[culprit]!;
  return operations.map((_, at) => {
    const rest = stays.has(at) ? ` ${stays.get(at)}` : '';
    if (at === culprit) return new Rejected(fault.code, fault.detail + rest);
    return new Rejected(
      fault.code === 'unavailable' || fault.code === 'unauthorized' ? fault.code : 'conflict',
      `It is in a circle with ${quote(`bulkId:${bulkId}`)}, whose operation failed: ${fault.detail}${rest}`,
    );
  });
};

const sound = ({ write }: BulkOperation): BulkWrite => {
  if (write instanceof Rejected) throw write;
  return write;
};

const resolve = (
  operation: BulkOperation,
  ids: ReadonlyMap<string, string>,
  limits: BulkLimits,
): { readonly write: BulkWrite; readonly bytes: number } | Rejected => {
  try {
    const asked = sound(operation);
    // It is measured before the references are resolved: each may be a few letters and stands for a longer id.
    const bytes = bytesOf(asked, limits);
    const write = resolveBulk(asked, ids);
    return { write, bytes: write === asked ? bytes : bytesOf(write, limits) };
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
};

/** A fault of ours is the end of the whole request. */
const attempt = async (act: () => Promise<Written>): Promise<Written | Rejected> => {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Rejected) return error;
    if (isDatabaseAway(error)) return new Rejected('unavailable', 'The database is away. Send it again.');
    throw error;
  }
};
