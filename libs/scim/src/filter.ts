import { Rejected } from './error.js';
import { fold } from './fold.js';
import { isObject, type Json, type Resource } from './resource.js';
import { findAttribute, findSubAttribute, type Attribute, type ResourceDefinition } from './schema.js';

export const MAX_FILTER_CHARACTERS = 8_192;
export const MAX_FILTER_DEPTH = 32;

export type Operator = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le';
const OPERATORS: ReadonlySet<string> = new Set(['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le']);

export interface AttributePath {
  readonly attribute: Attribute;
  readonly subAttribute?: Attribute;
  readonly schema: string;
  readonly extension: boolean;
}

/** A filter (RFC 7644 §3.4.2.2), as a tree. */
export type Filter =
  | { readonly kind: 'compare'; readonly path: AttributePath; readonly operator: Operator; readonly value: string | number | boolean | null }
  | { readonly kind: 'present'; readonly path: AttributePath }
  | { readonly kind: 'and' | 'or'; readonly left: Filter; readonly right: Filter }
  | { readonly kind: 'not'; readonly filter: Filter }
  | { readonly kind: 'valuePath'; readonly path: AttributePath; readonly filter: Filter };

interface Token {
  readonly type: 'word' | 'string' | '(' | ')' | '[' | ']';
  readonly text: string;
  /** Counted from 1. */
  readonly at: number;
}

const fail = (detail: string, at: number): Rejected => new Rejected('invalidFilter', `${detail} (at character ${at} of the filter).`);

const tokenize = (text: string): Token[] => {
  const tokens: Token[] = [];
  const pattern = /\s+|([()[\]])|("(?:[^"\\]|\\.)*")|([^\s()[\]"]+)/suy;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex + 1;
    const match = pattern.exec(text);
    if (!match) throw fail('A string is not closed', at);
    const [, mark, quoted, word] = match;
    if (mark) tokens.push({ type: mark as '(' | ')' | '[' | ']', text: mark, at });
    else if (quoted) tokens.push({ type: 'string', text: unquote(quoted, at), at });
    else if (word) tokens.push({ type: 'word', text: word, at });
  }
  return tokens;
};

/** Strings are JSON strings (RFC 7644 §3.4.2.2, compValue). */
const unquote = (quoted: string, at: number): string => {
  let text: string;
  try {
    text = JSON.parse(quoted) as string;
  } catch {
    throw fail('A string is not valid JSON', at);
  }
  if (text.includes('\0') || !text.isWellFormed()) throw fail('A string holds a NUL character or half of a surrogate pair', at);
  return text;
};

/** Precedence: not, and, or (RFC 7644 §3.4.2.2); `scope` = the attribute in whose value path the parser is. */
class FilterParser {
  private next = 0;
  private depth = 0;

  constructor(
    private readonly definition: ResourceDefinition, private readonly tokens: readonly Token[], private readonly length: number,
  ) {}

  whole(scope?: AttributePath): Filter {
    const filter = this.or(scope);
    const left = this.peek();
    if (left) throw fail(`"${left.text}" was not expected here`, left.at);
    return filter;
  }

  private or(scope?: AttributePath): Filter {
    let left = this.and(scope);
    while (this.take('or')) left = { kind: 'or', left, right: this.and(scope) };
    return left;
  }

  private and(scope?: AttributePath): Filter {
    let left = this.factor(scope);
    while (this.take('and')) left = { kind: 'and', left, right: this.factor(scope) };
    return left;
  }

  private factor(scope?: AttributePath): Filter {
    const token = this.peek();
    if (!token) throw fail('The filter ends too early', this.length + 1);
    if (++this.depth > MAX_FILTER_DEPTH) throw fail(`The filter is nested more than ${MAX_FILTER_DEPTH} deep`, token.at);
    try {
      if (token.type === 'word' && token.text.toLowerCase() === 'not' && this.tokens[this.next + 1]?.type === '(') {
        this.next++;
        return { kind: 'not', filter: this.group(scope) };
      }
      return token.type === '(' ? this.group(scope) : this.comparison(token, scope);
    } finally {
      this.depth--;
    }
  }

  private group(scope?: AttributePath): Filter {
    this.expect('(');
    const filter = this.or(scope);
    this.expect(')');
    return filter;
  }

