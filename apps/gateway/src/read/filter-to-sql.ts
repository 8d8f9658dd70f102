import { OF_TENANT, USERS_VIEW } from '#contracts';
import {
  assumedOf,
  fold,
  instantOf,
  Rejected,
  type AttributePath,
  type AttributeType,
  type Filter,
  type Operator,
  type Position,
  type Sort,
} from '#scim';
import { isCore, jsonValue, partOf, type ResourceColumns, type Value } from './resource-columns.js';

/** A condition on a published view of resources. */
export interface CompiledFilter {
  readonly sql: string;
  readonly values: readonly string[];
  /** The attribute that an index finds, when the filter is nothing but `eq` on it: such statements are prepared. */
  readonly lookUp: 'userName' | 'displayName' | 'id' | 'externalId' | 'workEmail' | null;
  /**
   * Such an attribute that has to equal something, whatever else is asked for: `sql` is that part, which an index
   * finds, and the rest.
   */
  readonly indexed: {
    readonly by: NonNullable<CompiledFilter['lookUp']>;
    readonly sql: string;
    readonly rest: string;
  } | null;
}

type Compare = Extract<Filter, { kind: 'compare' }>;
type ValuePath = Extract<Filter, { kind: 'valuePath' }>;

/** The shape of an id. Any other text would be refused by the database. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const SYMBOLS: { readonly [operator in Operator]?: string } = { eq: '=', gt: '>', ge: '>=', lt: '<', le: '<=' };

/**
 * RFC 7644 §3.4.2.2, pr: not empty, or, of a complex value, something in it that is not empty. Each type is asked for
 * by its name: in jsonpath a comparison of two types is neither true nor false.
 */
const PRESENT = `'$.** ? (@.type() == "string" && @ != "" || @.type() == "number" || @.type() == "boolean")'`;

/**
 * Turns any filter into parameterised SQL that is true for exactly those resources for which `matches` of libs/scim is;
 * its parameters begin at `$first`. A condition may also be NULL, which a WHERE takes for false, as NOT does here.
 * Texts are compared as bytes: what ignores case has been folded by `fold`, on both sides, and never is by the
 * database.
 */
export const compileFilter = (columns: ResourceColumns, filter: Filter, first: number): CompiledFilter => {
  const compiler = new FilterCompiler(columns, first);
  const parts = flat('and', filter);
  const conditions = parts.map((part) => compiler.condition(part, null));
  const lookUps = parts.map(lookUpOf);
  const by = BY_SELECTIVITY.find((lookUp) => lookUps.includes(lookUp));
  const at = by ? lookUps.indexOf(by) : -1;
  return {
    sql: allOf(conditions),
    values: compiler.values,
    lookUp: lookUpOf(filter),
    indexed: by ? { by, sql: conditions[at]!, rest: allOf(conditions.toSpliced(at, 1)) } : null,
  };
};

/** Tells whether a filter compares an attribute of the resource itself. */
export const asksFor = (filter: Filter, name: string): boolean => {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return asksFor(filter.left, name) || asksFor(filter.right, name);
    case 'not':
      return asksFor(filter.filter, name);
    default:
      return filter.path.attribute.name === name;
  }
};

const allOf = (conditions: readonly string[]): string =>
  conditions.length === 1 ? conditions[0]! : `(${conditions.join(' AND ') || 'true'})`;

/** A look-up by a unique value finds at most one resource; the others find as many as clients have given that value. */
const BY_SELECTIVITY = ['id', 'userName', 'externalId', 'displayName', 'workEmail'] as const;

export interface CompiledSort {
  /** NULL when there is none. */
  readonly sql: string;
  readonly type: 'numeric' | 'text';
}

/**
 * Texts are sorted by so many of their characters: a cursor is part of a URL and holds one such text, and an attribute
 * may have 65,536 characters.
 */
const SORTED_CHARACTERS = 400;

/** The values by which resources are ordered (RFC 7644 §3.4.2.3). */
export const compileSort = (columns: ResourceColumns, { path }: Sort): CompiledSort => {
  const { attribute, subAttribute } = path;
  const all = columns.attribute(path);
  if (all.rows)
    throw new Rejected('invalidValue', `A list cannot be sorted by ${attribute.name}, of which there may be many.`);
  // The primary value counts if there are several, and the first if none is primary.
  const one = attribute.multiValued
    ? jsonValue(`coalesce(jsonb_path_query_first(${all.json}, '$[*] ? (@.primary == true)'), ${all.json}->0)`)
    : all;
  const value = subAttribute ? partOf(one, subAttribute.name) : one;
  const { type } = subAttribute ?? attribute;
  if (type === 'dateTime') return { sql: instantIn(value), type: 'numeric' };
  if (isNumber(type)) return { sql: `(${value.text})::numeric`, type: 'numeric' };
  return { sql: `left(${value.text}, ${SORTED_CHARACTERS}) COLLATE "C"`, type: 'text' };
};

/**
 * The order of rows with the columns `key`, where something is sorted, and `id`. In Postgres, too, NULL comes last, and
 * first when descending.
 */
