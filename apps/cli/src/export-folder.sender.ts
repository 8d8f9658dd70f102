import { createHash, type Hash as Digest } from 'node:crypto';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { ExportPlan } from '#contracts';
import { Growth, openCheckpoint, parseCheckpoint, parseNote, readVerifier, verifyRange } from '#tlog';
import { call, callForStream } from './admin-api.sender.js';
import {
  CHECKPOINT_FILE,
  CSV_FILE,
  ENTRIES_FILE,
  EXPORT_FORMAT,
  HASHES_FILE,
  HEAD_FILE,
  KEY_FILE,
  leafHashOf,
  type ExportHead,
} from './audit-export.js';

const NEWLINE = 0x0a;

export interface ExportOptions {
  /** The query of /export/plan. */
  readonly asked: Readonly<Record<string, string>>;
  readonly withCsv: boolean;
  /** With the readable values of what is sealed. */
  readonly withValues: boolean;
  /** So many entries of so many are in a file: first none. Null = nobody knows how many there are. */
  readonly onProgress: (file: string, entries: number, all: number | null) => void;
}

/**
 * Writes an export into a new folder, whose head comes last: without it everybody sees that it was cut off. Nothing is
 * held in memory but a piece of it. Throws an error that says what is wrong when what comes does not give the tree that
 * was signed.
 */
export const writeExport = async (folder: string, options: ExportOptions): Promise<ExportHead> => {
  if (!(await isNew(folder))) throw new Error(`${folder} is not empty: name a new folder.`);
  // An export that is refused leaves no folder behind.
  const plan = await call<ExportPlan>('GET', `audit/export/plan?${new URLSearchParams(options.asked)}`);
  await mkdir(folder, { recursive: true });
  const { checkpoint, verifierKey, ...what } = plan;
  const files: Record<string, { bytes: number; sha256: string }> = {};
  const growth = new Growth(
    plan.from,
    plan.before.map((base64) => Buffer.from(base64, 'base64')),
  );
  const isRow = plan.kind !== 'person';
  const stream = await openStream(plan, 'jsonl', options.withValues);
  let entries = 0;
  const onProgress = (): void => options.onProgress(ENTRIES_FILE, entries, isRow ? plan.to - plan.from : null);
  onProgress();
  const written = new WrittenFile(folder, ENTRIES_FILE);
  const hashes = isRow ? new WrittenFile(folder, HASHES_FILE) : null;
  await eachLine(stream, async (piece, lines) => {
    await written.write(piece);
    const leafHashes = lines.map(leafHashOf);
    if (hashes) {
      for (const leafHash of leafHashes) growth.add(leafHash);
      await hashes.write(Buffer.concat(leafHashes));
    }
    entries += lines.length;
    onProgress();
  });
  for (const file of hashes ? [written, hashes] : [written]) files[file.name] = await file.end();
  if (options.withCsv) files[CSV_FILE] = await writeTable(folder, plan, entries, options);
  for (const [name, text] of [
    [CHECKPOINT_FILE, checkpoint],
    [KEY_FILE, `${verifierKey}\n`],
  ] as const) {
    const file = new WrittenFile(folder, name);
    await file.write(Buffer.from(text));
    files[name] = await file.end();
  }
  const head: ExportHead = { format: EXPORT_FORMAT, exportedAt: new Date().toISOString(), ...what, entries, files };
  checkGrowth(plan, isRow ? growth : null);
  await writeFile(join(folder, `${HEAD_FILE}.part`), `${JSON.stringify(head, null, 2)}\n`);
  await rename(join(folder, `${HEAD_FILE}.part`), join(folder, HEAD_FILE));
  return head;
};

/** A folder that is empty, or is not there. */
const isNew = async (folder: string): Promise<boolean> => {
  try {
    return (await readdir(folder)).length === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
};

const writeTable = async (
  folder: string,
  plan: ExportPlan,
  entries: number,
  { withValues, onProgress }: ExportOptions,
): Promise<{ readonly bytes: number; readonly sha256: string }> => {
  const stream = await openStream(plan, 'csv', withValues);
  onProgress(CSV_FILE, 0, entries);
  const table = new WrittenFile(folder, CSV_FILE);
  // Its first line has the names of the columns.
  let rows = -1;
  for await (const piece of stream) {
    await table.write(piece);
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, at + 1)) rows++;
    if (rows > 0) onProgress(CSV_FILE, rows, entries);
  }
  return table.end();
};

/** Throws an error: the log is not the one that was signed, or not all of it came. */
const checkGrowth = ({ checkpoint, verifierKey, to, after }: ExportPlan, growth: Growth | null): void => {
  const { origin } = parseCheckpoint(parseNote(checkpoint).text);
  const signed = openCheckpoint(checkpoint, { origin, logKeys: [readVerifier(verifierKey)] }).checkpoint;
  if (!growth) return;
  if (growth.size !== to)
    throw new Error(`The export was cut off: ${growth.size} of ${to} entries came. Export again.`);
  const fault = verifyRange(growth, signed, { after: after.map((base64) => Buffer.from(base64, 'base64')) });
  if (fault)
    throw new Error(
      `The entries do not give the tree whose checkpoint was signed: ${fault.message} npm run verify on the server names the entry.`,
    );
};

const openStream = (
  { tenant, kind, person, from, to, size }: ExportPlan,
  format: string,
  withValues: boolean,
): Promise<AsyncIterable<Buffer>> => {
  const of = person === null ? {} : { person, ...(kind === 'absence' ? { absence: 'true' } : {}) };
  const query = {
    tenant,
    ...of,
    from: String(from),
    to: String(to),
    size: String(size),
    format,
    values: String(withValues),
  };
  return callForStream(`audit/export?${new URLSearchParams(query)}`);
};

/** Hands on the pieces of a stream that end with a line, and these lines without their newlines. Throws if the last has none. */
const eachLine = async (
  stream: AsyncIterable<Buffer>,
  onPiece: (piece: Buffer, lines: readonly string[]) => Promise<void>,
): Promise<void> => {
  let rest: Buffer[] = [];
  for await (const chunk of stream) {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    rest.push(end > 0 ? chunk.subarray(0, end) : chunk);
    if (end === 0) continue;
    const piece = rest.length === 1 ? rest[0]! : Buffer.concat(rest);
    await onPiece(piece, piece.toString('utf8', 0, piece.length - 1).split('\n'));
    rest = end < chunk.length ? [chunk.subarray(end)] : [];
  }
  if (rest.length > 0) throw new Error('The export was cut off within a line: export again.');
};

/** A file that is written piece by piece, with its length and SHA-256. */
class WrittenFile {
  private readonly stream: WriteStream;
  private readonly sha256: Digest = createHash('sha256');
  private bytes = 0;

  constructor(
    folder: string,
    readonly name: string,
  ) {
    // A folder that has such a file is not ours.
    this.stream = createWriteStream(join(folder, name), { flags: 'wx', mode: 0o600 });
  }

  /** Resolves when there is room for more. */
  async write(piece: Uint8Array): Promise<void> {
    this.sha256.update(piece);
    this.bytes += piece.length;
    await new Promise<void>((resolve, reject) =>
      this.stream.write(piece, (error) => (error ? reject(error) : resolve())),
    );
  }

  async end(): Promise<{ bytes: number; sha256: string }> {
    this.stream.end();
    await finished(this.stream);
    return { bytes: this.bytes, sha256: this.sha256.digest('hex') };
  }
}
