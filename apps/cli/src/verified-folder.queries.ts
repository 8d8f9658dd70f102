import { join } from 'node:path';
import { Malformed, Mismatch, openCheckpoint, readVerifier, verifyRange, type Verifier } from '#tlog';
import { CHECKPOINT_FILE, ENTRIES_FILE, HASHES_FILE, HEAD_FILE, KEY_FILE, type ExportHead } from './audit-export.js';
import type { Cosigned, VerifiedExport } from './audit-proof.js';
import { Verification, type SignedHead } from './audit-verify.js';
import {
  digestOf,
  openHashes,
  readExportHead,
  readLines,
  readText,
  sizeOf,
  type HashFile,
} from './export-folder.queries.js';

/** Keys that are trusted, and checkpoints that were kept elsewhere. */
export interface VerifyFolder {
  /** The public key of the log, and the file that has it, to name it. */
  readonly key: { readonly file: string; readonly verifier: Verifier };
  /** Files of checkpoints. */
  readonly kept: readonly string[];
  readonly witnesses: readonly Verifier[];
  /** Left out = one witness, where there are some. */
  readonly quorum: number | undefined;
  /** So many bytes of so many were looked at: first none. */
  readonly onBytes: (read: number, total: number) => void;
}

interface ReadNote extends SignedHead {
  readonly cosigned: readonly Cosigned[];
}

/** A checkpoint that was signed with this key. Throws an error that says whose it is instead. */
const readCheckpoint = (
  what: string,
  path: string,
  verifier: Verifier,
  witnesses: readonly Verifier[],
  quorum: number,
): ReadNote => {
  const note = readText(path);
  if (note === null) throw new Error(`There is no file ${path}.`);
  try {
    const { checkpoint, cosigned } = openCheckpoint(note, {
      origin: verifier.name,
      logKeys: [verifier],
      witnesses,
      quorum,
    });
    const { size, root } = checkpoint;
    return { what, size, root, cosigned: cosigned.map((by) => ({ ...by, what, size })) };
  } catch (error) {
    if (!(error instanceof Mismatch || error instanceof Malformed)) throw error;
    throw new Error(`${what} is not to be trusted: ${error.message}`, { cause: error });
  }
};

/** Reads a folder, and says what of it is proved. Throws an error where nothing can be said. */
export const verifyFolder = async (folder: string, trust: VerifyFolder): Promise<VerifiedExport> => {
  const { witnesses, quorum, kept } = trust;
  const { verifier, file } = trust.key;
  const head = readExportHead(folder);
  const least = quorum ?? Math.min(1, witnesses.length);
  const own = readText(join(folder, KEY_FILE))?.trim();
  const theirs = own === undefined ? null : readVerifier(own);
  if (theirs && (theirs.name !== verifier.name || theirs.keyId !== verifier.keyId))
    throw new Error(
      `The key in the folder is ${theirs.name}+${theirs.keyId}, and ${file} is ${verifier.name}+${verifier.keyId}: it is the export of another log, or it was made by somebody else.`,
    );
  const isOnly = kept.length === 0;
  const signed = readCheckpoint(
    'the checkpoint of the export',
    join(folder, CHECKPOINT_FILE),
    verifier,
    isOnly ? witnesses : [],
    isOnly ? least : 0,
  );
  const others = kept.map((path) => readCheckpoint(`the checkpoint ${path}`, path, verifier, witnesses, least));
  const sizes = others.map(({ size }) => size);
  const hashes = head.kind === 'person' ? null : openHashes(folder, head, sizes);
  try {
    return await readThrough(folder, head, signed, others, hashes, trust.onBytes);
  } finally {
    hashes?.close();
  }
};

const readThrough = async (
  folder: string,
  head: ExportHead,
  signed: ReadNote,
  others: readonly ReadNote[],
  hashes: HashFile | null,
  onBytes: VerifyFolder['onBytes'],
): Promise<VerifiedExport> => {
  // Hashes that give the root that was signed say which entry is wrong; others say nothing.
  const after = head.after.map((base64) => Buffer.from(base64, 'base64'));
  const isRight = hashes?.grown ? verifyRange(hashes.grown, signed, { after }) === null : false;
  const verification = new Verification(head, signed, others, isRight ? hashes : null);
  if (signed.size !== head.size)
    verification.report(
      null,
      `${CHECKPOINT_FILE} is of ${signed.size} entries, and ${HEAD_FILE} says ${head.size}: it is not the one that was exported`,
    );
  if (head.kind !== 'person' && !isRight)
    verification.report(null, `${HASHES_FILE} is missing, or does not give the root that was signed`);
  const total = sizeOf(folder);
  onBytes(0, total);
  const { bytes, sha256, isCutOff } = await readLines(
    join(folder, ENTRIES_FILE),
    (line) => verification.add(line),
    (read) => onBytes(read, total),
  );
  if (isCutOff) verification.report(null, `${ENTRIES_FILE} ends within a line: it was cut off`);
  for (const [name, due] of Object.entries(head.files)) {
    const found = name === ENTRIES_FILE ? { bytes, sha256 } : await digestOf(join(folder, name));
    if (found === null) verification.report(null, `${name} is missing`);
    else if (found.bytes !== due.bytes || found.sha256 !== due.sha256)
      verification.report(
        null,
        `${name} is not the file that was exported: expected ${due.bytes} bytes with SHA-256 ${due.sha256}, found ${found.bytes} with ${found.sha256}`,
      );
  }
  return { head, signed, witnesses: [signed, ...others].flatMap(({ cosigned }) => cosigned), ...verification.end() };
};
