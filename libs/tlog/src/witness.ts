import { openCheckpoint, parseCheckpoint, type Trust } from './checkpoint.js';
import { Malformed, Mismatch, quote } from './fault.js';
import { EMPTY_ROOT } from './hashes.js';
import type { Signer, Verifier } from './keys.js';
import { readDecimal, readHashes, readText, writeBase64 } from './lines.js';
import { isSameKey, MAX_NOTE_BYTES, openNote, parseNote, signedBy, writeNote, writeSignature } from './note.js';
import { verifyConsistency, type Proof, type TreeHead } from './proof.js';

/** C2SP tlog-witness. */
const MAX_HASHES = 63;
export const MAX_ADD_CHECKPOINT_BYTES = MAX_NOTE_BYTES + 4_096;

/** The body of `POST /add-checkpoint`: a log asks a witness to cosign its newest checkpoint. */
export interface AddCheckpoint {
  /** The size that the witness has cosigned last; 0 = none, or the log does not know. */
  readonly oldSize: number;
  /** That the tree of the old size begins the new one. */
  readonly hashes: Proof;
  /** A signed note. */
  readonly checkpoint: string;
}

export const writeAddCheckpoint = ({ oldSize, hashes, checkpoint }: AddCheckpoint): string =>
  [`old ${oldSize}`, ...hashes.map(writeBase64), '', checkpoint].join('\n');

/** Reads such a body and verifies nothing; the origin says which log it is of. Throws Malformed (status 400). */
export const parseAddCheckpoint = (input: string | Uint8Array): AddCheckpoint & { readonly origin: string } => {
  const body = readText('request', input, MAX_ADD_CHECKPOINT_BYTES);
  const blank = body.indexOf('\n\n');
  const [first = '', ...lines] = blank < 0 ? [] : body.slice(0, blank).split('\n');
  const oldSize = first.startsWith('old ') ? readDecimal(first.slice('old '.length)) : null;
  if (oldSize === null) throw new Malformed(`The first line is "old <size>"; here is ${quote(first)}.`);
  const hashes = readHashes(lines, MAX_HASHES);
  const checkpoint = body.slice(blank + 2);
  const { origin } = parseCheckpoint(parseNote(checkpoint).text);
  return { oldSize, hashes, checkpoint, origin };
};

/** The answer of a witness: the status and the body of C2SP tlog-witness. */
export type Witnessed =
  | {
      readonly status: 200;
      readonly body: string;
      /** To be stored before the answer is given, if what was seen last is still the same. */
      readonly seen: TreeHead;
      /** The checkpoint with the signatures of the log and of the witness, for others to read. */
      readonly checkpoint: string;
    }
  | {
      readonly status: 400 | 403 | 404 | 409 | 422;
      /** In words; of 409 it is the size that the witness has seen, as text/x.tlog.size. */
      readonly body: string;
    };

/**
 * Decides whether a witness cosigns. `log` = whom it believes for this origin, null = nobody; `seen` = what it has cosigned
 * last of this log, null = nothing; `cosigner` is of now (readCosigner).
 */
export const witness = (
  { oldSize, hashes, checkpoint: note }: AddCheckpoint,
  log: Trust | null,
  seen: TreeHead | null,
  cosigner: Signer,
): Witnessed => {
  if (!log) return { status: 404, body: 'This witness does not know the log.\n' };
  const opened = orMismatch(() => openCheckpoint(note, log));
  if (opened instanceof Mismatch) return { status: 403, body: `${opened.message}\n` };
  const { size, root } = opened.checkpoint;
  if (oldSize > size)
    return { status: 400, body: `The old size, ${oldSize}, is above that of the checkpoint, ${size}.\n` };
  const last = seen ?? { size: 0, root: EMPTY_ROOT };
  if (oldSize !== last.size) return { status: 409, body: `${last.size}\n` };
  const fault = verifyConsistency(last, { size, root }, hashes);
  if (fault) return { status: 422, body: `${fault.message}\n` };
  const { text, signatures } = parseNote(note);
  const cosignatures = signedBy(text, [cosigner]);
  const ofLog = signatures.filter((one) => log.logKeys.some((key) => isSameKey(key, one)));
  return {
    status: 200,
    body: cosignatures.map(writeSignature).join(''),
    seen: { size, root },
    checkpoint: writeNote({ text, signatures: [...ofLog, ...cosignatures] }),
  };
};

/**
 * Takes the answer of a witness into the checkpoint of a log: gives it with the cosignatures of the witnesses that the
 * log knows. Throws Malformed, and Mismatch for a false one or none.
 */
export const addCosignatures = (checkpoint: string, body: string, witnesses: readonly Verifier[]): string => {
  const { text, signatures } = parseNote(checkpoint);
  const answered = parseNote(`${text}\n${readText('answer of a witness', body, MAX_NOTE_BYTES)}`);
  const known = answered.signatures.filter((one) => witnesses.some((key) => isSameKey(key, one)));
  if (answered.text !== text || known.length === 0)
    throw new Mismatch(
      'answer of the witness',
      `a cosignature of ${witnesses.map(({ name }) => name).join(' or ')}`,
      'none',
    );
  openNote(writeNote({ text, signatures: known }), witnesses);
  const kept = signatures.filter((one) => !known.some((newer) => isSameKey(newer, one)));
  return writeNote({ text, signatures: [...kept, ...known] });
};

const orMismatch = <T>(act: () => T): T | Mismatch => {
  try {
    return act();
  } catch (error) {
    if (error instanceof Mismatch) return error;
    throw error;
  }
};
