import { hash } from 'node:crypto';
import { AUDIT_EVENT_TYPES, EXPORT_KINDS, type AuditEntry, type ExportPlan, type Purge } from '#contracts';
import { HASH_BYTES, hashLeafText, sha256, type Hash } from '#tlog';

/** An export of the audit log is a folder with these files, the last of which is written last. */
export const ENTRIES_FILE = 'entries.jsonl';
export const CSV_FILE = 'entries.csv';
export const HASHES_FILE = 'leaf-hashes';
export const CHECKPOINT_FILE = 'checkpoint';
export const KEY_FILE = 'verifier-key';
export const HEAD_FILE = 'export.json';

/** The files that the head names: no other is opened, whatever somebody wrote there. */
const NAMED_FILES: ReadonlySet<string> = new Set([ENTRIES_FILE, CSV_FILE, HASHES_FILE, CHECKPOINT_FILE, KEY_FILE]);

export const EXPORT_FORMAT = 'muster-audit-export/1';

/** export.json: what the folder has, and the files as they were written. */
export interface ExportHead extends Omit<ExportPlan, 'checkpoint' | 'verifierKey'> {
  readonly format: typeof EXPORT_FORMAT;
  readonly exportedAt: string;
  /** Lines of entries.jsonl. */
  readonly entries: number;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

/** The members of a leaf that are looked at; the others are hashed with them. */
export type ExportedLeaf = Pick<
  AuditEntry,
  'tenant' | 'owner' | 'sequence' | 'stream' | 'version' | 'type' | 'recordedAt' | 'payload'
>;

/** A line of entries.jsonl. */
export interface ExportLine {
  readonly number: number;
  readonly leaf: ExportedLeaf;
  readonly leafHash: Hash;
  /** The hash of what the entry says, in base64; null = it was purged; undefined = the export has the leaf alone. */
  readonly payloadHash: string | null | undefined;
  /** Its inclusion proof; null = it has none. */
  readonly proof: readonly Hash[] | null;
  /** The readable values: `none` = there are none, or they were left out, `erased` = the person was erased. */
  readonly values: 'none' | 'shown' | 'erased';
}

/** An entry that announces what is purged: it explains what is missing. */
export interface AnnouncedPurge extends Purge {
  readonly line: ExportLine;
}

/** Reads the line that export.json has of it. Throws NoLine. */
export const readPurge = (text: string): AnnouncedPurge => {
  const line = readLine(text);
  const { payload } = JSON.parse(text) as { readonly payload: { readonly data: string } | null };
  const { before, keepDays } = parsed(payload?.data ?? '{}', 'data') as Partial<Purge>;
  if (line.leaf.owner !== 'audit' || line.leaf.type !== AUDIT_EVENT_TYPES.PurgeAnnounced)
    throw new NoLine('it is no announcement of a purge');
  if (!Number.isSafeInteger(before) || !Number.isSafeInteger(keepDays))
    throw new NoLine('it does not say what is purged');
  return { line, before: before!, keepDays: keepDays! };
};

/** A line that no export has. The message ends a sentence. */
export class NoLine extends Error {}

const STRING = String.raw`"(?:[^"\\]|\\.)*"`;
const PLAIN = String.raw`"([^"\\]*)"`;
/** The beginning of a line. Its members stand in the order in which they were hashed, and each stands once. */
const BEGINNING = new RegExp(
  [
    String.raw`\{"number":(0|[1-9]\d{0,15}),"leaf":(\{"tenant":${PLAIN},"owner":${PLAIN},"sequence":(\d{1,16}),"stream":${PLAIN}`,
    String.raw`"version":(\d{1,10}),"type":${PLAIN},"recordedAt":${PLAIN},"commandId":${STRING},"correlationId":${STRING}`,
    String.raw`"actor":${STRING},"directory":(?:null|${STRING}),"payload":${PLAIN}\})`,
  ].join(','),
  'y',
);
/** The groups of that expression. */
type Beginning = readonly [
  all: string,
  number: string,
  leafText: string,
  tenant: string,
  owner: string,
  sequence: string,
  stream: string,
  version: string,
  type: string,
  recordedAt: string,
  payload: string,
];

/** No expression looks at more of a line: somebody may have written one of many megabytes. */
const MAX_BEGINNING_CHARACTERS = 66_000;

const readBeginning = (line: string): Beginning => {
  BEGINNING.lastIndex = 0;
  const found = BEGINNING.exec(line.length > MAX_BEGINNING_CHARACTERS ? line.slice(0, MAX_BEGINNING_CHARACTERS) : line);
  if (!found) throw new NoLine('it does not begin with a number and a leaf');
  return found as unknown as Beginning;
};

/** The hash of the leaf in a line, of which nothing else is looked at. Throws NoLine. */
export const leafHashOf = (line: string): Hash => {
  const [, , leafText] = readBeginning(line);
  return hashLeafText(leafText);
};

/**
 * Reads a line, which has to be written in the one form in which exports are: then every program reads the same in it,
 * whatever it does with a member that stands twice. It is read piece by piece, because to write it again would take
 * longer than everything else. Quotes within texts are escaped, so these marks stand between members alone. Throws NoLine.
 */
export const readLine = (line: string): ExportLine => {
  const [all, number, leafText, tenant, owner, sequence, stream, version, type, recordedAt, payload] =
    readBeginning(line);
  const { payloadHash, isSealed, end } = readPayload(line, all.length);
  const { proof, at } = readProof(line, end);
  return {
    number: Number(number),
    leaf: { tenant, owner, sequence: Number(sequence), stream, version: Number(version), type, recordedAt, payload },
    leafHash: hashLeafText(leafText),
    payloadHash,
    proof,
    values: readValues(line, at, isSealed),
  };
};

const PAYLOAD = ',"payload":';
const DATA = '{"data":';
const PERSONAL = ',"personal":';
const HIDDEN = ',"hiddenHash":';

const readPayload = (
  line: string,
  from: number,
): { readonly payloadHash: string | null | undefined; readonly isSealed: boolean; readonly end: number } => {
  if (!line.startsWith(PAYLOAD, from)) return { payloadHash: undefined, isSealed: false, end: from };
  const begin = from + PAYLOAD.length;
  if (line.startsWith('null', begin)) return { payloadHash: null, isSealed: false, end: begin + 4 };
  const [dataFrom, dataTo] = [begin + DATA.length, line.indexOf(`"${PERSONAL}`, begin) + 1];
  const personalTo = line.indexOf(HIDDEN, dataTo);
  const end = line.indexOf('}', personalTo) + 1;
  if (!line.startsWith(DATA, begin) || dataTo < 1 || personalTo < 0 || end < 1)
    throw new NoLine('its payload has not the members data, personal and hiddenHash');
  const data = parsed(line.slice(dataFrom, dataTo), 'data');
  const personal = textOrNull(line.slice(dataTo + PERSONAL.length, personalTo));
  const hiddenHash = textOrNull(line.slice(personalTo + HIDDEN.length, end - 1));
  if (typeof data !== 'string') throw new NoLine('its data is no text');
  return { payloadHash: payloadHashOf(data, personal, hiddenHash), isSealed: personal !== null, end };
};

/** Base64, in which nothing is escaped. */
const textOrNull = (text: string): string | null => {
  if (text === 'null') return null;
  if (!text.startsWith('"') || text.indexOf('"', 1) !== text.length - 1 || text.includes('\\'))
    throw new NoLine('what is sealed in it is no base64');
  return text.slice(1, -1);
};

const PROOF = ',"proof":';
const readProof = (line: string, from: number): { readonly proof: readonly Hash[] | null; readonly at: number } => {
  if (!line.startsWith(PROOF, from)) return { proof: null, at: from };
  const to = line.indexOf(']', from) + 1;
  const hashes = to < 1 ? null : parsed(line.slice(from + PROOF.length, to), 'proof');
  if (!isTexts(hashes)) throw new NoLine('its proof is no list of hashes');
  return { proof: hashes.map((base64) => Buffer.from(base64, 'base64')), at: to };
};

const VALUES = ',"values":';
const readValues = (line: string, from: number, isSealed: boolean): ExportLine['values'] => {
  const end = line.length - 1;
  if (!line.endsWith('}')) throw new NoLine('it does not end: it was cut off');
  if (from === end) return 'none';
  if (!isSealed || !line.startsWith(VALUES, from)) throw new NoLine('it has members that no line of an export has');
  return parsed(line.slice(from + VALUES.length, end), 'values') === null ? 'erased' : 'shown';
};

const parsed = (json: string, what: string): unknown => {
  try {
    return JSON.parse(json);
  } catch {
    throw new NoLine(`its ${what} is no JSON`);
  }
};

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');

// Each call overwrites it: a new buffer for each payload costs as much as its hash.
const hashes = Buffer.alloc(3 * HASH_BYTES);

/** The hash of what an entry says, in base64, as its leaf has it. */
export const payloadHashOf = (data: string, personal: string | null, hiddenHash: string | null): string => {
  hashes.set(sha256(data), 0);
  hashes.set(personal === null ? NOTHING : sha256(personal), HASH_BYTES);
  const hidden = hiddenHash === null ? 0 : Buffer.from(hiddenHash, 'base64').copy(hashes, 2 * HASH_BYTES);
  return hash('sha256', hashes.subarray(0, 2 * HASH_BYTES + hidden), 'base64');
};
const NOTHING = sha256('');

/** Reads export.json. Throws an error that says what is wrong with it. */
export const readHead = (text: string): ExportHead => {
  let head: ExportHead;
  try {
    head = JSON.parse(text) as ExportHead;
  } catch {
    throw new Error(`${HEAD_FILE} is no JSON: it was cut off.`);
  }
  if (head?.format !== EXPORT_FORMAT)
    throw new Error(`${HEAD_FILE} is of another format than ${EXPORT_FORMAT}: another version of Muster wrote it.`);
  if (!isConsistent(head)) throw new Error(`${HEAD_FILE} contradicts itself: it was changed.`);
  return head;
};

/** Tells whether each member is one that Muster writes: statements about a person rest on them, and they are compared as texts. */
const isConsistent = (head: ExportHead): boolean => {
  const { kind, from, to, size, entries, person, since, until, exportedAt, before, after, purge } = head;
  const isOfPerson = kind === 'person' || kind === 'absence';
  return (
    EXPORT_KINDS.includes(kind) &&
    [from, to, size, entries].every(isCount) &&
    from <= to &&
    to <= size &&
    (kind !== 'log' || (from === 0 && to === size)) &&
    isId(head.tenant) &&
    (isOfPerson ? isId(person) : person === null) &&
    isMoment(exportedAt) &&
    [since, until].every((one) => one === null || isMoment(one)) &&
    (since === null || until === null || moment(since) < moment(until)) &&
    isTexts(before) &&
    isTexts(after) &&
    (purge === null || typeof purge === 'string') &&
    areFiles(head.files)
  );
};

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** In small letters alone, as in leaves. */
const isId = (value: unknown): boolean =>
  typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);

/** In UTC alone: a moment of another zone would be compared as if it were one of UTC. */
const isMoment = (value: unknown): boolean => {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/.test(value)) return false;
  const ms = Date.parse(value);
  // JavaScript takes the 30th of February for the 2nd of March.
  return !Number.isNaN(ms) && new Date(ms).toISOString().slice(0, 19) === value.slice(0, 19);
};

/** Moments to a microsecond, so that they compare as texts. */
export const moment = (iso: string): string =>
  iso.replace(/(?:\.(\d{1,6}))?Z$/, (_, digits: string | undefined) => `.${(digits ?? '').padEnd(6, '0')}Z`);

const areFiles = (files: unknown): boolean =>
  typeof files === 'object' &&
  files !== null &&
  !Array.isArray(files) &&
  Object.entries(files as Readonly<Record<string, Partial<ExportHead['files'][string]> | null>>).every(
    ([name, file]) => NAMED_FILES.has(name) && isCount(file?.bytes) && /^[0-9a-f]{64}$/.test(String(file?.sha256)),
  );
