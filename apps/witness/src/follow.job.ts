import {
  carryOut,
  Malformed,
  Mismatch,
  openCheckpoint,
  planConsistency,
  readVerifier,
  witness,
  type Checkpoint,
  type Proof,
  type TreeHead,
  type Trust,
  type Verifier,
} from '#tlog';
import type { Memory } from './memory.sender.js';
import { Away, type ServedLog } from './served-log.sender.js';

/** A log, and the key that it is believed by. */
export interface Followed {
  readonly log: ServedLog;
  /** Its name is the origin of the log. */
  readonly key: Verifier;
}

export interface Outcome {
  /** `refused`: the log has contradicted itself, or is not the one that it was. `away`: it could not be read. */
  readonly kind: 'cosigned' | 'refused' | 'away';
  readonly origin: string;
  /** In one sentence. */
  readonly text: string;
  readonly size: number | null;
}

/**
 * Cosigns the newest checkpoint of a log if it begins with the one that was cosigned last (C2SP tlog-witness, which is
 * asked by logs; this one asks them). Whatever else the log says, the memory stays as it was.
 */
export const follow = async ({ log, key }: Followed, memory: Memory, nowMs: number): Promise<Outcome> => {
  const origin = key.name;
  const trust: Trust = { origin, logKeys: [key] };
  let note: string | null = null;
  const last = await memory.last(origin);
  const refuse = async (why: string, size: number | null): Promise<Outcome> => {
    const kept = note === null ? '' : ` Both are kept in ${await memory.keepRefused(origin, why, last, note)}.`;
    return { kind: 'refused', origin, size, text: `REFUSED: ${why}${kept}` };
  };
  try {
    const seen = last === null ? null : headOf(last, trust, readVerifier(memory.verifierKey));
    note = await log.checkpoint();
    const { checkpoint } = openCheckpoint(note, trust);
    const { size } = checkpoint;
    if (seen && size < seen.size)
      return await refuse(
        `the log ${origin} was rolled back: it shows ${size} entries, and ${seen.size} were cosigned.`,
        size,
      );
    const result = witness(
      { oldSize: seen?.size ?? 0, hashes: await proofOf(log, seen, checkpoint), checkpoint: note },
      trust,
      seen,
      memory.cosigner(Math.floor(nowMs / 1_000)),
    );
    if (result.status !== 200)
      return await refuse(
        `the log ${origin} was forked, or its tiles are damaged: its ${size} entries do not begin with the ${seen?.size ?? 0} that were cosigned. ${result.body.trim()}`,
        size,
      );
    await memory.keep(origin, result.checkpoint);
    const root = checkpoint.root.toString('base64');
    return { kind: 'cosigned', origin, size, text: `cosigned ${origin}: ${size} entries, root ${root}` };
  } catch (error) {
    if (error instanceof Away) return { kind: 'away', origin, size: null, text: error.message };
    if (error instanceof Mismatch || error instanceof Malformed)
      return refuse(`what is shown as the log ${origin} cannot be believed. ${error.message}`, null);
    throw error;
  }
};

/** Computed of the tiles, which every log of this kind serves. */
const proofOf = (log: ServedLog, seen: TreeHead | null, { size }: Checkpoint): Promise<Proof> | Proof =>
  seen ? carryOut(planConsistency(seen.size, size), (tiles) => log.tiles(tiles)) : [];

/** The checkpoint that this witness has cosigned itself. Throws Mismatch: somebody else wrote the file. */
const headOf = (last: string, trust: Trust, own: Verifier): TreeHead =>
  openCheckpoint(last, { ...trust, witnesses: [own], quorum: 1 }).checkpoint;
