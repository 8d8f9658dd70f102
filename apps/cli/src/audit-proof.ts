import type { Signed } from '#tlog';
import type { ExportHead } from './audit-export.js';
import { plain, type Paint } from './audit-log.js';
import type { Absence, SignedHead, Verified } from './audit-verify.js';

/** A good cosignature of a known witness, and the checkpoint that it is of. */
export interface Cosigned extends Signed, Pick<SignedHead, 'what' | 'size'> {}

export interface VerifiedExport extends Verified {
  readonly head: ExportHead;
  readonly signed: SignedHead;
  readonly witnesses: readonly Cosigned[];
}

const count = (number: number, one: string, more = `${one}s`): string => `${number} ${number === 1 ? one : more}`;

/** An export, as people read it: what is proved, what is not, and what is wrong. */
export const describeVerified = (verified: VerifiedExport, paint: Paint): string => {
  const { findings, findingCount } = verified;
  const wrong = findings.map(
    ({ entry, what }) => `${paint('red', 'wrong')}  ${plain(entry === null ? what : `entry ${entry}: ${what}`)}`,
  );
  const rest = findingCount - findings.length;
  const lines = [...facts(verified), ...wrong, ...(rest > 0 ? [`       and ${rest} more`] : [])];
  if (findingCount > 0) return [...lines, paint('red', 'This export is not what was signed.')].join('\n');
  const { absence, head } = verified;
  return [...lines, ...(absence ? describeAbsence(head, absence) : []), paint('green', 'All of this is proved.')].join(
    '\n',
  );
};

const facts = ({ head, signed, witnesses, findingCount, ...verified }: VerifiedExport): string[] => {
  const { entries, payloads, purged, purge, leavesAlone, readable, erased, reached } = verified;
  const ok = (line: string): string[] => (findingCount > 0 ? [] : [`ok     ${line}`]);
  return [
    `The checkpoint is of ${count(signed.size, 'entry', 'entries')}, root ${signed.root.toString('base64')}.`,
    ...witnesses.map(
      ({ name, keyId, timeS, what, size }) =>
        `ok     The witness ${plain(name)}+${keyId} has cosigned ${plain(what)}, of ${count(size, 'entry', 'entries')}${timeS === null ? '' : `, on ${new Date(timeS * 1_000).toISOString()}`}.`,
    ),
    ...ok(
      head.kind === 'person'
        ? `${count(entries, 'entry', 'entries')} of the person ${plain(head.person!)}: each has a proof that leads to this root.`
        : `${count(entries, 'entry', 'entries')}, ${head.from} to ${head.to - 1}: none was changed, left out, put in or moved. They give this root.`,
    ),
    ...ok(
      `${count(payloads, 'entry says', 'entries say')} what was hashed${purge && purged > 0 ? `; what ${count(purged, 'other')} said was purged, as entry ${purge.number} announces (kept for ${count(purge.keepDays, 'day')}), and only their leaves are left` : ''}${leavesAlone > 0 ? `; of ${leavesAlone} the leaf alone is here` : ''}.`,
    ),
    ...reached.slice(1).map(({ what, size }) => `ok     The first ${size} entries are those of ${plain(what)}.`),
    ...(findingCount === 0 && readable + erased > 0
      ? [
          `note   The sealed values of ${count(readable + erased, 'entry', 'entries')} are proved. "values" is what the server read in them, for people: this is not proved by the tree${erased > 0 ? `. Of ${erased} the person was erased` : ''}.`,
        ]
      : []),
  ];
};

const describeAbsence = (
  { person, since, from, to }: ExportHead,
  { numbers, provedUntil, before, behind, clockSteps }: Absence,
): string[] =>
  [
    '',
    `Between ${since ?? 'the beginning of the log'} and ${provedUntil ?? 'its end'}, ${numbers.length === 0 ? 'nothing' : `nothing but ${numbers.length === 1 ? `entry ${numbers[0]}` : `the entries ${numbers.join(', ')}`}`} happened to the person ${person}.`,
    'This rests on:',
    `- the leaves ${from} to ${to - 1}, all of which are here: each names the person or thing that it is about;`,
    before
      ? `- entry ${before.number}, of ${before.recordedAt}: the last one about persons before this time (sequence ${before.sequence});`
      : '- the beginning of the log: nothing was before;',
    behind
      ? `- entry ${behind.number}, of ${behind.recordedAt}: the first one about persons after it (sequence ${behind.sequence}). Between the two no sequence is left out;`
      : `- the end of the log at this checkpoint: what happened after ${provedUntil ?? 'it'} is not in it;`,
    clockSteps === 0
      ? '- the clock of the store, which never went back in these entries.'
      : `- the clock of the store, which went back ${count(clockSteps, 'time')} in these entries: near there an entry may have another time than when it happened.`,
    'Who is in which group is told by the entries of groups, and is not part of this.',
  ].map(plain);
