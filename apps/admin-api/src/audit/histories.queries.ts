import { Injectable } from '@nestjs/common';
import { Rejected, type Json } from '#scim';
import { subjectTypeOf, type SubjectType } from './actions.js';
import { changesBetween, type AttributeChange } from './changes.js';
import { idsIn, shownEntry, withNames, type EntryRow, type Named, type NamedMember, type ShownEntry } from './entry.js';
import { EntryClients, type EntryClient } from './entry-clients.queries.js';
import { AuditNames } from './names.queries.js';
import { Streams, type Step } from './streams.queries.js';
import { newSubject, type Subject } from './subject.js';

/** A group may have very many members: so many are shown, and all are counted. */
const MAX_SHOWN_MEMBERS = 1_000;
/** A page ends with the entry that reaches it. */
const MAX_PAGE_BYTES = 4 * 1_048_576;

/** `absent`: it was not there yet. `unknown`: it was there, and nobody can say any more whether it was archived. */
export const STATES = ['active', 'archived', 'deleted', 'absent', 'unknown'] as const;

/** A user, group or other thing as it was at a moment. */
export interface SubjectState {
  readonly subject: Named & { readonly type: SubjectType };
  readonly at: string;
  readonly state: (typeof STATES)[number];
  /** Of the last event until then; 0 = there was none. */
  readonly version: number;
  /** The moment of that event. */
  readonly since: string | null;
  /** False: something was erased or purged, so that other attributes may have had values. */
  readonly isComplete: boolean;
  /** Some or all of its events until this moment were purged; null = none were. */
  readonly purgedUntil: string | null;
  readonly attributes: { readonly [attribute: string]: Json };
  readonly memberCount: number;
  /** The first 1,000. */
  readonly members: readonly NamedMember[];
}

/** The difference between two moments. */
export interface Difference {
  readonly changes: readonly AttributeChange[];
  /** Members who came and went; the first 1,000 of each. */
  readonly added: readonly NamedMember[];
  readonly removed: readonly NamedMember[];
}

interface Moment {
  readonly at: string;
  readonly subject: Subject;
  readonly version: number;
  readonly since: string | null;
  readonly purgedUntil: string | null;
}

/** An entry with the client whose request caused it; null = none did, or its request is kept no longer. */
export interface TracedEntry extends ShownEntry {
  readonly client: EntryClient | null;
}

/** Histories of users, groups and other things, with values. */
@Injectable()
export class Histories {
  constructor(
    private readonly streams: Streams,
    private readonly names: AuditNames,
    private readonly clients: EntryClients,
  ) {}

  /** Throws Rejected(notFound). */
  async tenantOf(stream: string): Promise<string> {
    return (await this.firstOf(stream)).tenant;
  }

  /** Entries behind a version, the oldest first; `next`: the page after it begins behind that, null = there is none. */
  async history(
    tenant: string,
    stream: string,
    after: number,
    limit: number,
  ): Promise<{ readonly items: readonly TracedEntry[]; readonly next: number | null }> {
    const steps: Step[] = [];
    let bytes = 0;
    for await (const step of this.streams.steps(tenant, stream)) {
      if (step.row.version <= after) continue;
      if (steps.length === limit || bytes >= MAX_PAGE_BYTES)
        return { items: await this.shown(tenant, steps), next: steps.at(-1)!.row.version };
      steps.push(step);
      bytes += step.bytes;
    }
    return { items: await this.shown(tenant, steps), next: null };
  }

  /** One entry, with its values. */
  async entry(tenant: string, { stream, version }: Pick<EntryRow, 'stream' | 'version'>): Promise<TracedEntry> {
    for await (const step of this.streams.steps(tenant, stream))
      if (step.row.version === version) return (await this.shown(tenant, [step]))[0]!;
    throw new Error(`The audit log has version ${version} of ${stream}, and then it has not.`);
  }

