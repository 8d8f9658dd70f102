import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runGo } from './go-tools.js';

/** A log that is served as C2SP tlog-tiles. */
export interface ServedLog {
  /** `/checkpoint` and `/tile/…` follow. */
  readonly url: string;
  /** `<name>+<key id>+<base64>` */
  readonly verifierKey: string;
  /** If it is not the name of the key. */
  readonly origin?: string;
  readonly bearerToken?: string;
}

/** It prints both tiles where one differs, in 32,768 digits. */
const LONG_HEX = /([0-9a-f]{64})[0-9a-f]{64,}/g;

/** The judgement of Tessera's fsck. `accepted` = the tree that it has computed of the entries; null = it found a fault. */
export interface Judgement {
  readonly accepted: { readonly size: number; readonly root: string } | null;
  readonly output: string;
}

/**
 * More than one, because a worker ends at its first fault: with none left fsck would wait for ever (up to 1.0.4, see
 * resourceCheckWorker there).
 */
const WORKERS = 8;

/**
 * Tessera's fsck reads a whole log: it verifies the checkpoint, computes the tree of all entries, and compares every tile
 * and the root. Without its terminal interface version 1.0.4 exits with 0 even if it has found a fault, so what it says
 * counts: its last word on a good log is the size and the root. Call whatGoMisses first.
 */
export const fsck = async ({ url, verifierKey, origin, bearerToken }: ServedLog): Promise<Judgement> => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-fsck-'));
  try {
    const keyFile = join(folder, 'verifier-key');
    await writeFile(keyFile, verifierKey);
    const { exitCode, stderr } = await runGo('fsck', [
      `--storage_url=${url}`,
      `--public_key=${keyFile}`,
      '--ui=false',
      `-N=${WORKERS}`,
      ...(origin === undefined ? [] : [`--origin=${origin}`]),
      ...(bearerToken === undefined ? [] : [`--bearer_token=${bearerToken}`]),
    ]);
    const success = /Successfully fsck'd log with size (\d+) and root (\S+) /.exec(stderr);
    const isAccepted = exitCode === 0 && success !== null && !stderr.includes('fsck failed');
    return {
      accepted: isAccepted ? { size: Number(success[1]), root: success[2]! } : null,
      output: `exit code ${exitCode}\n${stderr.replace(LONG_HEX, '$1…')}`,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
