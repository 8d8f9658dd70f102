import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCheckpoint, signCheckpoint } from './checkpoint.js';
import { Malformed, Mismatch } from './fault.js';
import { EMPTY_ROOT, hashLeaf } from './hashes.js';
import { LOG_KEY, readCosigner, readSigner, readVerifier, verifierKeyOf, WITNESS_KEY, writeSecretKey } from './keys.js';
import { addSignatures } from './note.js';
import { planConsistency, type TreeHead } from './proof.js';
import { append, EMPTY_TREE, rootOf } from './tree.js';
import { addCosignatures, parseAddCheckpoint, witness, writeAddCheckpoint, type Witnessed } from './witness.js';

const ORIGIN = 'example.com/log';
const LOG = writeSecretKey(ORIGIN, LOG_KEY, Buffer.alloc(32, 1));
const OTHER = writeSecretKey('example.com/other', LOG_KEY, Buffer.alloc(32, 2));
const WITNESS = writeSecretKey('witness.example.com', WITNESS_KEY, Buffer.alloc(32, 3));
const trust = { origin: ORIGIN, logKeys: [readVerifier(verifierKeyOf(LOG))] };
const cosigner = readCosigner(WITNESS, 1_700_000_000);
const witnesses = [readVerifier(verifierKeyOf(WITNESS))];

const LEAVES = Array.from({ length: 200 }, (_, at) => hashLeaf(Buffer.from(`${at}`)));
const tree = append(EMPTY_TREE, LEAVES).tree;
const headOf = (size: number): TreeHead => ({ size, root: rootOf(append(EMPTY_TREE, LEAVES.slice(0, size)).tree) });
const checkpointOf = ({ size, root }: TreeHead, key = LOG): string =>
  signCheckpoint({ origin: ORIGIN, size, root: Buffer.from(root), extensions: [] }, [readSigner(key)]);
const bodyOf = (oldSize: number, size: number, checkpoint = checkpointOf(headOf(size))): string =>
  writeAddCheckpoint({ oldSize, hashes: planConsistency(oldSize, size).make([tree.edge[0]!]), checkpoint });
const answerTo = (body: string, seen: TreeHead | null, log: typeof trust | null = trust): Witnessed =>
  witness(parseAddCheckpoint(body), log, seen, cosigner);

describe('a witness cosigns a checkpoint that continues what it has seen (C2SP tlog-witness)', () => {
  it.each([
    [0, 0],
    [0, 200],
    [1, 2],
    [77, 200],
    [200, 200],
  ])('from %i to %i', (oldSize, size) => {
    const answer = answerTo(bodyOf(oldSize, size), oldSize === 0 ? null : headOf(oldSize));
    expect(answer).toMatchObject({ status: 200, seen: headOf(size) });
    const { body, checkpoint } = answer as Witnessed & { status: 200 };
    expect(body).toMatch(/^— witness\.example\.com \S+\n$/);
    const opened = openCheckpoint(checkpoint, { ...trust, witnesses, quorum: 1 });
    expect(opened).toMatchObject({ checkpoint: { size }, cosigned: [{ timeS: 1_700_000_000 }] });
    expect(addCosignatures(checkpointOf(headOf(size)), body, witnesses)).toBe(checkpoint);
  });

  it('and keeps no signatures that it does not know', () => {
    const note = addSignatures(checkpointOf(headOf(5)), [readSigner(OTHER)]);
    const { checkpoint } = answerTo(bodyOf(0, 5, note), null) as Witnessed & { status: 200 };
    expect(note).toContain('example.com/other');
    expect(checkpoint).not.toContain('example.com/other');
  });
});