  private comparison(token: Token, scope?: AttributePath): Filter {
    if (token.type !== 'word') throw fail(`An attribute was expected, not "${token.text}"`, token.at);
    this.next++;
    const path = scope ? this.inside(scope, token) : this.path(token.text, token.at);
    if (!scope && this.peek()?.type === '[') {
      this.next++;
      const filter = this.or(path);
      this.expect(']');
      const after = this.peek();
      if (after?.type === 'word' && after.text.startsWith('.')) {
        // Entra: emails[type eq "work"].value eq "x" = a value that fulfils both.
        this.next++;
        const inner = this.inside(path, { ...after, text: after.text.slice(1) });
        return { kind: 'valuePath', path, filter: { kind: 'and', left: filter, right: this.operation(inner) } };
      }
      return { kind: 'valuePath', path, filter };
    }
    return this.operation(path);
  }

  private operation(path: AttributePath): Filter {
    const operator = this.peek();
    const name = operator?.type === 'word' ? operator.text.toLowerCase() : '';
    if (name === 'pr') {
      this.next++;
      return { kind: 'present', path };
    }
    if (!operator || !OPERATORS.has(name)) {
      throw fail(`An operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr) was expected`, operator?.at ?? this.length + 1);
    }
    this.next++;
    const value = this.peek();
    if (!value || (value.type !== 'word' && value.type !== 'string')) throw fail('A value was expected', value?.at ?? this.length + 1);
    this.next++;
    return { kind: 'compare', path, operator: name as Operator, value: this.value(path.subAttribute ?? path.attribute, value) };
  }

  private value(attribute: Attribute, token: Token): string | number | boolean | null {
    if (token.type === 'word' && token.text === 'null') return null;
    switch (attribute.type) {
      case 'boolean':
        // Also as a string: roles[primary eq "True"].
        if (/^(true|false)$/i.test(token.text)) return token.text.toLowerCase() === 'true';
        throw fail(`${attribute.name} is compared with true or false`, token.at);
      case 'integer':
      case 'decimal':
        if (token.type === 'word' && Number.isFinite(Number(token.text))) return Number(token.text);
        throw fail(`${attribute.name} is compared with a number`, token.at);
      default:
        // One of Microsoft's samples sends externalId without quotes; a word that is JSON of another type is an error.
        if (token.type === 'word' && /^(true|false)$/i.test(token.text)) throw fail(`${attribute.name} is compared with a string`, token.at);
        return token.text;
    }
  }

  private path(text: string, at: number): AttributePath {
    const path = findPath(this.definition, text);
    if (!path) throw fail(`There is no attribute "${text}"`, at);
    return path;
  }

  private inside(scope: AttributePath, token: Token): AttributePath {
    const subAttribute = findSubAttribute(scope.attribute, token.text);
    if (!subAttribute) throw fail(`${scope.attribute.name} has no sub-attribute "${token.text}"`, token.at);
    return { ...scope, subAttribute };
  }

  private peek(): Token | undefined {
    return this.tokens[this.next];
  }

  private take(word: string): boolean {
    const token = this.peek();
    if (token?.type !== 'word' || token.text.toLowerCase() !== word) return false;
    this.next++;
    return true;
  }

  private expect(type: Token['type']): void {
    const token = this.peek();
    if (token?.type !== type) throw fail(`"${type}" was expected`, token?.at ?? this.length + 1);
    this.next++;
  }
}

/** `name.givenName`, `urn:…:User:manager.value`; undefined when there is none. */
export const findPath = (definition: ResourceDefinition, text: string): AttributePath | undefined => {
  const whole = findAttribute(definition, text);
  if (whole) return whole;
  // A URN has dots of its own: the last one may part attribute and sub-attribute.
  const dot = text.lastIndexOf('.');
  const parent = dot > 0 ? findAttribute(definition, text.slice(0, dot)) : undefined;
  const subAttribute = parent && findSubAttribute(parent.attribute, text.slice(dot + 1));
  return parent && subAttribute ? { ...parent, subAttribute } : undefined;
};

/** Throws Rejected(invalidFilter) that says what is wrong and where. */
export const parseFilter = (definition: ResourceDefinition, text: string): Filter => {
  if (text.length > MAX_FILTER_CHARACTERS) throw new Rejected('invalidFilter', `The filter is longer than ${MAX_FILTER_CHARACTERS} characters.`);
  return new FilterParser(definition, tokenize(text), text.length).whole();
};

