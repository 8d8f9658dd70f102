import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCheckpoint, parseCheckpoint, signCheckpoint, writeCheckpoint, type Checkpoint } from './checkpoint.js';
import { Malformed, Mismatch } from './fault.js';
import { hashLeaf } from './hashes.js';
import { LOG_KEY, readCosigner, readSigner, readVerifier, verifierKeyOf, WITNESS_KEY, writeSecretKey } from './keys.js';
import { addSignatures, openNote, parseNote, writeNote } from './note.js';
import { planInclusion } from './proof.js';
import { openTlogProof, parseTlogProof, writeTlogProof, type TlogProof } from './tlog-proof.js';
import { append, EMPTY_TREE, rootOf } from './tree.js';

const ORIGIN = 'example.com/behind-the-sofa';
/** The example of C2SP tlog-checkpoint and of tlog-cosignature. */
const PUBLISHED = `${ORIGIN}
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`;
const TIME_S = 1_679_315_147;
const LOG = writeSecretKey(ORIGIN, LOG_KEY, Buffer.alloc(32, 1));
const WITNESSES = [2, 3].map((at) => writeSecretKey(`witness.example.com/w${at}`, WITNESS_KEY, Buffer.alloc(32, at)));
const logKeys = [readVerifier(verifierKeyOf(LOG))];
const witnesses = WITNESSES.map((key) => readVerifier(verifierKeyOf(key)));
const trust = { origin: ORIGIN, logKeys };

const LEAVES = Array.from({ length: 300 }, (_, at) => hashLeaf(Buffer.from(`${at}`)));
const { tree, fullTiles } = append(EMPTY_TREE, LEAVES);
const head: Checkpoint = { origin: ORIGIN, size: tree.size, root: rootOf(tree), extensions: [] };
const signed = signCheckpoint(head, [readSigner(LOG)]);

const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const lines = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter((line) => line.isWellFormed() && !/[\p{Cc}]/u.test(line));
const checkpoints: fc.Arbitrary<Checkpoint> = fc.record({
  origin: lines,
  size: fc.maxSafeNat(),
  root: hashes,
  extensions: fc.array(lines, { maxLength: 3 }),
});

describe('a checkpoint', () => {
  it('is read as C2SP has published it, and written again', () => {
    const note = parseNote(PUBLISHED);
    const checkpoint = parseCheckpoint(note.text);
    expect(checkpoint).toMatchObject({ origin: ORIGIN, size: 20_852_163, extensions: [] });
    expect(writeNote({ ...note, text: writeCheckpoint(checkpoint) })).toBe(PUBLISHED);
    expect(note.signatures.map(({ keyId }) => keyId)).toEqual(['033de0ae', '8d66cf3f']);
    // The cosignature begins with its time.
    expect(Number(note.signatures[1]!.signature.readBigUInt64BE())).toBe(TIME_S);
  });

  it('is written, signed, verified and read', () => {
    fc.assert(
      fc.property(checkpoints, (checkpoint) => {
        const note = signCheckpoint(checkpoint, [readSigner(LOG)]);
        expect(openCheckpoint(note, { origin: checkpoint.origin, logKeys })).toEqual({ checkpoint, cosigned: [] });
      }),
    );
  });

  it.each([
    ['an origin', '\n1\nroot\n'],
    ['a size', `a\n\nroot\n`],
    ['a size without zeroes before it', writeCheckpoint(head).replace('300', '0300')],
    ['a size without a sign', writeCheckpoint(head).replace('300', '+300')],
    ['a decimal size', writeCheckpoint(head).replace('300', '0x12c')],
    ['a size that can be counted to', writeCheckpoint(head).replace('300', '9007199254740992')],
    ['a root', 'a\n1\n'],
    ['a root of 32 bytes', 'a\n1\nAAAA\n'],
    ['a root in base64', writeCheckpoint(head).replace('=', '')],
    ['no empty line', `${writeCheckpoint(head)}\nextension\n`],
    ['a newline at its end', writeCheckpoint(head).slice(0, -1)],
    ['at least three lines', ''],
  ])('has %s', (_what, text) => {
    expect(() => parseCheckpoint(text)).toThrow(Malformed);
  });

  it.each([
    ['an origin of two lines', { origin: 'a\nb' }],
    ['an extension of two lines', { extensions: ['a\nb'] }],
    ['an empty extension', { extensions: [''] }],
    ['a size that is no count', { size: -1 }],
    ['a size above what can be read', { size: 2 ** 53 }],
    ['a root that is no hash', { root: Buffer.alloc(31) }],
  ])('with %s is not written', (_what, change) => {
    expect(() => writeCheckpoint({ ...head, ...change })).toThrow(Malformed);
  });

  it.each([
    ['of another log', signCheckpoint({ ...head, origin: 'other' }, [readSigner(LOG)]), trust, /origin .* differs/],
    [
      'that nobody known has signed',
      PUBLISHED,
      trust,
      /signature of the log differs: expected one of .*, computed none/,
    ],
    ['that was changed', signed.replace('\n300\n', '\n299\n'), trust, /signature of .* differs/],
    ['that too few witnesses have seen', signed, { ...trust, witnesses, quorum: 1 }, /cosignatures differs/],
  ])('%s is not believed', (_what, note, whom, message) => {
    expect(() => openCheckpoint(note, whom)).toThrow(Mismatch);
    expect(() => openCheckpoint(note, whom)).toThrow(message);
  });

  it('that only a witness has signed is not believed', () => {
    const { text } = parseNote(signed);
    const note = writeNote({
      text,
      signatures: parseNote(addSignatures(signed, [readCosigner(WITNESSES[0]!, TIME_S)])).signatures.slice(1),
    });
    expect(openNote(note, witnesses).signed).toHaveLength(1);
    expect(() => openCheckpoint(note, { ...trust, witnesses })).toThrow(/signature of the log differs/);
  });
});

