import { Growth, verifyInclusion, verifyRange, type Hash } from '#tlog';
import {
  HEAD_FILE,
  moment,
  NoLine,
  readLine,
  readPurge,
  type AnnouncedPurge,
  type ExportHead,
  type ExportLine,
} from './audit-export.js';

/** Something that is not as it should be, in one sentence. */
export interface Finding {
  /** The number of the entry; null = it is not about one. */
  readonly entry: number | null;
  readonly what: string;
}

/** A tree that somebody signed, which the entries have to give when they are as many. */
export interface SignedHead {
  /** Names it in a sentence: `the checkpoint of the export`. */
  readonly what: string;
  readonly size: number;
  readonly root: Hash;
}

/** The hashes of the leaves of an export, which lead to the root that was signed. */
export interface RightHashes {
  /** By the number of the entry; null = there is none. */
  readonly of: (number: number) => Hash | null;
  /** The roots that they give at the sizes of other signed trees; undefined = they give none of this size. */
  readonly rootAt: (size: number) => Hash | undefined;
}

/** The result of a verification. */
export interface Verified {
  /** The first of them; there may be more. */
  readonly findings: readonly Finding[];
  readonly findingCount: number;
  readonly entries: number;
  /** Payloads that have the hash in their leaf, those that were purged, and leaves that were exported alone. */
  readonly payloads: number;
  readonly purged: number;
  readonly leavesAlone: number;
  /** The announcement that explains what was purged; null = there is none. */
  readonly purge: { readonly number: number; readonly keepDays: number } | null;
  /** Entries with readable values, and those whose person was erased. */
  readonly readable: number;
  readonly erased: number;
  /** Signed trees that the entries give. */
  readonly reached: readonly SignedHead[];
  /** The statement that is proved about a person; null = nothing of the kind was asked. */
  readonly absence: Absence | null;
}

/** Nothing else happened to a person between two moments. */
export interface Absence {
  /** The numbers of the entries about the person in this time. */
  readonly numbers: readonly number[];
  /** The last moment that is enclosed; null = the end of the log. */
  readonly provedUntil: string | null;
  /** Entries of persons that enclose the time; null = the log begins, or ends, there. */
  readonly before: EdgeEntry | null;
  readonly behind: EdgeEntry | null;
  /** Entries where the clock of the store was behind the one before. */
  readonly clockSteps: number;
}
interface EdgeEntry {
  readonly number: number;
  readonly sequence: number;
  readonly recordedAt: string;
}

const MAX_FINDINGS = 20;
const DAY_MS = 86_400_000;
/** So far around its place a leaf is looked for that stands at another one. */
const NEIGHBOURS = 64;
/** The owner in whose streams everything stands that happened to persons. */
const OF_PERSONS = 'identity';

/**
 * Verifies the lines of an export, one by one, in constant memory. `right` = hashes that lead to the root that was signed:
 * each leaf has to have its own, and so they name the entry that is wrong. Null = there are none: then the tree is made
 * again of the leaves, and fits or not.
 */
export class Verification {
  private readonly findings: Finding[] = [];
  private findingCount = 0;
  private readonly growth: Growth;
  private readonly waiting: SignedHead[];
  private readonly reached: SignedHead[] = [];
  private readonly sequences = new Map<string, number>();
  private readonly seen = { lines: 0, payloads: 0, purged: 0, leavesAlone: 0, readable: 0, erased: 0 };
  /** The number that is due next. */
  private due: number;
  /** Entries are missing or out of place, so that no root can be computed. */
  private isBroken = false;
  /** So far are leaves from their places; 0 = they are where they should be. */
  private shift = 0;
  private readonly purge: AnnouncedPurge | null;
  private readonly absence = {
    numbers: [] as number[],
    clockSteps: 0,
    before: null as EdgeEntry | null,
    last: null as EdgeEntry | null,
  };

