import { Malformed, Mismatch, quote } from './fault.js';
import { isKeyName, type KeyName, type Signed, type Signer, type Verifier } from './keys.js';
import { readBase64, readText, writeBase64 } from './lines.js';

/** C2SP signed-note asks for 16 at least; one of ML-DSA-44 has 3,300 characters. */
export const MAX_SIGNATURES = 64;
export const MAX_NOTE_BYTES = 262_144;
const KEY_ID_BYTES = 4;

export interface NoteSignature extends KeyName {
  /** Without the key id. */
  readonly signature: Buffer;
}

/** A text with signatures, none of which has been verified. */
export interface Note {
  /** It ends in a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Reads a note (C2SP signed-note) and verifies nothing. Throws Malformed. */
export const parseNote = (input: string | Uint8Array): Note => {
  const note = readText('note', input, MAX_NOTE_BYTES);
  const blank = note.lastIndexOf('\n\n');
  if (blank < 0 || !note.endsWith('\n') || blank + 2 === note.length)
    throw new Malformed('A note is text, an empty line, and lines with signatures, each of which ends in a newline.');
  const lines = note.slice(blank + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES)
    throw new Malformed(`A note has at most ${MAX_SIGNATURES} signatures; this one has ${lines.length}.`);
  return { text: note.slice(0, blank + 1), signatures: lines.map(parseSignature) };
};

const parseSignature = (line: string): NoteSignature => {
  const [dash, name = '', base64 = '', ...rest] = line.split(' ');
  const bytes = readBase64(base64);
  if (dash !== '—' || !isKeyName(name) || !bytes || bytes.length <= KEY_ID_BYTES || rest.length > 0)
    throw new Malformed(`${quote(line)} is no line with a signature: — <name> <base64>.`);
  return { name, keyId: bytes.toString('hex', 0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
};

/** Throws Malformed where parseNote would. */
export const writeNote = ({ text, signatures }: Note): string => {
  const note = `${text}\n${signatures.map(writeSignature).join('')}`;
  const read = parseNote(note);
  if (read.text !== text || read.signatures.length !== signatures.length)
    throw new Malformed('The text of a note ends in a newline.');
  return note;
};

/** Its line, with the newline. */
export const writeSignature = ({ name, keyId, signature }: NoteSignature): string =>
  `— ${name} ${writeBase64(Buffer.concat([Buffer.from(keyId, 'hex'), signature]))}\n`;

export const signedBy = (text: string, signers: readonly Signer[]): NoteSignature[] =>
  signers.map(({ name, keyId, sign }) => ({ name, keyId, signature: sign(text) }));

/** Throws Malformed for a text that is none of a note: it has to end in a newline. */
export const signNote = (text: string, signers: readonly Signer[]): string =>
  writeNote({ text, signatures: signedBy(text, signers) });

/** Adds signatures to a note, in place of older ones of the same keys. It verifies nothing. Throws Malformed. */
export const addSignatures = (input: string | Uint8Array, signers: readonly Signer[]): string => {
  const { text, signatures } = parseNote(input);
  const kept = signatures.filter((signature) => !signers.some((signer) => isSameKey(signer, signature)));
  return writeNote({ text, signatures: [...kept, ...signedBy(text, signers)] });
};

export const isSameKey = (a: KeyName, b: KeyName): boolean => a.name === b.name && a.keyId === b.keyId;

export interface OpenedNote {
  readonly text: string;
  /** Of the known keys, each once. */
  readonly signed: readonly Signed[];
  /** Signatures of keys that nobody here knows; they mean nothing. */
  readonly unknown: readonly NoteSignature[];
}

/**
 * Reads a note, and verifies every signature of a known key. Throws Malformed; and Mismatch if one of a known key is
 * false. Whether those that are left are enough, the caller says.
 */
export const openNote = (input: string | Uint8Array, verifiers: readonly Verifier[]): OpenedNote => {
  const { text, signatures } = parseNote(input);
  const signed: Signed[] = [];
  const unknown: NoteSignature[] = [];
  for (const signature of signatures) {
    const known = verifiers.filter((verifier) => isSameKey(verifier, signature));
    if (known.length === 0) {
      unknown.push(signature);
      continue;
    }
    const found = known.map((verifier) => verifier.verify(text, signature.signature)).find((one) => one !== null);
    const { name, keyId } = signature;
    if (!found) throw new Mismatch(`signature of ${name}`, `one of this text by the key ${keyId}`, 'one that is false');
    if (!signed.some((other) => isSameKey(other, found))) signed.push(found);
  }
  return { text, signed, unknown };
};
