import type { ClientBase } from 'pg';
import { schemaOf, type Owner } from '#contracts';
import {
  catchUp,
  columnsThatDiffer,
  differences,
  foldedStreams,
  lookedThrough,
  type Difference,
  type Finding,
  type Fold,
  type Folded,
} from './fold.js';
import { inPages } from './in-pages.js';
import { isOld } from './outcome-retention.job.js';
import { LEAST_ID } from './stored-events.js';

/** Called while a check goes on, with its subject and its count so far. */
export type Progress = (what: string, count: number) => void;

export interface Verification {
  readonly compared: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

/** The most findings of one kind that are told: an administrator who has more to mend runs verify again. */
export const MAX_FINDINGS = 100;

interface Sequenced {
  readonly tenant: string;
  readonly sequence: string;
  readonly stream: string;
  readonly version: number;
  readonly answered: string | null;
  readonly old: boolean | null;
}

/**
 * Compares the events of one owner, on a live database: sequences are dense for each tenant, versions for each stream,
 * and each event belongs to a command whose one outcome is not a rejection, or was deleted for its age. Walks by key:
 * no statement reads more than a page. `progress` is told how many events have been looked at.
 */
export const verifyStore = async (
  client: ClientBase,
  owner: Owner,
  progress: Progress = ignore,
): Promise<Verification> => {
  const findings: Finding[] = [];
  let events = 0;
  let last = { tenant: LEAST_ID, sequence: 0 };
  const pages = inPages<Sequenced>(
    async (row, maxRows) =>
      (
        await client.query<Sequenced>(
          `SELECT e.tenant, e.sequence, e.stream, e.version, o.outcome->>'status' AS answered,
       ${isOld('e', `(SELECT deleted_before FROM ${schemaOf(owner)}.outcome_retention)`)} AS old
     FROM ${schemaOf(owner)}.events e LEFT JOIN ${schemaOf(owner)}.outcomes o USING (command_id)
     WHERE (e.tenant, e.sequence) > ($1, $2) ORDER BY e.tenant, e.sequence LIMIT $3`,
          [row?.tenant ?? LEAST_ID, row?.sequence ?? 0, maxRows],
        )
      ).rows,
  );
  for await (const rows of pages) {
    for (const row of rows) {
      const sequence = Number(row.sequence);
      const expected = row.tenant === last.tenant ? last.sequence + 1 : 1;
      if (sequence !== expected) {
        findings.push({
          rule: 'sequence',
          detail: `${owner}: tenant ${row.tenant} has sequence ${sequence} where ${expected} was due`,
        });
      }
      if (row.answered !== 'done' && !(row.answered === null && row.old)) {
        const what = row.answered === null ? 'has no outcome' : 'was rejected';
        findings.push({
          rule: 'outcome',
          detail: `${owner}: the command behind ${row.stream} version ${row.version} ${what}`,
        });
      }
      last = { tenant: row.tenant, sequence };
    }
    events += rows.length;
    progress(`${owner} events`, events);
  }
  return { compared: { [`${owner} events`]: events }, findings };
};

/**
 * Checks that each row of a projection is the fold of its stream, on a live database. What differs is looked at again
 * in one snapshot of events and rows, because it may have changed between the two.
 */
export const verifyFold = async (
  client: ClientBase,
  fold: Fold,
  progress: Progress = ignore,
): Promise<{ readonly streams: number; readonly findings: readonly Finding[] }> => {
  const findings: Finding[] = [];
  let seen = 0;
  for await (const { streams } of foldedStreams(client, fold)) {
    findings.push(...streams.flatMap(({ fault }) => fault ?? []));
    const suspects = new Set((await differences(client, fold, streams)).map(({ of }) => of));
    if (suspects.size > 0) findings.push(...(await inOneSnapshot(client, fold, [...suspects])));
    progress(`${fold.noun} streams`, (seen += streams.length));
  }
  return { streams: seen, findings };
};

/** Finds rows that no event made. */
export const verifyStrays = async (client: ClientBase, fold: Fold): Promise<readonly Finding[]> => {
  const findings: Finding[] = [];
  for (const table of fold.tables) {
    for await (const rows of lookedThrough(client, fold, table)) {
      for (const row of rows)
        if (row.is_stray && findings.length < MAX_FINDINGS)
          findings.push({ rule: 'row', detail: `${table.noun} ${String(row[table.stream])} has a row and no events` });
    }
  }
  return findings;
};

const inOneSnapshot = async (client: ClientBase, fold: Fold, suspects: readonly Folded[]): Promise<Finding[]> => {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    await catchUp(client, fold, suspects);
    const found = await differences(client, fold, suspects);
    return [...suspects.flatMap(({ fault }) => fault ?? []), ...found.flatMap(described)];
  } finally {
    await client.query('ROLLBACK');
  }
};

const described = ({ of: { stream }, table, due, actual }: Difference): Finding[] => {
  const { noun, part, parent } = table;
  if (part !== undefined) {
    const row = (due ?? actual)!;
    const one = `${noun} ${part.map((column) => String(row[column])).join('/')}`;
    const detail = due
      ? actual
        ? `${parent} ${stream} has the ${one} otherwise than its events say`
        : `${parent} ${stream} has not the ${one} that its events say`
      : `${parent} ${stream} has the ${one} without an event`;
    return [{ rule: 'row', detail }];
  }
  if (!due || !actual)
    return [{ rule: 'row', detail: `${noun} ${stream} has ${actual ? 'a row' : 'no row'}, its events say otherwise` }];
  return columnsThatDiffer(table, due, actual).map((column) => ({
    rule: column === 'version' ? 'version' : 'row',
    detail: `${noun} ${stream}: ${column} of the row is not the fold of its events`,
  }));
};

const ignore = (): void => undefined;