/** The filter in the brackets of a value path: its attributes are sub-attributes of `path`. */
export const parseValueFilter = (definition: ResourceDefinition, path: AttributePath, text: string): Filter => {
  if (text.length > MAX_FILTER_CHARACTERS) throw new Rejected('invalidFilter', `The filter is longer than ${MAX_FILTER_CHARACTERS} characters.`);
  return new FilterParser(definition, tokenize(text), text.length).whole(path);
};

/** Direct evaluation in memory. A multi-valued attribute matches when any of its values does. */
export const matches = (filter: Filter, resource: Resource): boolean => {
  switch (filter.kind) {
    case 'and':
      return matches(filter.left, resource) && matches(filter.right, resource);
    case 'or':
      return matches(filter.left, resource) || matches(filter.right, resource);
    case 'not':
      return !matches(filter.filter, resource);
    case 'valuePath':
      return valuesAt(filter.path, resource).some((value) => matchesValue(filter.filter, value));
    case 'present':
      return valuesAt(filter.path, resource).some(isPresent);
    case 'compare':
      return compareAny(filter, valuesAt(filter.path, resource));
  }
};

/** Evaluates the filter of a value path on one value of its attribute. */
export const matchesValue = (filter: Filter, value: Json): boolean => {
  switch (filter.kind) {
    case 'and':
      return matchesValue(filter.left, value) && matchesValue(filter.right, value);
    case 'or':
      return matchesValue(filter.left, value) || matchesValue(filter.right, value);
    case 'not':
      return !matchesValue(filter.filter, value);
    case 'valuePath':
      return false;
    case 'present':
      return isPresent(subValue(filter.path, value));
    case 'compare': {
      const found = subValue(filter.path, value);
      return compareAny(filter, found === undefined ? [] : [found]);
    }
  }
};

const subValue = ({ subAttribute }: AttributePath, value: Json): Json | undefined =>
  subAttribute && isObject(value) ? (value as Resource)[subAttribute.name] : value;

const isPresent = (value: Json | undefined): boolean =>
  value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);

const valuesAt = ({ attribute, subAttribute, schema, extension }: AttributePath, resource: Resource): Json[] => {
  const holder = extension ? resource[schema] : resource;
  const value = isObject(holder) ? (holder as Resource)[attribute.name] : undefined;
  if (value === undefined || value === null) return [];
  const values = (Array.isArray(value) ? value : [value]) as Json[];
  return subAttribute ? values.flatMap((element) => (isObject(element) ? ((element as Resource)[subAttribute.name] ?? []) : [])) : values;
};

const compareAny = (filter: Extract<Filter, { kind: 'compare' }>, values: readonly Json[]): boolean => {
  const { operator, value: operand, path } = filter;
  const attribute = path.subAttribute ?? path.attribute;
  // RFC 7644 §3.4.2.2: comparing a complex attribute means its value.
  const simple = values.flatMap((value) => (isObject(value) ? ((value as Resource).value ?? []) : [value]));
  if (operand === null) return operator === 'eq' ? !simple.some(isPresent) : operator === 'ne' && simple.some(isPresent);
  // `ne` is the opposite of `eq`: also true for what is absent.
  if (operator === 'ne') return !simple.some((value) => compare(attribute, 'eq', value, operand));
  return simple.some((value) => compare(attribute, operator, value, operand));
};

const compare = (attribute: Attribute, operator: Operator, value: Json, operand: string | number | boolean): boolean => {
  if (typeof value === 'boolean' || typeof operand === 'boolean') return operator === 'eq' && value === operand;
  let left: string | number;
  let right: string | number;
  if (typeof value === 'number' && typeof operand === 'number') [left, right] = [value, operand];
  else if (attribute.type === 'dateTime' && operator !== 'co' && operator !== 'sw' && operator !== 'ew') {
    [left, right] = [Date.parse(String(value)), Date.parse(String(operand))];
  } else {
    const text = attribute.caseExact ? (raw: string): string => raw : fold;
    [left, right] = [text(String(value)), text(String(operand))];
  }
  switch (operator) {
    case 'eq': return left === right;
    case 'ne': return left !== right;
    case 'co': return String(left).includes(String(right));
    case 'sw': return String(left).startsWith(String(right));
    case 'ew': return String(left).endsWith(String(right));
    case 'gt': return left > right;
    case 'ge': return left >= right;
    case 'lt': return left < right;
    case 'le': return left <= right;
  }
};

