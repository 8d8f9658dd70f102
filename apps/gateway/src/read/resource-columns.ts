import { Rejected, type Attribute, type AttributePath, type FoundAttribute, type ResourceDefinition } from '#scim';

/** SQL that finds a value in a row. */
export interface Value {
  /** Its text, NULL when there is none; folded where case is ignored. */
  readonly text: string;
  /** The value as jsonb; null for what the service itself knows of every user. */
  readonly json: string | null;
  /** A moment as timestamptz. */
  readonly time?: string;
  /** A column of ids, where it is one: an index finds uuids, not their texts. */
  readonly uuid?: string;
  /** The parts of what is not in `json`. */
  readonly parts?: Readonly<Record<string, Value>>;
  /** FROM and WHERE of the values, where a multi-valued attribute lies in rows of its own. */
  readonly rows?: string;
  /** A cheaper condition that is true for each resource that has any such row. */
  readonly only?: string;
  /**
   * Makes the condition that is true for exactly those resources that have this id (SQL) among their values. An index
   * answers it.
   */
  readonly holders?: (id: string) => string;
}

export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const member = (json: string, name: string): Value => ({
  text: `${json}->>${literal(name)}`,
  json: `${json}->${literal(name)}`,
});
export const plain = (text: string): Value => ({ text, json: null });
export const uuid = (column: string): Value => ({ text: `${column}::text`, json: null, uuid: column });

/**
 * A part of a complex value. Throws Rejected(invalidFilter) for one that lies nowhere: the names of members are looked
 * up where they are shown.
 */
export const partOf = ({ json, parts }: Value, name: string): Value => {
  const own = parts?.[name];
  if (own) return own;
  if (json === null)
    throw new Rejected(
      'invalidFilter',
      `Nothing is found by ${name} here: name the id instead, e.g. members.value eq "<id>".`,
    );
  return member(json, name);
};

/** Any SQL of jsonb as a value. */
export const jsonValue = (json: string): Value => ({ text: `${json} #>> '{}'`, json });

/**
 * Says where each attribute of a resource lies in a row of its view: it is renderResource of libs/scim, as SQL. A
 * multi-valued attribute is one jsonb array, or rows of another view.
 */
export class ResourceColumns {
  private readonly own: ReadonlyMap<string, Value>;

  /**
   * `url` is that of all resources of the type; `own` are the attributes that have columns, or tables, of their own.
   */
  constructor(definition: ResourceDefinition, url: string, own: Readonly<Record<string, Value>>) {
    // The texts of times as clients see them, folded.
    const time = (column: string): Value => ({
      text: `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"t"HH24:MI:SS.MS"z"')`,
      json: null,
      time: column,
    });
    const extensions = definition.extensions.map(
      ({ id }) => ` || CASE WHEN resource ? ${literal(id)} THEN jsonb_build_array(${literal(id)}) ELSE '[]' END`,
    );
    this.own = new Map(
      Object.entries({
        id: uuid('id'),
        schemas: jsonValue(`(jsonb_build_array(${literal(definition.schema.id)})${extensions.join('')})`),
        meta: {
          ...plain(''),
          parts: {
            resourceType: plain(literal(definition.name)),
            created: time('created'),
            lastModified: time('last_modified'),
            location: plain(`${literal(`${url}/`)} || id::text`),
            version: plain(`'W/"' || version || '"'`),
          },
        },
        externalId: plain('external_id'),
        ...own,
      }),
    );
  }

  /** The value, or all values, of an attribute; not of its parts. */
  attribute({ attribute, schema, extension }: FoundAttribute): Value {
    const own = extension ? undefined : this.own.get(attribute.name);
    if (own) return own;
    const name = extension ? schema : attribute.name;
    const value = ignoresCase(attribute) ? firstFolded(name) : member('resource', name);
    return extension ? partOf(value, attribute.name) : value;
  }
}

/** Values that folding changes lie in `folded` as well, an extension as a whole (foldedAttributes of libs/scim). */
const firstFolded = (name: string): Value => {
  const [folded, resource] = [member('folded', name), member('resource', name)];
  return { text: `coalesce(${folded.text}, ${resource.text})`, json: `coalesce(${folded.json}, ${resource.json})` };
};

const ignoresCase = ({ type, caseExact, subAttributes }: Attribute): boolean =>
  type === 'complex'
    ? (subAttributes ?? []).some(ignoresCase)
    : (type === 'string' || type === 'dateTime') && !caseExact;

/** Tells whether a path names a core attribute as a whole. */
export const isCore = ({ attribute, subAttribute, extension }: AttributePath, name: string): boolean =>
  attribute.name === name && !subAttribute && !extension;
