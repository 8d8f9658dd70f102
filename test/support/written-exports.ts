import { createHash, randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, vi } from 'vitest';
import { leafTextOf, type AuditEntry, type ExportKind, type Owner } from '#contracts';
import {
  append,
  carryOut,
  EMPTY_TREE,
  hashLeafText,
  LOG_KEY,
  planConsistency,
  planInclusion,
  planTree,
  readSigner,
  rootOf,
  signCheckpoint,
  verifierKeyOf,
  writeSecretKey,
  type Hash,
  type Tile,
} from '#tlog';
import { EXPORT_FORMAT, payloadHashOf, type ExportHead } from '../../apps/cli/src/audit-export.js';
import { newProgram } from '../../apps/cli/src/commands.js';
import { run } from '../../apps/cli/src/commands/command.js';

/** Exports of one log that are written here, without a server, and verified as administrators do. */

export const TENANT = '01980000-0000-7000-8000-00000000000a';
export const ADA = '01980000-0000-7000-8000-0000000000ad';
const ORIGIN = `muster.example.org/audit/${TENANT}`;
export const SIZE = 40;
export const secretKey = writeSecretKey(ORIGIN, LOG_KEY, randomBytes(32));
export const otherKey = writeSecretKey(ORIGIN, LOG_KEY, randomBytes(32));
const folder = mkdtempSync(join(tmpdir(), 'muster-audit-verify-'));
/** A path in the folder of these exports. */
export const at = (...path: string[]): string => join(folder, ...path);

interface Entry {
  readonly leaf: AuditEntry;
  readonly data: string;
  readonly personal: string | null;
  readonly hiddenHash: string | null;
}

const OWNER_OF_PLACE = { 0: 'identity', 1: 'group', 2: 'identity', 3: 'another' } as Readonly<Record<number, Owner>>;

/** Persons, groups and what another owner has, in turn: Ada is told of by every eighth entry. */
const entryOf = (number: number): Entry => {
  const owner = OWNER_OF_PLACE[number % 4]!;
  const sequence = owner === 'identity' ? number / 2 + 1 : Math.floor(number / 4) + 1;
  const data = JSON.stringify({ type: 'Something', note: `“${number}” of \\ us` });
  const personal = owner === 'identity' ? Buffer.from(`sealed ${number}`).toString('base64') : null;
  const hiddenHash = owner === 'another' ? createHash('sha256').update(`${number}`).digest('base64') : null;
  const leaf: AuditEntry = {
    tenant: TENANT,
    owner,
    sequence,
    stream: number % 8 === 0 ? ADA : `01980000-0000-7000-8000-0000000000${10 + number}`,
    version: number % 8 === 0 ? number / 8 + 1 : 1,
    type: 'muster.something.v1',
    recordedAt: `2026-01-02T03:04:${10 + number}.000000Z`,
    commandId: `01980000-0000-7000-8000-0000000001${10 + number}`,
    correlationId: `c "${number}" ä`,
    actor: 'token:x',
    directory: number % 3 === 0 ? null : TENANT,
    payload: payloadHashOf(data, personal, hiddenHash),
  };
  return { leaf, data, personal, hiddenHash };
};

const ENTRIES = Array.from({ length: SIZE }, (_, number) => entryOf(number));
const HASHES = ENTRIES.map(({ leaf }) => hashLeafText(leafTextOf(leaf)));
const readTiles = (tiles: readonly Tile[]): Promise<readonly Uint8Array[]> =>
  Promise.resolve(
    tiles.map(({ index, width }) => Buffer.concat(HASHES).subarray(index * 8_192, index * 8_192 + width * 32)),
  );
export const rootAt = (size: number): Hash => rootOf(append(EMPTY_TREE, HASHES.slice(0, size)).tree);
export const noteOf = (size: number, key = secretKey, root = rootAt(size)): string =>
  signCheckpoint({ origin: ORIGIN, size, root, extensions: [] }, [readSigner(key)]);
const base64 = (hashes: readonly Hash[]): string[] => hashes.map((hash) => hash.toString('base64'));

const lineOf = (number: number, proof: readonly Hash[] | null, isTold = true): string => {
  const { leaf, data, personal, hiddenHash } = ENTRIES[number]!;
  const payload = isTold ? `,"payload":${JSON.stringify({ data, personal, hiddenHash })}` : '';
  const values = isTold && personal !== null ? ',"values":{"title":"Lady"}' : '';
  return `{"number":${number},"leaf":${leafTextOf(leaf)}${payload}${proof ? `,"proof":${JSON.stringify(base64(proof))}` : ''}${values}}\n`;
};