  constructor(
    private readonly head: ExportHead,
    private readonly signed: SignedHead,
    others: readonly SignedHead[],
    private readonly right: RightHashes | null,
  ) {
    this.due = head.from;
    this.growth = new Growth(
      head.kind === 'person' ? 0 : head.from,
      head.kind === 'person' ? [] : head.before.map(hashOf),
    );
    this.waiting = others.toSorted((a, b) => a.size - b.size);
    this.purge = head.purge === null ? null : this.purgeIn(head.purge);
    if (this.isRow && !right) this.reachHeads();
  }

  /** A line without its newline; null = its bytes are no UTF-8. */
  add(text: string | null): void {
    this.seen.lines++;
    let line: ExportLine;
    try {
      if (text === null) throw new NoLine('it is no UTF-8');
      line = readLine(text);
    } catch (error) {
      if (!(error instanceof NoLine)) throw error;
      this.report(null, `line ${this.seen.lines} is no line of an export: ${error.message}`);
      this.isBroken = true;
      return;
    }
    const { number, leaf, leafHash, payloadHash } = line;
    if (leaf.tenant !== this.head.tenant) this.report(number, `it is of another tenant, ${leaf.tenant}`);
    this.countPayload(line);
    if (this.isRow) this.addToRow(line, leafHash);
    else this.proveAlone(line, leafHash);
    if (typeof payloadHash === 'string' && payloadHash !== leaf.payload)
      this.report(number, `what it says is not what was hashed: expected ${leaf.payload}, computed ${payloadHash}`);
  }

  end(): Verified {
    const { head, seen } = this;
    if (this.isRow) {
      if (this.due < head.to) {
        this.report(
          null,
          `${entries(this.due, head.to)} ${head.to - this.due === 1 ? 'is' : 'are'} missing at the end`,
        );
        this.isBroken = true;
      }
      if (!this.right && !this.isBroken) {
        const fault = verifyRange(this.growth, this.signed, { after: head.after.map(hashOf) });
        if (fault) this.report(null, `the entries do not give the tree that was signed: ${fault.message}`);
        else this.reached.unshift(this.signed);
      }
    }
    if (this.right) this.reachRightRoots(this.right);
    for (const other of this.isBroken ? [] : this.waiting) this.compareBeside(other);
    if ((this.right || !this.isRow) && this.findingCount === 0) this.reached.unshift(this.signed);
    if (seen.lines !== head.entries)
      this.report(null, `there are ${seen.lines} lines, and export.json says ${head.entries}`);
    return {
      findings: this.findings,
      findingCount: this.findingCount,
      entries: seen.lines,
      payloads: seen.payloads,
      purged: seen.purged,
      purge: this.purge && { number: this.purge.line.number, keepDays: this.purge.keepDays },
      leavesAlone: seen.leavesAlone,
      readable: seen.readable,
      erased: seen.erased,
      reached: this.reached,
      absence: head.kind === 'absence' ? this.absenceOf() : null,
    };
  }

  /** Tells of something beside the lines. */
  report(entry: number | null, what: string): void {
    this.findingCount++;
    if (this.findings.length < MAX_FINDINGS) this.findings.push({ entry, what });
  }

  private get isRow(): boolean {
    return this.head.kind !== 'person';
  }

  private countPayload({ number, leaf, payloadHash, values }: ExportLine): void {
    const { seen, head } = this;
    const isTold = head.kind !== 'absence' || leaf.stream === head.person;
    if (payloadHash === undefined) {
      seen.leavesAlone++;
      if (isTold) this.report(number, 'what it says is left out');
    } else if (payloadHash !== null) seen.payloads++;
    else if (this.isAnnounced(number, leaf)) seen.purged++;
    else this.report(number, 'what it says is missing, and no entry announces that it was purged');
    if (values !== 'none') seen[values === 'erased' ? 'erased' : 'readable']++;
    if (head.kind === 'person' && leaf.stream !== head.person) this.report(number, 'it is not about this person');
  }