export const compileOrder = (sort: Sort | null): string =>
  sort ? `page.key ${sort.descending ? 'DESC' : 'ASC'}, page.id` : 'page.id';

/** A condition: such a row comes behind a position. `parameter` takes a value and returns its SQL. */
export const compileBehind = (
  sort: Sort | null,
  type: CompiledSort['type'],
  { id, key }: Position,
  parameter: (value: string) => string,
): string => {
  const isLater = `page.id > ${parameter(id)}::uuid`;
  if (!sort) return isLater;
  if (key === null) return `(page.key IS NULL AND ${isLater}${sort.descending ? ' OR page.key IS NOT NULL' : ''})`;
  const of = `${parameter(key)}::${type}`;
  return `(page.key ${sort.descending ? '<' : '>'} ${of} OR page.key = ${of} AND ${isLater}${sort.descending ? '' : ' OR page.key IS NULL'})`;
};

class FilterCompiler {
  readonly values: string[] = [];

  constructor(
    private readonly columns: ResourceColumns,
    private readonly first: number,
  ) {}

  /** `element` is the value in whose brackets the filter stands: its attributes are parts of that. */
  condition(filter: Filter, element: Value | null): string {
    switch (filter.kind) {
      case 'and':
      case 'or':
        return `(${flat(filter.kind, filter)
          .map((part) => this.condition(part, element))
          .join(` ${filter.kind.toUpperCase()} `)})`;
      case 'not':
        return `(${this.condition(filter.filter, element)}) IS NOT TRUE`;
      case 'valuePath':
        return this.workEmail(filter) ?? this.some(filter.path, element, (value) => this.inBrackets(filter, value));
      case 'present':
        return this.some(filter.path, element, (value) => isPresent(filter.path, value));
      case 'compare':
        return this.comparison(filter, element);
    }
  }

  private inBrackets({ filter }: ValuePath, value: Value): string {
    const condition = this.condition(filter, value);
    return value.json === null ? condition : `(${value.json} IS NOT NULL AND ${condition})`;
  }

  /** SQL: true if any value of an attribute fulfils a condition. */
  private some(path: AttributePath, element: Value | null, condition: (value: Value) => string): string {
    const { attribute, subAttribute } = path;
    const ofPart = (value: Value): string => condition(subAttribute ? partOf(value, subAttribute.name) : value);
    if (element) return ofPart(element);
    const value = this.columns.attribute(path);
    if (!attribute.multiValued) return ofPart(value);
    if (value.rows) {
      const exists = `EXISTS (SELECT FROM ${value.rows} AND ${ofPart(value)})`;
      return value.only ? `CASE WHEN ${value.only} THEN ${exists} ELSE false END` : exists;
    }
    return `EXISTS (SELECT FROM jsonb_array_elements(${value.json}) AS e(value) WHERE ${ofPart(jsonValue('e.value'))})`;
  }

  private comparison({ path, operator, value: operand }: Compare, element: Value | null): string {
    const assumed = assumedOf(path);
    const read = (value: Value): Value =>
      assumed === undefined || operand === null ? value : { ...value, text: `coalesce(${value.text}, '${assumed}')` };
    const some = (condition: (value: Value) => string): string =>
      this.some(path, element, (value) => condition(read(value)));
    const isThere = (value: Value): string => `${value.text} IS NOT NULL`;
    // RFC 7643 §2.5: an attribute without a value equals null, and nothing else.
    if (operand === null) return operator === 'ne' ? some(isThere) : `(${some(isThere)}) IS NOT TRUE`;
    if (operator === 'eq' && !element && path.subAttribute) {
      const { holders } = partOf(this.columns.attribute(path), path.subAttribute.name);
      const id = path.subAttribute.caseExact ? String(operand) : fold(String(operand));
      if (holders) return UUID.test(id) ? holders(this.parameter(id, 'uuid')) : 'false';
    }
    if (operator !== 'ne') return some(this.test(path, operator, operand));
    const isEqual = this.test(path, 'eq', operand);
    return `(${some((value) => `NOT (${isEqual(value)})`)} OR (${some(isThere)}) IS NOT TRUE)`;
  }

  /** The condition on one value; NULL when there is none. */
  private test(path: AttributePath, operator: Operator, operand: string | number | boolean): (value: Value) => string {
    const attribute = path.subAttribute ?? path.attribute;
    const symbol = SYMBOLS[operator];
    if (symbol && attribute.type === 'dateTime') {
      // Milliseconds since 1970: unlike a dateTime, each of them has one text, and the database knows it.
      const instant = this.parameter(String(instantOf(String(operand))), 'numeric');
      return (value) => `${instantIn(value)} ${symbol} ${instant}`;
    }
    if (symbol && isNumber(attribute.type)) {
      const number = this.parameter(String(operand), 'numeric');
      return ({ text }) => `(${text})::numeric ${symbol} ${number}`;
    }
    const given = attribute.caseExact ? String(operand) : fold(String(operand));
    // One parameter, however many values are compared with it; none, where none is: the database could not tell its
    // type.
    let known: string | undefined;
    const text = (): string => (known ??= this.parameter(given, 'text'));
    switch (operator) {
      case 'co':
        return (value) => `strpos(${value.text}, ${text()}) > 0`;
      case 'sw':
        return (value) => `starts_with(${value.text}, ${text()})`;
      case 'ew':
        return (value) => `right(${value.text}, length(${text()})) = ${text()}`;
      case 'eq':
        return (value) =>
          !value.uuid ? `${value.text} = ${text()}` : UUID.test(given) ? `${value.uuid} = ${text()}::uuid` : 'false';
      default:
        return (value) => `(${value.text}) COLLATE "C" ${symbol} ${text()}`;
    }
  }