describe('a cosignature', () => {
  const cosigned = addSignatures(signed, [readCosigner(WITNESSES[0]!, TIME_S)]);

  it('tells which witness has seen the checkpoint, and when', () => {
    const seen = openCheckpoint(cosigned, { ...trust, witnesses, quorum: 1 }).cosigned;
    expect(seen).toEqual([{ name: 'witness.example.com/w2', keyId: witnesses[0]!.keyId, timeS: TIME_S }]);
    const twice = addSignatures(cosigned, [readCosigner(WITNESSES[1]!, TIME_S)]);
    expect(openCheckpoint(twice, { ...trust, witnesses, quorum: 2 }).cosigned).toHaveLength(2);
    expect(() => openCheckpoint(cosigned, { ...trust, witnesses, quorum: 2 })).toThrow(
      /expected 2 or more, computed 1/,
    );
  });

  it.each([Number.NaN, -1, 0.5, Infinity])('is not asked for %d times', (quorum) => {
    expect(() => openCheckpoint(signed, { ...trust, witnesses, quorum })).toThrow(RangeError);
  });

  it('is by another key than those that sign', () => {
    expect(openCheckpoint(cosigned, { ...trust, witnesses: [...logKeys, ...witnesses] }).cosigned).toHaveLength(1);
    expect(() => openCheckpoint(signed, { ...trust, witnesses: logKeys, quorum: 1 })).toThrow(/computed 0/);
  });

  it('is of its time, its text and its kind', () => {
    const { text, signatures } = parseNote(cosigned);
    const [, of] = signatures;
    const verifies = (signature: Buffer, of = text): boolean => witnesses[0]!.verify(of, signature) !== null;
    expect(verifies(of!.signature)).toBe(true);
    expect(verifies(of!.signature, `${text}x\n`)).toBe(false);
    for (let at = 0; at < of!.signature.length; at++) {
      const changed = Buffer.from(of!.signature);
      changed[at]! ^= 128;
      expect(verifies(changed), `byte ${at}`).toBe(false);
    }
    expect(verifies(of!.signature.subarray(8))).toBe(false);
    expect(verifies(of!.signature.subarray(0, 7))).toBe(false);
  });

  it('of a witness that nobody here knows is ignored', () => {
    expect(openCheckpoint(cosigned, trust).cosigned).toEqual([]);
  });
});

