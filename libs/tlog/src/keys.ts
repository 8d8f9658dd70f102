import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto';
import { Malformed, quote } from './fault.js';
import { readBase64, writeBase64 } from './lines.js';

/** Ed25519 keys of C2SP signed-note, in two uses: 1 = a log signs a note, 4 = a witness cosigns a checkpoint. */
export const LOG_KEY = 0x01;
export const WITNESS_KEY = 0x04;
export type KeyType = typeof LOG_KEY | typeof WITNESS_KEY;

export const SEED_BYTES = 32;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;
/** tlog-cosignature: a time does not exceed it. */
const MAX_TIME_S = 2n ** 63n - 1n;
const MAX_NAME_CHARACTERS = 255;
const MAX_KEY_CHARACTERS = 512;

/** RFC 8410: what stands before the seed and before the public key in DER. */
const PRIVATE_KEY = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_KEY = Buffer.from('302a300506032b6570032100', 'hex');

/** A name and an id: together they say which key has signed. */
export interface KeyName {
  readonly name: string;
  /** 8 hexadecimal digits. */
  readonly keyId: string;
}

export interface Signer extends KeyName {
  /** Signs the text of a note, which ends in a newline. */
  sign(text: string): Buffer;
}

/** The facts in a good signature. */
export interface Signed extends KeyName {
  /** When a witness cosigned, in seconds since 1970; null = a signature without a time. */
  readonly timeS: number | null;
}

export interface Verifier extends KeyName {
  /** null: the signature is not of this key and text. */
  verify(text: string, signature: Uint8Array): Signed | null;
}

/** C2SP signed-note: neither spaces nor plus signs. */
export const isKeyName = (name: string): boolean =>
  // oxlint-disable-next-line no-control-regex
  name.length <= MAX_NAME_CHARACTERS && name.isWellFormed() && /^[^\p{White_Space}+\0-\x1f]+$/u.test(name);

const keyIdOf = (name: string, type: number, publicKey: Uint8Array): string =>
  hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([type]), publicKey]), 'buffer').toString(
    'hex',
    0,
    4,
  );

interface PrivateKey extends KeyName {
  readonly type: KeyType;
  readonly privateKey: KeyObject;
  readonly publicKey: Buffer;
}

