import { Malformed, Mismatch } from './fault.js';
import { hashChildren, rootOfPeaks, type Hash } from './hashes.js';
import { verifyConsistency, type Proof, type TreeHead } from './proof.js';

/**
 * The root of a tree that grows leaf by leaf, for somebody who needs no tiles: it costs a hash a leaf, and some dozens of
 * hashes of memory. `append` copies the incomplete tiles each time, so a million entries that come one by one are
 * counted with this.
 */
export class Growth {
  /** The roots of its complete subtrees, one for each bit of the size, the largest first. */
  private readonly peaks: Hash[];

  /** Begins with a tree of a size, of which these are the peaks. Throws Malformed. */
  constructor(
    public size = 0,
    peaks: readonly Hash[] = [],
  ) {
    const due = [...size.toString(2)].filter((bit) => bit === '1').length;
    if (peaks.length !== due)
      throw new Malformed(`A tree of ${size} leaves has ${due} complete subtrees; ${peaks.length} are given.`);
    this.peaks = [...peaks];
  }

  add(leafHash: Hash): void {
    let peak = leafHash;
    // Each trailing one of the size is a subtree as large as this one.
    for (let bits = this.size; bits % 2 === 1; bits = (bits - 1) / 2) peak = hashChildren(this.peaks.pop()!, peak);
    this.peaks.push(peak);
    this.size++;
  }

  root(): Hash {
    return rootOfPeaks(this.peaks);
  }
}

/** A proof that some entries in a row are in a log, whose leaves are at hand. */
export interface RangeProof {
  /** The peaks of the tree that ends before the first one. */
  readonly before: readonly Hash[];
  /** That the tree which ends with the last one is the beginning of the whole log (RFC 9162 §2.1.4.1). */
  readonly after: Proof;
}

/**
 * Says what differs; null = the tree that has grown up to here is the beginning of the other one, which was signed. What
 * was signed, and what follows from the proof, is what is expected of the leaves.
 */
export const verifyRange = (grown: Growth, head: TreeHead, { after }: Pick<RangeProof, 'after'>): Mismatch | null => {
  const { size } = grown;
  const fault = verifyConsistency({ size, root: grown.root() }, head, after);
  const { what, expected, computed } = fault ?? {};
  return fault && what === `root of the tree of ${size} leaves` ? new Mismatch(what, computed!, expected!) : fault;
};
