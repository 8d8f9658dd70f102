import { openCheckpoint, type OpenedCheckpoint, type Trust } from './checkpoint.js';
import { Malformed, quote } from './fault.js';
import { readBase64, readDecimal, readHashes, readText, writeBase64 } from './lines.js';
import { MAX_NOTE_BYTES } from './note.js';
import { verifyInclusion, type Proof } from './proof.js';

/** A path through a tree of 2 to the power of 53 leaves has 53 hashes. */
const MAX_HASHES = 64;
const MAX_EXTRA_CHARACTERS = 131_072;
const MAX_HASH_LINE_CHARACTERS = 45;
export const MAX_TLOG_PROOF_BYTES = MAX_NOTE_BYTES + MAX_EXTRA_CHARACTERS + MAX_HASHES * MAX_HASH_LINE_CHARACTERS + 100;

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';

/** The proof that an entry is in a log, for a file of its own (C2SP tlog-proof). */
export interface TlogProof {
  readonly index: number;
  readonly hashes: Proof;
  /** A signed note; see openCheckpoint. */
  readonly checkpoint: string;
  /** Data that the writer has added; nothing proves it. null = there is none. */
  readonly extra: Buffer | null;
}

/** Throws Malformed where parseTlogProof would. */
export const writeTlogProof = ({ index, hashes, checkpoint, extra }: TlogProof): string => {
  const text = [
    FIRST_LINE,
    ...(extra ? [`extra ${writeBase64(extra)}`] : []),
    `index ${index}`,
    ...hashes.map(writeBase64),
    '',
    checkpoint,
  ].join('\n');
  parseTlogProof(text);
  return text;
};

/** Reads a proof and verifies nothing. Throws Malformed. */
export const parseTlogProof = (input: string | Uint8Array): TlogProof => {
  const text = readText('proof', input, MAX_TLOG_PROOF_BYTES);
  const blank = text.indexOf('\n\n');
  if (blank < 0) throw new Malformed('A proof has an empty line before its checkpoint; this one has none.');
  const [first, ...rest] = text.slice(0, blank).split('\n');
  if (first !== FIRST_LINE) throw new Malformed(`A proof begins with ${FIRST_LINE}; this one with ${quote(first!)}.`);
  const extraText = rest[0]?.startsWith('extra ') ? rest.shift()!.slice('extra '.length) : null;
  const extra = extraText === null ? null : readBase64(extraText);
  if (extraText !== null && (extra === null || extraText.length > MAX_EXTRA_CHARACTERS))
    throw new Malformed(`The line "extra" has at most ${MAX_EXTRA_CHARACTERS} characters of base64.`);
  const [indexLine = '', ...lines] = rest;
  const index = indexLine.startsWith('index ') ? readDecimal(indexLine.slice('index '.length)) : null;
  if (index === null) throw new Malformed(`A proof has the line "index <number>"; here is ${quote(indexLine)}.`);
  return { index, hashes: readHashes(lines, MAX_HASHES), checkpoint: text.slice(blank + 2), extra };
};

/**
 * Verifies that the leaf is in the log, by a checkpoint that is trusted, which it gives. Throws Malformed; and Mismatch,
 * which says what differs.
 */
export const openTlogProof = (
  { index, hashes, checkpoint }: TlogProof,
  leafHash: Uint8Array,
  trust: Trust,
): OpenedCheckpoint => {
  const opened = openCheckpoint(checkpoint, trust);
  const fault = verifyInclusion({ leafHash, index, ...opened.checkpoint }, hashes);
  if (fault) throw fault;
  return opened;
};
