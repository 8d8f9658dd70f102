import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Malformed, Mismatch } from './fault.js';
import {
  LOG_KEY,
  readCosigner,
  readSigner,
  readVerifier,
  verifierKeyOf,
  WITNESS_KEY,
  writeSecretKey,
  type KeyType,
} from './keys.js';
import { addSignatures, MAX_NOTE_BYTES, MAX_SIGNATURES, openNote, parseNote, signNote, writeNote } from './note.js';

/** The example that Go's golang.org/x/mod/sumdb/note is tested with. */
const PETER = {
  secretKey: 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz',
  verifierKey: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  line: '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
};
const ENOCH = {
  verifierKey: 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop',
  line: '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n',
};
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const NOTE = `${TEXT}\n${PETER.line}${ENOCH.line}`;
const peter = readVerifier(PETER.verifierKey);
const enoch = readVerifier(ENOCH.verifierKey);

describe('a note is signed as Go and C2SP sign it', () => {
  it('byte for byte', () => {
    expect(signNote(TEXT, [readSigner(PETER.secretKey)])).toBe(`${TEXT}\n${PETER.line}`);
    expect(verifierKeyOf(PETER.secretKey)).toBe(PETER.verifierKey);
  });

  it('and what they have signed is verified', () => {
    expect(openNote(NOTE, [peter, enoch])).toEqual({
      text: TEXT,
      signed: [
        { name: 'PeterNeumann', keyId: 'c74f20a3', timeS: null },
        { name: 'EnochRoot', keyId: 'af0cfe78', timeS: null },
      ],
      unknown: [],
    });
    const example =
      'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';
    const key = readVerifier('example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k');
    expect(openNote(example, [key]).signed).toHaveLength(1);
  });

  it('signatures of unknown keys are ignored, also under a known name or a known id', () => {
    const { signed, unknown } = openNote(NOTE, [peter]);
    expect(signed.map(({ name }) => name)).toEqual(['PeterNeumann']);
    expect(unknown.map(({ name }) => name)).toEqual(['EnochRoot']);
    expect(openNote(NOTE, []).signed).toEqual([]);
    const otherId = PETER.line.replace(' x08g', ' y08g');
    const otherName = PETER.line.replace('Peter', 'Petra');
    expect(openNote(`${TEXT}\n${otherId}${otherName}${PETER.line}`, [peter]).unknown).toHaveLength(2);
  });

  it('a false signature of a known key is the end of the note, wherever it stands', () => {
    const changed = NOTE.replace('answer', 'Answer');
    expect(() => openNote(changed, [peter])).toThrow(Mismatch);
    expect(() => openNote(changed, [peter])).toThrow(/signature of PeterNeumann differs/);
    expect(openNote(changed, []).signed).toEqual([]);
    const bytes = parseNote(NOTE).signatures[0]!;
    const forged = writeNote({ text: TEXT, signatures: [bytes, { ...bytes, signature: Buffer.alloc(64) }] });
    expect(() => openNote(forged, [peter])).toThrow(Mismatch);
    expect(openNote(`${TEXT}\n${PETER.line}${PETER.line}`, [peter]).signed).toHaveLength(1);
  });

  it('any changed byte of text or signature is seen', () => {
    const good = Buffer.from(`${TEXT}\n${PETER.line}`);
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at]! ^= 1;
      const opened = (): number => openNote(bad, [peter]).signed.length;
      let signed = 0;
      try {
        signed = opened();
      } catch (error) {
        expect(error instanceof Mismatch || error instanceof Malformed).toBe(true);
      }
      expect(signed, `byte ${at}`).toBe(0);
    }
  });

  it('another signature is added, and a newer one of the same key takes its place', () => {
    const note = `${TEXT}\n${ENOCH.line}`;
    const both = addSignatures(note, [readSigner(PETER.secretKey)]);
    expect(both).toBe(`${TEXT}\n${ENOCH.line}${PETER.line}`);
    expect(addSignatures(both, [readSigner(PETER.secretKey)])).toBe(both);
  });
});