describe('a proof in a file of its own', () => {
  const plan = planInclusion(7, 300);
  const tiles = [Buffer.concat([fullTiles[0]!.hashes]), tree.edge[0]!, tree.edge[1]!];
  const proofOf = (index: number): TlogProof => ({
    index,
    hashes: plan.make(plan.tiles.map(({ level, index: at }) => (level === 0 ? tiles[at]! : tiles[2]!))),
    checkpoint: addSignatures(signed, [readCosigner(WITNESSES[0]!, TIME_S)]),
    extra: null,
  });
  const proof = proofOf(7);
  const text = writeTlogProof(proof);

  it('has the lines of C2SP tlog-proof', () => {
    const [first, index, ...rest] = text.split('\n');
    expect([first, index]).toEqual(['c2sp.org/tlog-proof@v1', 'index 7']);
    expect(rest.slice(0, proof.hashes.length + 1)).toEqual([
      ...proof.hashes.map((hash) => hash.toString('base64')),
      '',
    ]);
    expect(text.endsWith(`\n\n${proof.checkpoint}`)).toBe(true);
    expect(writeTlogProof({ ...proof, extra: Buffer.from('{}') }).split('\n')[1]).toBe('extra e30=');
  });

  it('proves an entry', () => {
    const { checkpoint, cosigned } = openTlogProof(parseTlogProof(text), LEAVES[7]!, {
      ...trust,
      witnesses,
      quorum: 1,
    });
    expect(checkpoint.size).toBe(300);
    expect(cosigned).toHaveLength(1);
  });

  it.each([
    ['another entry', proof, LEAVES[8]!, /root of the tree of 300 leaves differs/],
    ['another place', { ...proof, index: 8 }, LEAVES[7]!, /root of the tree of 300 leaves differs/],
    ['a place behind the end', { ...proof, index: 300 }, LEAVES[7]!, /index of the leaf differs/],
    [
      'a shorter path',
      { ...proof, hashes: proof.hashes.slice(1) },
      LEAVES[7]!,
      /length of the inclusion proof differs/,
    ],
    ['another checkpoint', { ...proof, checkpoint: PUBLISHED }, LEAVES[7]!, /signature of the log differs/],
  ])('and not %s', (_what, other, leafHash, message) => {
    expect(() => openTlogProof(other, leafHash, trust)).toThrow(Mismatch);
    expect(() => openTlogProof(other, leafHash, trust)).toThrow(message);
  });

  it('is read as it was written', () => {
    const proofs = fc.record({
      index: fc.maxSafeNat(),
      hashes: fc.array(hashes, { maxLength: 53 }),
      checkpoint: fc.constantFrom(PUBLISHED, signed, proof.checkpoint),
      extra: fc.option(fc.uint8Array().map((bytes) => Buffer.from(bytes))),
    });
    fc.assert(
      fc.property(proofs, (one) => {
        expect(parseTlogProof(writeTlogProof(one))).toEqual(one);
        expect(parseTlogProof(Buffer.from(writeTlogProof(one)))).toEqual(one);
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['another first line', text.replace('@v1', '@v2')],
    ['no index', text.replace('index 7\n', '')],
    ['an index with zeroes before it', text.replace('index 7', 'index 07')],
    ['an index with two spaces', text.replace('index 7', 'index  7')],
    ['an index below 0', text.replace('index 7', 'index -1')],
    ['the index first', text.replace('index 7', 'index 7\nextra e30=')],
    ['two extras', text.replace('index 7', 'extra e30=\nextra e30=\nindex 7')],
    ['an extra that is no base64', text.replace('index 7', 'extra {}\nindex 7')],
    ['an extra that is too long', text.replace('index 7', `extra ${'AAAA'.repeat(40_000)}\nindex 7`)],
    ['a hash of 31 bytes', text.replace('index 7', `index 7\n${Buffer.alloc(31).toString('base64')}`)],
    ['too many hashes', text.replace('index 7', `index 7${`\n${LEAVES[0]!.toString('base64')}`.repeat(65)}`)],
    ['no empty line', text.split('\n\n')[0]!],
    ['a return', text.replace('\n', '\r\n')],
    ['bytes that are no UTF-8', Buffer.from([0xc3, 0x28])],
    ['too many bytes', text + 'a'.repeat(1_000_000)],
  ])('is refused where it has %s', (_what, bad) => {
    expect(() => parseTlogProof(bad)).toThrow(Malformed);
  });

  it('whatever comes, it is a proof that is written so, or it is refused', () => {
    const parts = fc.constantFrom('c2sp.org/tlog-proof@v1\n', 'index 7\n', 'extra e30=\n', '\n', '\n\n', signed, text);
    const texts = fc.array(fc.oneof(parts, fc.string()), { maxLength: 8 }).map((all) => all.join(''));
    fc.assert(
      fc.property(
        fc.oneof(
          texts,
          texts.map((rest) => `c2sp.org/tlog-proof@v1\n${rest}`),
        ),
        (input) => {
          try {
            expect(writeTlogProof(parseTlogProof(input))).toBe(input);
          } catch (error) {
            expect(error).toBeInstanceOf(Malformed);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