/** Writes an export of the log of SIZE entries. */
const writeFolder = async (name: string, kind: ExportKind, from: number, to: number): Promise<void> => {
  mkdirSync(at(name));
  const numbers = Array.from({ length: to - from }, (_, n) => from + n);
  const isAbout = (number: number): boolean => ENTRIES[number]!.leaf.stream === ADA;
  const lines: string[] = [];
  for (const number of kind === 'person' ? numbers.filter(isAbout) : numbers) {
    const proof = kind === 'person' ? await carryOut(planInclusion(number, SIZE), readTiles) : null;
    lines.push(lineOf(number, proof, kind !== 'absence' || isAbout(number)));
  }
  const files: Readonly<Record<string, string | Buffer>> = {
    'entries.jsonl': lines.join(''),
    ...(kind === 'person' ? {} : { 'leaf-hashes': Buffer.concat(HASHES.slice(from, to)) }),
    ...(kind === 'log' ? { 'entries.csv': 'number\r\n' } : {}),
    checkpoint: noteOf(SIZE),
    'verifier-key': `${verifierKeyOf(secretKey)}\n`,
  };
  const digests = Object.entries(files).map(([file, content]) => {
    writeFileSync(at(name, file), content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    return [file, { bytes: Buffer.byteLength(content), sha256 }] as const;
  });
  const head: ExportHead = {
    format: EXPORT_FORMAT,
    exportedAt: '2026-02-01T00:00:00.000Z',
    kind,
    tenant: TENANT,
    person: kind === 'log' || kind === 'range' ? null : ADA,
    since: kind === 'absence' ? '2026-01-02T03:04:30Z' : null,
    until: kind === 'absence' ? '2026-01-02T03:04:40Z' : null,
    from,
    to,
    size: SIZE,
    entries: lines.length,
    before: base64((await carryOut(planTree(from), readTiles)).peaks),
    after: base64(await carryOut(planConsistency(to, SIZE), readTiles)),
    purge: null,
    files: Object.fromEntries(digests),
  };
  writeFileSync(at(name, 'export.json'), JSON.stringify(head));
};

let printed: string[] = [];
/** Runs the command in this process, as `npm run cli` does. */
export const verify = async (
  name: string,
  ...args: string[]
): Promise<{ readonly code: number; readonly out: string }> => {
  printed = [];
  process.exitCode = 0;
  const argv = ['node', 'cli', 'audit', 'verify', at(name), '--key', at('log.key'), ...args];
  vi.spyOn(process, 'argv', 'get').mockReturnValue(argv);
  await run(newProgram().configureOutput({ writeErr: (text) => printed.push(text) }));
  const code = Number(process.exitCode);
  process.exitCode = undefined;
  return { code, out: printed.join('\n') };
};

/** Writes the exports `log`, `range`, `person` and `absence` for the tests of a file, and takes what it prints. */
export const useWrittenExports = (): void => {
  beforeAll(async () => {
    writeFileSync(at('log.key'), `${verifierKeyOf(secretKey)}\n`);
    await writeFolder('log', 'log', 0, SIZE);
    await writeFolder('range', 'range', 6, 31);
    await writeFolder('person', 'person', 0, SIZE);
    await writeFolder('absence', 'absence', 18, 33);
    for (const write of ['log', 'error'] as const)
      vi.spyOn(console, write).mockImplementation((text: string) => void printed.push(text));
  });
  afterEach(() => {
    process.exitCode = undefined;
  });
  afterAll(() => {
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true, force: true });
  });
};

let copies = 0;
/** Copies an export, changes a file of it, and verifies it. */
export const changed = async (
  from: string,
  file: string,
  change: (content: Buffer) => string | Buffer | null,
  ...args: string[]
): Promise<{ readonly code: number; readonly out: string }> => {
  const name = `changed-${copies++}`;
  cpSync(at(from), at(name), { recursive: true });
  const content = change(readFileSync(at(from, file)));
  if (content === null) rmSync(at(name, file));
  else writeFileSync(at(name, file), content);
  return verify(name, ...args);
};

/** Gives members of export.json other values. */
export const head =
  (change: Readonly<Record<string, unknown>>) =>
  (content: Buffer): string =>
    JSON.stringify({ ...(JSON.parse(content.toString()) as object), ...change });