const privateKeyOf = (name: string, type: KeyType, seed: Uint8Array): PrivateKey => {
  const privateKey = createPrivateKey({ key: Buffer.concat([PRIVATE_KEY, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const publicKey = spki.subarray(PUBLIC_KEY.length);
  return { name, type, keyId: keyIdOf(name, type, publicKey), privateKey, publicKey };
};

/**
 * A secret key as a text, `PRIVATE+KEY+<name>+<key id>+<base64>`. `seed` = SEED_BYTES random bytes. Throws Malformed for a
 * name that is none.
 */
export const writeSecretKey = (name: string, type: KeyType, seed: Uint8Array): string => {
  if (!isKeyName(name)) throw new Malformed(`${quote(name)} is no name of a key: ${NAME_RULE}.`);
  if (seed.length !== SEED_BYTES) throw new Malformed(`The seed of a key has ${SEED_BYTES} bytes.`);
  const { keyId } = privateKeyOf(name, type, seed);
  return `PRIVATE+KEY+${name}+${keyId}+${writeBase64(Buffer.concat([Buffer.from([type]), seed]))}`;
};

const NAME_RULE = `1 to ${MAX_NAME_CHARACTERS} characters, neither spaces nor plus signs`;

/** The text of a verifier key, `<name>+<key id>+<base64>`, of that of a secret key. Throws Malformed. */
export const verifierKeyOf = (secretKey: string): string => {
  const { name, keyId, type, publicKey } = readSecretKey(secretKey);
  return `${name}+${keyId}+${writeBase64(Buffer.concat([Buffer.from([type]), publicKey]))}`;
};

/** No message holds anything of a secret key. */
const readSecretKey = (text: string): PrivateKey => {
  const [before, word, name = '', keyId, ...rest] = text.length > MAX_KEY_CHARACTERS ? [] : text.split('+');
  // The alphabet of base64 has the plus sign, too.
  const key = readBase64(rest.join('+'));
  const type = key?.[0];
  if (
    before !== 'PRIVATE' ||
    word !== 'KEY' ||
    !isKeyName(name) ||
    key?.length !== 1 + SEED_BYTES ||
    (type !== LOG_KEY && type !== WITNESS_KEY)
  )
    throw new Malformed('A secret key is PRIVATE+KEY+<name>+<8 hexadecimal digits>+<base64>, for Ed25519.');
  const read = privateKeyOf(name, type, key.subarray(1));
  if (read.keyId !== keyId) throw new Malformed(`The id of the secret key ${quote(name)} is not that of its key.`);
  return read;
};

/** The signer of a log. Throws Malformed, also for the key of a witness. */
export const readSigner = (secretKey: string): Signer => {
  const { name, keyId, type, privateKey } = readSecretKey(secretKey);
  if (type !== LOG_KEY) throw new Malformed(`The secret key ${quote(name)} cosigns, and does not sign.`);
  return { name, keyId, sign: (text) => sign(null, Buffer.from(text), privateKey) };
};

/** The signer of a witness, at a moment. Throws Malformed, also for the key of a log. */
export const readCosigner = (secretKey: string, timeS: number): Signer => {
  const { name, keyId, type, privateKey } = readSecretKey(secretKey);
  if (type !== WITNESS_KEY) throw new Malformed(`The secret key ${quote(name)} signs, and does not cosign.`);
  if (!Number.isSafeInteger(timeS) || timeS < 0) throw new RangeError(`${timeS} is no time in seconds.`);
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(timeS));
  return { name, keyId, sign: (text) => Buffer.concat([time, sign(null, cosigned(BigInt(timeS), text), privateKey)]) };
};

/** C2SP tlog-cosignature: the message that an Ed25519 cosignature is of. */
const cosigned = (timeS: bigint, text: string): Buffer => Buffer.from(`cosignature/v1\ntime ${timeS}\n${text}`);

/** Reads a verifier key of a log or of a witness. Throws Malformed. */
export const readVerifier = (verifierKey: string): Verifier => {
  const [name = '', keyId, ...rest] = verifierKey.length > MAX_KEY_CHARACTERS ? [] : verifierKey.split('+');
  const key = readBase64(rest.join('+'));
  const type = key?.[0];
  if (!isKeyName(name) || key?.length !== 1 + PUBLIC_KEY_BYTES || (type !== LOG_KEY && type !== WITNESS_KEY))
    throw new Malformed(
      `${quote(verifierKey)} is no verifier key: <name>+<8 hexadecimal digits>+<base64>, for Ed25519.`,
    );
  const publicKey = key.subarray(1);
  if (keyIdOf(name, type, publicKey) !== keyId)
    throw new Malformed(`The id of the verifier key ${quote(name)} is not that of its key.`);
  const object = createPublicKey({ key: Buffer.concat([PUBLIC_KEY, publicKey]), format: 'der', type: 'spki' });
  const isOf = (message: Uint8Array, signature: Uint8Array): boolean =>
    signature.length === SIGNATURE_BYTES && verify(null, message, object, signature);
  return {
    name,
    keyId,
    verify: (text, signature) => {
      if (type === LOG_KEY) return isOf(Buffer.from(text), signature) ? { name, keyId, timeS: null } : null;
      if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return null;
      const timeS = Buffer.from(signature).readBigUInt64BE();
      return timeS <= MAX_TIME_S && isOf(cosigned(timeS, text), signature.subarray(TIME_BYTES))
        ? { name, keyId, timeS: Number(timeS) }
        : null;
    },
  };
};