  /** The state at a moment, and with `compare`, another one, the difference from the first to the second. */
  async state(
    tenant: string,
    stream: string,
    at: string,
    compare: string | undefined,
  ): Promise<SubjectState & { readonly compared: (SubjectState & Difference) | null }> {
    const { type } = await this.firstOf(stream);
    const asked = [at, ...(compare === undefined ? [] : [compare])];
    const [first, second] = await this.moments(tenant, stream, asked);
    const moments = [first!, ...(second ? [second] : [])];
    const names = await this.names.of(tenant, [
      stream,
      ...moments.flatMap(({ subject: { values, members } }) => [
        typeof values.directory === 'string' ? values.directory : null,
        ...[...members.keys()].slice(0, MAX_SHOWN_MEMBERS),
      ]),
    ]);
    const member = ([id, kind]: [string, NamedMember['type']]): NamedMember => ({
      type: kind,
      id,
      name: names.nameOf(id),
    });
    const told = ({ at: moment, subject, version, since, purgedUntil }: Moment): SubjectState => ({
      subject: { type: subjectTypeOf(type), id: stream, name: names.nameOf(stream) },
      at: moment,
      state: stateOf(subject, version, subjectTypeOf(type)),
      version,
      since,
      isComplete: subject.isComplete,
      purgedUntil,
      attributes: withNames(subject.values, names),
      memberCount: subject.members.size,
      members: [...subject.members].slice(0, MAX_SHOWN_MEMBERS).map(member),
    });
    if (!second) return { ...told(first!), compared: null };
    const missing = (these: Subject, others: Subject): NamedMember[] =>
      [...these.members]
        .filter(([id]) => !others.members.has(id))
        .slice(0, MAX_SHOWN_MEMBERS)
        .map(member);
    const [a, b] = [first!.subject, second.subject];
    return {
      ...told(first!),
      compared: {
        ...told(second),
        changes: changesBetween(withNames(a.values, names), withNames(b.values, names), a.isComplete),
        added: missing(b, a),
        removed: missing(a, b),
      },
    };
  }

  /** Throws Rejected(notFound). */
  private async firstOf(stream: string): Promise<Pick<EntryRow, 'tenant' | 'type'>> {
    const first = await this.streams.firstOf(stream);
    if (first) return first;
    throw new Rejected(
      'notFound',
      `The audit log has nothing of ${stream}: it takes the id of a user, group, directory, token, client, key, domain or schema, as entries have it in subject. What was done a moment ago is there within some seconds.`,
    );
  }

  /** The subject as it was at each of these moments, in the order in which they were asked for. */
  private async moments(tenant: string, stream: string, asked: readonly string[]): Promise<Moment[]> {
    const open = asked.map((at, index) => ({ at, index })).toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
    const found: Moment[] = [];
    let last: Step | null = null;
    let purgedUntil: string | null = null;
    const note = ({ at, index }: (typeof open)[number]): void => {
      const subject = last?.after ?? newSubject();
      found[index] = {
        at,
        // The map of members goes on to grow.
        subject: { ...subject, members: new Map(subject.members) },
        version: last?.row.version ?? 0,
        since: last?.row.recordedAt ?? null,
        // Of what is gone for good nothing is missing.
        purgedUntil: subject.exists ? purgedUntil : null,
      };
    };
    for await (const step of this.streams.steps(tenant, stream)) {
      while (open.length > 0 && Date.parse(open[0]!.at) < Date.parse(step.row.recordedAt)) note(open.shift()!);
      if (open.length === 0) break;
      last = step;
      if (step.row.data === null) purgedUntil = step.row.recordedAt;
    }
    open.forEach(note);
    return found;
  }

  private async shown(tenant: string, steps: readonly Step[]): Promise<TracedEntry[]> {
    const directoryIn = ({ values: { directory } }: Subject): string | null =>
      typeof directory === 'string' ? directory : null;
    const names = await this.names.of(
      tenant,
      steps.flatMap(({ row, event, before, after }) => [
        row.stream,
        row.actor,
        row.directory,
        directoryIn(before),
        directoryIn(after),
        ...idsIn(event),
      ]),
    );
    const clients = await this.clients.of(
      tenant,
      steps.map(({ row }) => row),
    );
    return steps.map(({ row, event, ...step }, index) => ({
      ...shownEntry(row, event, names, step),
      client: clients[index]!,
    }));
  }
}

const stateOf = (
  { exists, values, isComplete }: Subject,
  version: number,
  type: SubjectType,
): SubjectState['state'] => {
  if (!exists) return version === 0 ? 'absent' : 'deleted';
  if (values.active === false) return 'archived';
  return type === 'user' && !isComplete && values.active === undefined ? 'unknown' : 'active';
};
