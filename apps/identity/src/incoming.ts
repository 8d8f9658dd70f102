import { createHash } from 'node:crypto';
import {
  applyChanges,
  diffResource,
  isRejection,
  orRejection,
  Rejected,
  rejection,
  tooLarge,
  uniqueKey,
  type Rejection,
  type Resource,
  type ResourceDefinition,
} from '#scim';
import type { AttributeChanges, DecidedUnder, MappedLine, SettingsReadBy, UserEvent } from '#contracts';
import { applyMapping, readMapping, type Given, type Mapping } from '#mapping';
import type { BearersOf, Candidate } from './matching.js';

/** A user as a directory sends it, and as it is stored. */
export interface Incoming {
  /** The resource that the attribute mapping of the directory makes of it. */
  readonly resource: Resource;
  /** What was sent: the next PATCH changes that. Null = the directory maps nothing, and both are the same. */
  readonly sent: Resource | null;
  /** The attributes that the mapping wrote. */
  readonly mapped: readonly MappedLine[];
}

/** What a mapping made of attributes that were sent: kept while the directory maps them. */
export interface MappedAttributes {
  readonly sent: Resource;
  readonly mapped: readonly MappedLine[];
}

/** A directory, as far as mappings are concerned. */
type Maps = Pick<SettingsReadBy<'identity'>, 'attributeMapping'> & { readonly name: string };

/** Everything that a mapping needs beside the user. */
export interface MappingContext {
  readonly definition: ResourceDefinition;
  readonly maxResourceBytes: number;
  readonly bearersOf: BearersOf;
  readonly chance: Chance;
}

/** Time, in milliseconds since 1970, and randomness. */
export type Chance = Pick<Given, 'nowMs' | 'randomBelow'>;

/** A command that is decided again, after another load or a crash, gets the same numbers. */
export const chanceOf = (commandId: string, nowMs: number): Chance => {
  let drawn = 0;
  return {
    nowMs,
    randomBelow: (limit) => createHash('sha256').update(`${commandId}/${drawn++}`).digest().readUIntBE(0, 6) % limit,
  };
};

/**
 * What becomes of a user whom the directory sends. `current` is the user as it is stored; null = it is to be created.
 * Returns a rejection that names the line of the mapping which has no result for this user.
 */
export const incoming = (
  sent: Resource,
  current: Pick<Candidate, 'id' | 'resource'> | null,
  directory: Maps,
  context: MappingContext,
): Incoming | Rejection => {
  const mapping = mappingOf(directory, context.definition);
  if (!mapping) return { resource: sent, sent: null, mapped: [] };
  if (isRejection(mapping)) return mapping;
  return orRejection(() => {
    const { resource, written, isIgnored } = applyMapping(mapping, current?.resource ?? null, sent, {
      ...context.chance,
      isTaken: (value) =>
        NAMES.some((kind) => context.bearersOf(kind, uniqueKey(value)).some(({ id }) => id !== current?.id)),
    });
    if (isIgnored)
      throw new Rejected(
        'forbidden',
        `The attribute mapping of the directory "${directory.name}" leaves this user out (IgnoreObjectFlow). An administrator of Muster can have such users held back without an error instead, with the settings scope and refusal (quiet).`,
      );
    const long = tooLarge(context.definition, null, sent, context.maxResourceBytes);
    if (long) throw new Rejected(long.code, long.detail);
    return { resource, sent, mapped: written.map(({ target, index }) => ({ target, line: index + 1 })) };
  });
};

/** Returns the event that keeps what was sent, where it is not what is stored; [] = it is kept already. */
export const mappedEvents = (
  before: MappedAttributes | null,
  { sent, mapped }: Incoming,
  under: DecidedUnder,
): UserEvent[] => {
  const changes = diffResource(before?.sent ?? {}, sent ?? {});
  const isSame = JSON.stringify(mapped) === JSON.stringify(before?.mapped ?? []);
  return Object.keys(changes).length === 0 && isSame ? [] : [{ type: 'AttributesMapped', changes, mapped, ...under }];
};

/** The attributes as they were sent, after an event; null = they are what is stored. */
export const afterMapping = (
  before: MappedAttributes | null,
  { changes, mapped }: { readonly changes: AttributeChanges; readonly mapped: readonly MappedLine[] },
): MappedAttributes | null => {
  const sent = applyChanges(before?.sent ?? {}, changes);
  return Object.keys(sent).length === 0 ? null : { sent, mapped };
};

/** The keys that a unique value may be meant for. */
const NAMES = ['userName', 'email'] as const;

type Read = Mapping | Rejection | null;
/** Mappings by the directory that has them: a directory as it was loaded is one object, and never changes. */
const READ = new WeakMap<Maps, { readonly definition: ResourceDefinition; readonly mapping: Read }>();

const mappingOf = (directory: Maps, definition: ResourceDefinition): Read => {
  if (directory.attributeMapping.length === 0) return null;
  const known = READ.get(directory);
  if (known?.definition === definition) return known.mapping;
  const read = readMapping(definition, directory.attributeMapping);
  const mapping =
    'mapping' in read
      ? read.mapping
      : rejection(
          'conflict',
          `The attribute mapping of the directory "${directory.name}" cannot be used, line ${read.faults[0]!.index + 1}: ${read.faults[0]!.detail}`,
        );
  READ.set(directory, { definition, mapping });
  return mapping;
};