describe('a key is a text', () => {
  const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });

  it('which is written and read, and signs what its verifier key verifies', () => {
    const names = fc.stringMatching(/^[a-z0-9./-]{1,40}$/);
    fc.assert(
      fc.property(names, seeds, fc.maxSafeNat(), (name, seed, timeS) => {
        for (const type of [LOG_KEY, WITNESS_KEY] as KeyType[]) {
          const secretKey = writeSecretKey(name, type, seed);
          const signer = type === LOG_KEY ? readSigner(secretKey) : readCosigner(secretKey, timeS);
          const verifier = readVerifier(verifierKeyOf(secretKey));
          expect(verifier).toMatchObject({ name, keyId: signer.keyId });
          const signed = { name, keyId: signer.keyId, timeS: type === LOG_KEY ? null : timeS };
          expect(openNote(signNote('text\n', [signer]), [verifier]).signed).toEqual([signed]);
        }
      }),
    );
  });

  it('of a witness signs nothing, and that of a log cosigns nothing', () => {
    const witness = writeSecretKey('w', WITNESS_KEY, Buffer.alloc(32));
    expect(() => readSigner(witness)).toThrow(Malformed);
    expect(() => readCosigner(PETER.secretKey, 0)).toThrow(Malformed);
    expect(() => readCosigner(witness, -1)).toThrow(RangeError);
    expect(() => readCosigner(witness, 0.5)).toThrow(RangeError);
  });

  it.each([
    ['', 'no name'],
    ['two words', 'a space'],
    ['a+b', 'a plus sign'],
    ['a\u00a0b', 'a space of Unicode'],
    ['a\u0085b', 'a line break of Unicode'],
    ['a\u0000b', 'a control character'],
    ['a\ud800', 'half a character'],
    ['a'.repeat(256), 'too many characters'],
  ])('with a name (%j is %s)', (name) => {
    expect(() => writeSecretKey(name, LOG_KEY, Buffer.alloc(32))).toThrow(Malformed);
  });

  it('and any part of one is none, and any other character', () => {
    for (const [text, read] of [
      [PETER.verifierKey, readVerifier],
      [PETER.secretKey, readSigner],
    ] as const) {
      for (let from = 0; from <= text.length; from++)
        for (let to = from + 1; to <= text.length; to += 7)
          if (to - from < text.length) expect(() => read(text.slice(0, from) + text.slice(to))).toThrow(Malformed);
      for (let at = 0; at < text.length; at++)
        for (const other of [text.charCodeAt(at) + 1, text.charCodeAt(at) - 1])
          expect(() => read(text.slice(0, at) + String.fromCharCode(other) + text.slice(at + 1))).toThrow(Malformed);
    }
    // Go's own: a key that is too long, and a type that is unknown, each under its right id.
    for (const bad of [
      'PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==',
      'PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
      'x'.repeat(10_000_000),
    ])
      expect(() => readVerifier(bad)).toThrow(Malformed);
  });

  it('and no message tells a secret one', () => {
    for (const bad of [PETER.secretKey.slice(1), PETER.secretKey.replace('c7', 'c8'), `${PETER.secretKey}=`])
      expect(() => readSigner(bad)).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining('EKFALV') }),
      );
  });
});

describe('what is no note is refused', () => {
  const line = PETER.line;
  it.each([
    ['nothing', ''],
    ['no empty line', `${TEXT}${line}`],
    ['no signature', `${TEXT}\n`],
    ['no newline at its end', `${TEXT}\n${line.slice(0, -1)}`],
    ['something behind the signatures', `${TEXT}\n${line}text\n`],
    ['a hyphen for a dash', `${TEXT}\n${line.replace('—', '-')}`],
    ['two spaces', `${TEXT}\n${line.replace(' x08', '  x08')}`],
    ['no name', `${TEXT}\n${line.replace('PeterNeumann', '')}`],
    ['a name with a plus sign', `${TEXT}\n${line.replace('PeterNeumann', 'Peter+Neumann')}`],
    ['a name with a space of Unicode', `${TEXT}\n${line.replace('PeterNeumann', 'Peter\u2003Neumann')}`],
    ['another word behind', `${TEXT}\n${line.replace('=\n', '= x\n')}`],
    ['base64 without padding', `${TEXT}\n${line.replace('=', '')}`],
    ['base64 with a bit that means nothing', `${TEXT}\n${line.replace('AM=', 'AN=')}`],
    ['base64 for URLs', `${TEXT}\n${line.replace('/', '_')}`],
    ['a key id and no signature', `${TEXT}\n— PeterNeumann x08gow==\n`],
    ['a tab', `a\tb\n\n${line}`],
    ['a return', `a\r\n\n${line}`],
    ['a zero', `a\0b\n\n${line}`],
    ['half a character', `\ud800\n\n${line}`],
    ['bytes that are no UTF-8', Buffer.concat([Buffer.from([0xff]), Buffer.from(NOTE)])],
    ['too many signatures', `${TEXT}\n${line.repeat(MAX_SIGNATURES + 1)}`],
    ['too many bytes', `${'é'.repeat(MAX_NOTE_BYTES / 2)}\n\n${line}`],
  ])('%s', (_what, note) => {
    expect(() => parseNote(note)).toThrow(Malformed);
  });

  it.each([
    ['has no newline at its end', 'abc'],
    ['has a control character', 'a\x01b\n'],
    ['is nothing', ''],
  ])('a text that %s is not signed', (_what, text) => {
    expect(() => signNote(text, [readSigner(PETER.secretKey)])).toThrow(Malformed);
  });

  it('and nothing else: 16 signatures are taken, and a text with empty lines, a dash, a BOM', () => {
    expect(parseNote(`${TEXT}\n${line.repeat(16)}`).signatures).toHaveLength(16);
    const text = `\ufeff\n\n— a b\n\n${TEXT}\n`;
    const note = signNote(text, [readSigner(PETER.secretKey)]);
    expect(openNote(Buffer.from(note), [peter])).toMatchObject({ text, signed: [{ name: 'PeterNeumann' }] });
  });

  it('whatever comes, it is a note that is written so, or it is refused', () => {
    const parts = fc.constantFrom('\n', '\n\n', '— ', 'PeterNeumann', ' ', line, TEXT, 'AAAAAAA=', '\ufeff', '\u2028');
    const texts = fc
      .array(fc.oneof(parts, fc.string({ unit: 'binary' })), { maxLength: 12 })
      .map((all) => all.join(''));
    fc.assert(
      fc.property(fc.oneof(texts, fc.uint8Array()), (input) => {
        try {
          expect(Buffer.from(writeNote(parseNote(input))).equals(Buffer.from(input as string))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