describe('a witness does not cosign', () => {
  const forked = checkpointOf({ size: 200, root: LEAVES[0]! });
  it.each([
    [404, 'a log that it does not know', bodyOf(0, 5), null, null, /does not know/],
    [
      403,
      'what another key has signed',
      bodyOf(0, 5, checkpointOf(headOf(5), OTHER)),
      null,
      trust,
      /signature of the log/,
    ],
    [
      403,
      'what was changed',
      bodyOf(0, 5).replace('\n5\n', '\n6\n'),
      null,
      trust,
      /signature of example.com\/log differs/,
    ],
    [400, 'an old size above the new one', bodyOf(5, 200).replace('old 5', 'old 201'), headOf(5), trust, /above/],
    [409, 'on a size that it has not seen last', bodyOf(5, 200), headOf(6), trust, /^6\n$/],
    [409, 'from the beginning again', bodyOf(0, 200), headOf(200), trust, /^200\n$/],
    [409, 'a log that was rolled back', bodyOf(5, 6), headOf(200), trust, /^200\n$/],
    [422, 'another tree of the same size', bodyOf(200, 200, forked), headOf(200), trust, /root of the tree of 200/],
    [
      422,
      'a tree that was rewritten',
      bodyOf(77, 200),
      { ...headOf(77), root: LEAVES[1]! },
      trust,
      /tree of 77 leaves/,
    ],
    [422, 'a tree that the proof does not lead to', bodyOf(77, 200, forked), headOf(77), trust, /tree of 200 leaves/],
    [
      422,
      'an empty tree with a root',
      bodyOf(0, 0, checkpointOf({ size: 0, root: LEAVES[1]! })),
      null,
      trust,
      /root of/,
    ],
    [
      422,
      'without a proof',
      bodyOf(77, 200).replace(/(old 77)[^]*?\n\n/, '$1\n\n'),
      headOf(77),
      trust,
      /length of the/,
    ],
    [422, 'a proof of nothing', bodyOf(1, 2).replace('old 1', 'old 0'), null, trust, /length of the consistency proof/],
  ] as const)('%i: %s', (status, _what, body, seen, log, message) => {
    const answer = answerTo(body, seen, log as typeof trust | null);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatch(message);
    expect(Object.keys(answer)).toEqual(['status', 'body']);
  });

  const body = bodyOf(77, 200);
  it.each([
    ['nothing', ''],
    ['no old size', body.replace(/^.*\n/, '')],
    ['an old size with zeroes before it', body.replace('old 77', 'old 077')],
    ['an old size of another kind', body.replace('old 77', 'old -1')],
    ['a hash that is none', body.replace('old 77\n', 'old 77\nAAAA\n')],
    ['64 hashes', body.replace('old 77', `old 77${`\n${LEAVES[0]!.toString('base64')}`.repeat(64)}`)],
    ['no checkpoint', body.slice(0, body.indexOf('\n\n') + 2)],
    ['a checkpoint that is none', `old 0\n\ntext\n\n${body.slice(body.indexOf('—'))}`],
    ['too many bytes', body + 'a'.repeat(1_000_000)],
    ['bytes that are no UTF-8', Buffer.from([0xff])],
  ])('where the request has %s', (_what, bad) => {
    expect(() => parseAddCheckpoint(bad)).toThrow(Malformed);
  });

  it('whatever comes', () => {
    const parts = fc.constantFrom('old 0\n', 'old 77\n', '\n', '\n\n', checkpointOf(headOf(5)), body, `${LEAVES[0]}\n`);
    fc.assert(
      fc.property(fc.array(fc.oneof(parts, fc.string()), { maxLength: 6 }), (all) => {
        const text = all.join('');
        try {
          expect(writeAddCheckpoint(parseAddCheckpoint(text))).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a log takes the answer of a witness', () => {
  const checkpoint = checkpointOf(headOf(5));
  const { body } = answerTo(bodyOf(0, 5), null) as Witnessed & { status: 200 };

  it('and ignores cosignatures of others in it', () => {
    const stranger = readCosigner(writeSecretKey('stranger', WITNESS_KEY, Buffer.alloc(32, 9)), 1);
    const line = addSignatures(checkpoint, [stranger]).split('\n').at(-2)!;
    expect(addCosignatures(checkpoint, `${line}\n${body}`, witnesses)).toBe(
      addCosignatures(checkpoint, body, witnesses),
    );
  });

  it('in place of an older one of the same witness', () => {
    const older = addSignatures(checkpoint, [readCosigner(WITNESS, 1)]);
    expect(addCosignatures(older, body, witnesses)).toBe(addCosignatures(checkpoint, body, witnesses));
  });

  it.each([
    ['of another checkpoint', (answerTo(bodyOf(0, 6), null) as Witnessed & { status: 200 }).body, Mismatch],
    ['of nobody', '', Malformed],
    ['of a stranger', checkpoint.slice(checkpoint.indexOf('—')), Mismatch],
    ['that is another text', `x\n\n${body}`, Mismatch],
    ['that is no signature', 'thanks\n', Malformed],
    ['without an end', 'a'.repeat(1_000_000), Malformed],
  ])('but none %s', (_what, answer, fault) => {
    expect(() => addCosignatures(checkpoint, answer, witnesses)).toThrow(fault);
  });
});

it('the root of the empty tree is that of the hash of nothing', () => {
  expect(headOf(0).root).toEqual(EMPTY_ROOT);
});