  /**
   * The e-mail by which Entra matches has columns and indexes of its own. The OR alone, without statistics, is planned
   * as a walk through the whole tenant (0.5 s where this takes 1 ms, decision 6): two look-ups say whom of the tenant
   * it can be true for.
   */
  private workEmail(filter: ValuePath): string | null {
    const email = workEmailOf(filter);
    if (email === null) return null;
    const at = this.parameter(fold(email), 'text');
    const conditions = [`work_email_folded = ${at}`, `other_work_emails_folded @> ARRAY[${at}]`];
    // An index of arrays takes no second column: of the others it holds texts that begin with the tenant.
    const indexed = [
      `tenant = $1 AND ${conditions[0]}`,
      `${OF_TENANT}(tenant, other_work_emails_folded) @> ${OF_TENANT}($1, ARRAY[${at}])`,
    ];
    const ids = indexed.map((condition) => `SELECT id FROM ${USERS_VIEW} WHERE ${condition}`).join(' UNION ALL ');
    return `(id = ANY (ARRAY(${ids})) AND (${conditions.join(' OR ')}))`;
  }

  private parameter(value: string, type: string): string {
    this.values.push(value);
    return `$${this.first + this.values.length - 1}::${type}`;
  }
}

/** The parts of `a and b and c`, however many: each level of a statement costs the database a level of its stack. */
const flat = (kind: 'and' | 'or', filter: Filter): Filter[] => {
  const parts: Filter[] = [];
  let left = filter;
  for (; left.kind === kind; left = left.left) parts.unshift(left.right);
  return [left, ...parts];
};

const isPresent = ({ attribute, subAttribute }: AttributePath, { json, text }: Value): string => {
  if ((subAttribute ?? attribute).type !== 'complex') return `${text} <> ''`;
  return json === null ? 'true' : `jsonb_path_exists(${json}, ${PRESENT})`;
};

const isNumber = (type: AttributeType): boolean => type === 'integer' || type === 'decimal';

/**
 * A dateTime as milliseconds since 1970, as instantOf of libs/scim counts them. A text of one is taken apart, because a
 * cast of Postgres would refuse some that JavaScript takes, such as the year 0 or 31 February, and with it the whole
 * search. Every 400 years the calendar comes again: that far ahead there is no year 0.
 */
const instantIn = ({ time, text }: Value): string => {
  if (time) return `(extract(epoch FROM ${time}) * 1000)`;
  const number = (from: number, digits: number): string => `substr(v, ${from}, ${digits})::int`;
  const minutes = `((make_date(${number(1, 4)} + 400, ${number(6, 2)}, 1) - date '2370-01-01' + ${number(9, 2)} - 1) * 24 + ${number(12, 2)}) * 60::bigint + ${number(15, 2)}`;
  const milliseconds = `rpad(coalesce(substring(v FROM '[.]([0-9]{1,3})'), ''), 3, '0')::int`;
  const offset = `coalesce(extract(epoch FROM substring(v FROM '[+-][0-9]{2}:[0-9]{2}$')::interval), 0)`;
  return `(SELECT ((${minutes}) * 60 + ${number(18, 2)} - ${offset}) * 1000 + ${milliseconds} FROM (SELECT ${text} AS v) AS d)`;
};

const lookUpOf = (filter: Filter): CompiledFilter['lookUp'] => {
  if (filter.kind === 'valuePath') return workEmailOf(filter) === null ? null : 'workEmail';
  if (filter.kind !== 'compare' || filter.operator !== 'eq' || typeof filter.value !== 'string') return null;
  const { path, value } = filter;
  if (isCore(path, 'id')) return UUID.test(value) ? 'id' : null;
  // The type says which of the names has a column and an index: a user's displayName has not.
  const names = ['userName', 'externalId', ...(path.attribute.uniqueness === 'server' ? ['displayName'] : [])] as const;
  return (names.find((name) => isCore(path, name)) as CompiledFilter['lookUp']) ?? null;
};

/** The e-mail in `emails[type eq "work"].value eq "…"`, whose parts may come in either order. */
const workEmailOf = (filter: ValuePath): string | null => {
  if (!isCore(filter.path, 'emails') || filter.filter.kind !== 'and') return null;
  const parts = [filter.filter.left, filter.filter.right];
  const value = (name: string): string | null => {
    for (const part of parts) {
      if (part.kind !== 'compare' || part.operator !== 'eq' || typeof part.value !== 'string') continue;
      if (part.path.subAttribute?.name === name) return part.value;
    }
    return null;
  };
  return fold(value('type') ?? '') === 'work' ? value('value') : null;
};
