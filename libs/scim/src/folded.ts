import { fold } from './fold.js';
import { isJsonObject, type Json, type JsonObject } from './json.js';
import type { Resource } from './resource.js';
import { COMMON_ATTRIBUTES, findSubAttribute, type Attribute, type ResourceDefinition } from './schema.js';

/**
 * The attributes, extensions as a whole, in which folding changes anything: with each text that ignores case folded,
 * and everything else as it is. A look here first and then into the resource finds every value in the form in which it
 * is compared.
 */
export const foldedAttributes = (definition: ResourceDefinition, resource: Resource): JsonObject => {
  const attributes = attributesOf(definition);
  const folded: { [name: string]: Json } = {};
  for (const [name, value] of Object.entries(resource)) {
    const attribute = attributes.get(name);
    const foldedValue = attribute ? foldValue(attribute, value) : value;
    if (foldedValue !== value) folded[name] = foldedValue;
  }
  return folded;
};

/** The same value, not a copy, when folding changes nothing in it: this is on the path of every write. */
const foldValue = (attribute: Attribute, value: Json): Json => {
  if (typeof value === 'string') return attribute.caseExact ? value : fold(value);
  if (Array.isArray(value)) {
    let changed: Json[] | undefined;
    for (let index = 0; index < value.length; index++) {
      const element = value[index] as Json;
      const folded = foldValue(attribute, element);
      if (folded !== element) (changed ??= [...(value as readonly Json[])])[index] = folded;
    }
    return changed ?? value;
  }
  if (!isJsonObject(value)) return value;
  let changed: { [name: string]: Json } | undefined;
  for (const name in value) {
    const part = findSubAttribute(attribute, name);
    const folded = part ? foldValue(part, value[name]!) : value[name]!;
    if (folded !== value[name]) (changed ??= { ...value })[name] = folded;
  }
  return changed ?? value;
};

const indexes = new WeakMap<ResourceDefinition, ReadonlyMap<string, Attribute>>();

/** By the keys of a stored resource. The object below the URN of an extension is looked at like a complex attribute. */
const attributesOf = (definition: ResourceDefinition): ReadonlyMap<string, Attribute> => {
  let index = indexes.get(definition);
  if (!index) {
    const { schema, extensions } = definition;
    index = new Map([
      ...[...COMMON_ATTRIBUTES, ...schema.attributes].map((attribute) => [attribute.name, attribute] as const),
      ...extensions.map(({ id, description, attributes }): [string, Attribute] => [
        id,
        {
          name: id,
          description,
          type: 'complex',
          multiValued: false,
          required: false,
          caseExact: true,
          mutability: 'readWrite',
          returned: 'default',
          uniqueness: 'none',
          subAttributes: attributes,
        },
      ]),
    ]);
    indexes.set(definition, index);
  }
  return index;
};