  /** The announcement of what is purged, if it is in the tree and says what was hashed. */
  private purgeIn(text: string): AnnouncedPurge | null {
    const { size, root } = this.signed;
    try {
      const purge = readPurge(text);
      const { number, leaf, leafHash, payloadHash, proof } = purge.line;
      const fault = verifyInclusion({ leafHash, index: number, size, root }, proof ?? []);
      if (!fault && payloadHash === leaf.payload && leaf.tenant === this.head.tenant) return purge;
      this.report(number, `what ${HEAD_FILE} has of this announcement of a purge is not in the tree that was signed`);
    } catch (error) {
      if (!(error instanceof NoLine)) throw error;
      this.report(null, `the announcement of a purge in ${HEAD_FILE} is none: ${error.message}`);
    }
    return null;
  }

  /** It was announced that what an entry says goes, and it was as old as the announcement says. */
  private isAnnounced(number: number, { recordedAt }: ExportLine['leaf']): boolean {
    if (!this.purge || number >= this.purge.before) return false;
    return Date.parse(recordedAt) + this.purge.keepDays * DAY_MS <= Date.parse(this.purge.line.leaf.recordedAt);
  }

  /** An entry among its neighbours. */
  private addToRow(line: ExportLine, leafHash: Hash): void {
    const { number, leaf } = line;
    if (number < this.due || number >= this.head.to) {
      this.report(
        number,
        number < this.head.from || number >= this.head.to
          ? `it does not belong here: the export has ${this.head.from} to ${this.head.to}`
          : `it stands here once more, or too late: ${this.due} was due`,
      );
      this.isBroken = true;
      return;
    }
    if (number > this.due) {
      this.report(
        null,
        `${entries(this.due, number)} ${number - this.due === 1 ? 'is' : 'are'} missing: the next one is ${number}`,
      );
      this.isBroken = true;
    }
    const known = this.sequences.get(leaf.owner);
    const isDense =
      leaf.sequence === (known ?? leaf.sequence - 1) + 1 &&
      (known !== undefined || this.head.from > 0 || leaf.sequence === 1);
    if (!isDense && number === this.due && this.shift === 0)
      this.report(number, `its sequence of ${leaf.owner} is ${leaf.sequence}, and ${(known ?? 0) + 1} was due`);
    this.sequences.set(leaf.owner, leaf.sequence);
    this.due = number + 1;
    if (this.right) this.comparePlace(this.right, number, leafHash);
    else if (!this.isBroken) {
      this.growth.add(leafHash);
      this.reachHeads();
    }
    if (this.head.kind === 'absence') this.addToAbsence(line);
  }

  /** Says where a leaf belongs that is not the one of its number. */
  private comparePlace({ of }: RightHashes, number: number, leafHash: Hash): void {
    const expected = of(number)!;
    if (expected.equals(leafHash)) {
      this.shift = 0;
      return;
    }
    const due = expected.toString('base64');
    let shift = 0;
    for (let far = 1; far <= NEIGHBOURS && shift === 0; far++)
      shift = [far, -far].find((by) => of(number + by)?.equals(leafHash)) ?? 0;
    if (shift !== 0 && shift === this.shift) return;
    this.report(
      number,
      shift === 0
        ? `its leaf does not fit: expected ${due}, computed ${leafHash.toString('base64')}. It was changed, or put in`
        : `it is entry ${number + shift} of the log, with another number${shift === -1 || shift === 1 ? ': something was put in or left out before it, or it has changed places' : ''}`,
    );
    if (shift !== 0) this.shift = shift;
  }

  private reachHeads(): void {
    while (this.waiting[0] && this.waiting[0].size <= this.growth.size) {
      if (this.waiting[0].size < this.growth.size) return;
      const due = this.waiting.shift()!;
      const root = this.growth.root();
      if (root.equals(due.root)) this.reached.push(due);
      else this.reportFork(due, root);
    }
  }

  /** Checkpoints of sizes at which the hashes give a root, whatever is wrong with the entries. */
  private reachRightRoots({ rootAt }: RightHashes): void {
    for (const other of this.waiting.splice(0)) {
      const root = rootAt(other.size);
      if (!root) this.waiting.push(other);
      else if (root.equals(other.root)) this.reached.push(other);
      else this.reportFork(other, root);
    }
  }

