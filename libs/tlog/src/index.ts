/**
 * Transparency logs: the Merkle tree of RFC 9162 and the formats of C2SP (tlog-tiles, tlog-checkpoint, signed-note,
 * tlog-cosignature, tlog-proof, tlog-witness), without anything that touches the world. What callers need:
 *
 * - A log appends: `hashLeaf` of each entry, `append` to a `Tree`, store its `fullTiles` and `tree.edge`, and
 *   `signCheckpoint` of `rootOf(tree)`. `planTree(size)` opens the tree again from what was stored.
 * - A log serves: `parseTilePath`, `tileWidth`, `writeEntryBundle`; and proofs by `planInclusions`, `planConsistency`. A
 *   plan names the tiles that it needs, and `carryOut` reads them in one go.
 * - Others who have the entries count them with `Growth`, from any place on.
 * - Others verify: `openCheckpoint`, `openTlogProof`, `verifyInclusion`, `verifyConsistency`. The functions that open
 *   throw `Mismatch`, and those that verify give it, or null.
 * - A witness cosigns (C2SP tlog-witness): the log sends `writeAddCheckpoint`, the witness answers what `witness` decides
 *   of `parseAddCheckpoint`, and the log keeps `addCosignatures`.
 *
 * A text that cannot be read is `Malformed`. Sizes and indexes go up to Number.MAX_SAFE_INTEGER.
 */
export {
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  writeCheckpoint,
  type Checkpoint,
  type OpenedCheckpoint,
  type Trust,
} from './checkpoint.js';
export { Malformed, Mismatch } from './fault.js';
export { Growth, verifyRange, type RangeProof } from './growth.js';
export {
  EMPTY_ROOT,
  HASH_BYTES,
  hashAt,
  hashChildren,
  hashLeaf,
  hashLeafText,
  MAX_ENTRY_BYTES,
  sha256,
  type Hash,
} from './hashes.js';
export {
  LOG_KEY,
  readCosigner,
  readSigner,
  readVerifier,
  SEED_BYTES,
  verifierKeyOf,
  WITNESS_KEY,
  writeSecretKey,
  type KeyName,
  type KeyType,
  type Signed,
  type Signer,
  type Verifier,
} from './keys.js';
export {
  addSignatures,
  MAX_NOTE_BYTES,
  openNote,
  parseNote,
  signNote,
  writeNote,
  type Note,
  type NoteSignature,
  type OpenedNote,
} from './note.js';
export { carryOut, type Plan, type TileReader } from './plan.js';
export {
  planConsistency,
  planInclusion,
  planInclusions,
  planRoot,
  verifyConsistency,
  verifyInclusion,
  type Included,
  base64,
  type Proof,
  type TreeHead,
} from './proof.js';
export {
  parseTilePath,
  partialTiles,
  readEntryBundle,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  writeEntryBundle,
  type Tile,
} from './tiles.js';
export { MAX_TLOG_PROOF_BYTES, openTlogProof, parseTlogProof, writeTlogProof, type TlogProof } from './tlog-proof.js';
export {
  addCosignatures,
  MAX_ADD_CHECKPOINT_BYTES,
  parseAddCheckpoint,
  witness,
  writeAddCheckpoint,
  type AddCheckpoint,
  type Witnessed,
} from './witness.js';
export { append, EMPTY_TREE, planTree, rootOf, type FullTile, type Grown, type Tree } from './tree.js';
