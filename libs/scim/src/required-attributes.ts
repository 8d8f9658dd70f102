import { comparisonsOf } from './apply-patch.js';
import { Rejected } from './error.js';
import { isJsonObject, quote, type Json } from './json.js';
import { valueMatcher } from './matches.js';
import { isReadOnly } from './patch.js';
import { attributeValue, isStored, type Resource } from './resource.js';
import type { ResourceDefinition } from './schema.js';
import { settingTarget } from './setting-target.js';

/** An attribute may be asked for in each write, of a user with thousands of values. */
const MAX_COMPARISONS = 5;

/** An attribute that users have to have. */
export interface RequiredAttribute {
  /** Its path, in canonical text. */
  readonly path: string;
  /** A blank text is no value. */
  readonly isThere: (resource: Resource) => boolean;
}

/**
 * Reads a path such as `name.givenName` or `emails[type eq "work"].value`. Throws Rejected(invalidValue) that names the
 * path.
 */
export const parseRequired = (definition: ResourceDefinition, text: string): RequiredAttribute => {
  const target = settingTarget(definition, text, refusal);
  const { path, filter } = target;
  if (!isStored(path) || isReadOnly(target)) throw refusal(text, 'no identity provider writes it so that it is kept');
  if (filter && comparisonsOf(filter) > MAX_COMPARISONS)
    throw refusal(text, `its filter makes more than ${MAX_COMPARISONS} comparisons`);
  const isMeant = filter ? valueMatcher(filter) : () => true;
  const name = path.subAttribute?.name;
  const partOf = (value: Json): Json | undefined =>
    name === undefined ? value : isJsonObject(value) ? value[name] : undefined;
  return {
    path: target.text,
    isThere: (resource) =>
      listOf(attributeValue(resource, path)).some((value) => isMeant(value) && listOf(partOf(value)).some(isSaid)),
  };
};

const refusal = (text: string, why: string): Rejected =>
  new Rejected('invalidValue', `${quote(text)} cannot be asked for: ${why}.`);

const listOf = (value: Json | undefined): readonly Json[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as readonly Json[]) : [value];

const isSaid = (value: Json): boolean =>
  isJsonObject(value)
    ? Object.values(value).some(isSaid)
    : typeof value === 'string'
      ? /\S/.test(value)
      : value !== null;