  /** A checkpoint of a size at which these entries give no root. */
  private compareBeside(other: SignedHead): void {
    const { head, signed } = this;
    if (other.size === signed.size) {
      if (other.root.equals(signed.root)) this.reached.push(other);
      else this.reportFork(other, signed.root);
      return;
    }
    const here = this.isRow ? `those from ${head.from} to ${head.to} of ${head.size}` : 'those of one person';
    const advice =
      other.size > head.size
        ? 'Either the log was rolled back, or the checkpoint is the younger one: export again'
        : 'Export the whole log';
    this.report(
      null,
      `${other.what} is of ${other.size} entries, and this export has ${here}, so it cannot be compared. ${advice}`,
    );
  }

  private reportFork({ what, size, root }: SignedHead, here: Hash): void {
    this.report(
      null,
      `${what} is of another log: the root of its first ${size} entries is ${root.toString('base64')} there, and ${here.toString('base64')} here. The log was forked`,
    );
  }

  /** An entry with a proof of its own. */
  private proveAlone({ number, proof, leaf }: ExportLine, leafHash: Hash): void {
    if (number < this.due) this.report(number, 'it stands here once more, or too late');
    this.due = Math.max(this.due, number + 1);
    const known = this.sequences.get('version');
    if (leaf.version !== (known ?? leaf.version - 1) + 1 && known !== undefined)
      this.report(
        number,
        `version ${(known ?? 0) + 1} of the person was due, and it is ${leaf.version}: entries between are not here`,
      );
    this.sequences.set('version', leaf.version);
    if (!proof) {
      this.report(number, 'it has no proof');
      return;
    }
    const { size, root } = this.signed;
    const fault = verifyInclusion({ leafHash, index: number, size, root }, proof);
    if (fault) this.report(number, `its proof does not lead to the root that was signed. ${fault.message}`);
  }

  private addToAbsence({ number, leaf }: ExportLine): void {
    const { absence, head } = this;
    const at = moment(leaf.recordedAt);
    const isWithin =
      (head.since === null || at >= moment(head.since)) && (head.until === null || at < moment(head.until));
    if (leaf.stream === head.person && isWithin) absence.numbers.push(number);
    if (leaf.stream === head.person && leaf.owner !== OF_PERSONS)
      this.report(
        number,
        `it is about something else than a person, of ${leaf.owner}: what is proved here is about persons`,
      );
    if (leaf.owner !== OF_PERSONS) return;
    const { sequence, recordedAt } = leaf;
    absence.before ??= { number, sequence, recordedAt };
    if (absence.last && at < moment(absence.last.recordedAt)) absence.clockSteps++;
    absence.last = { number, sequence, recordedAt };
  }

  private absenceOf(): Absence {
    const { head, absence } = this;
    const { since, until, from, to, size } = head;
    const isFromStart = from === 0;
    const before = isFromStart ? null : absence.before;
    if (!isFromStart && (since === null || before === null || moment(before.recordedAt) >= moment(since)))
      this.report(
        null,
        `an entry about persons from before ${since ?? 'the first one'} is missing at the beginning: something may have been left out there`,
      );
    const isEnclosed = until !== null && absence.last !== null && moment(absence.last.recordedAt) >= moment(until);
    if (to < size && !isEnclosed)
      this.report(
        null,
        `an entry about persons from ${until ?? 'the end'} or later is missing at the end: something may have been left out there`,
      );
    return {
      numbers: absence.numbers,
      provedUntil: isEnclosed ? until : (absence.last?.recordedAt ?? null),
      before,
      behind: isEnclosed ? absence.last : null,
      clockSteps: absence.clockSteps,
    };
  }
}

const entries = (from: number, to: number): string =>
  to - from === 1 ? `entry ${from}` : `entries ${from} to ${to - 1}`;

const hashOf = (base64: string): Hash => Buffer.from(base64, 'base64');
