import { Malformed, Mismatch, quote } from './fault.js';
import { HASH_BYTES, type Hash } from './hashes.js';
import type { Signed, Signer, Verifier } from './keys.js';
import { readDecimal, readHash, writeBase64 } from './lines.js';
import { openNote, signNote } from './note.js';

/** The words of a log about its tree (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Which log it is. */
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
  /** Lines that mean something to the log alone. */
  readonly extensions: readonly string[];
}

/** The text that is signed. Throws Malformed where parseCheckpoint would. */
export const writeCheckpoint = ({ origin, size, root, extensions }: Checkpoint): string => {
  const text = [origin, String(size), writeBase64(root), ...extensions].map((line) => `${line}\n`).join('');
  if (parseCheckpoint(text).extensions.length !== extensions.length)
    throw new Malformed('A line of a checkpoint has no newline in it.');
  return text;
};

/** Reads the text of a checkpoint, which is without signatures. Throws Malformed. */
export const parseCheckpoint = (text: string): Checkpoint => {
  const [origin, sizeText = '', rootText = '', ...extensions] = text.split('\n').slice(0, -1);
  if (!text.endsWith('\n') || !origin) throw new Malformed('A checkpoint begins with the line of its origin.');
  const size = readDecimal(sizeText);
  if (size === null)
    throw new Malformed(
      `The second line of a checkpoint is the size of the tree, up to ${Number.MAX_SAFE_INTEGER}; it is ${quote(sizeText)}.`,
    );
  const root = readHash(rootText);
  if (!root)
    throw new Malformed(
      `The third line of a checkpoint is ${HASH_BYTES} bytes in base64, its root; it is ${quote(rootText)}.`,
    );
  if (extensions.includes('')) throw new Malformed('A checkpoint has no empty lines.');
  return { origin, size, root, extensions };
};

/** A checkpoint as a signed note. Throws Malformed. */
export const signCheckpoint = (checkpoint: Checkpoint, signers: readonly Signer[]): string =>
  signNote(writeCheckpoint(checkpoint), signers);

/** Which log somebody means, and whose word is enough. */
export interface Trust {
  readonly origin: string;
  /** One of them has to have signed. */
  readonly logKeys: readonly Verifier[];
  readonly witnesses?: readonly Verifier[];
  /** How many of the witnesses have to have cosigned, a whole number; 0 if it is not said. */
  readonly quorum?: number;
}

export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** The witnesses that have cosigned. */
  readonly cosigned: readonly Signed[];
}

/**
 * Reads a signed checkpoint, and verifies the signatures of all keys that are trusted. Throws Malformed; and Mismatch if
 * it is of another log, if a signature is false, or if too few have signed.
 */
export const openCheckpoint = (
  input: string | Uint8Array,
  { origin, logKeys, witnesses = [], quorum = 0 }: Trust,
): OpenedCheckpoint => {
  // Nothing is less than what is no number: without this any checkpoint would have enough cosignatures.
  if (!Number.isSafeInteger(quorum) || quorum < 0) throw new RangeError(`${quorum} is no number of cosignatures.`);
  const { text, signed } = openNote(input, [...logKeys, ...witnesses]);
  const isBy = (verifiers: readonly Verifier[]): Signed[] =>
    signed.filter(({ name, keyId }) => verifiers.some((known) => known.name === name && known.keyId === keyId));
  if (isBy(logKeys).length === 0)
    throw new Mismatch(
      'signature of the log',
      `one of ${logKeys.map(({ name, keyId }) => `${name}+${keyId}`).join(' or ')}`,
      'none',
    );
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== origin) throw new Mismatch('origin of the checkpoint', origin, quote(checkpoint.origin));
  // A signature without a time is one of a log.
  const cosigned = isBy(witnesses).filter(({ timeS }) => timeS !== null);
  if (cosigned.length < quorum)
    throw new Mismatch('number of cosignatures', `${quorum} or more`, String(cosigned.length));
  return { checkpoint, cosigned };
};
