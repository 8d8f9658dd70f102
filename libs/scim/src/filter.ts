import { Rejected } from './error.js';
import { hasTooManyMarks } from './fold.js';
import { quote, TOO_MANY_MARKS } from './json.js';
import { isStored } from './resource.js';
import { findPath, findSubAttribute, type Attribute, type AttributePath, type ResourceDefinition } from './schema.js';
import { isDateTime } from './value.js';

/** Length of a filter, in UTF-16 units. */
export const MAX_FILTER_CHARACTERS = 8_192;
/** Levels of brackets inside each other. */
export const MAX_FILTER_DEPTH_LEVELS = 32;
/** A scope is held against every user that its directory writes, of up to MAX_RESOURCE_BYTES. */
const MAX_SCOPE_COMPARISONS = 40;

const OPERATORS = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const;
export type Operator = (typeof OPERATORS)[number];

/**
 * A filter (RFC 7644 §3.4.2.2) as a tree. A comparison with a complex attribute (`emails eq "x"`) is one with its
 * `value`; `emails[type eq "work"].value eq "x"` is a value path whose filter asks for both.
 */
export type Filter =
  | { readonly kind: 'compare'; readonly path: AttributePath; readonly operator: Operator; readonly value: Operand }
  | { readonly kind: 'present'; readonly path: AttributePath }
  | { readonly kind: 'and' | 'or'; readonly left: Filter; readonly right: Filter }
  | { readonly kind: 'not'; readonly filter: Filter }
  | { readonly kind: 'valuePath'; readonly path: AttributePath; readonly filter: Filter };

/**
 * The operand of a comparison: a string as the client wrote it (fold both sides), or a value of the attribute's type.
 */
export type Operand = string | number | boolean | null;

/** Throws Rejected(invalidFilter) that says what is wrong and at which character. */
export const parseFilter = (definition: ResourceDefinition, text: string): Filter =>
  new FilterParser(text, { definition }).whole();

/**
 * The scope of a directory: a filter on what its identity provider writes. What only the service itself writes is not
 * known when a user is judged. Throws like parseFilter.
 */
export const parseScope = (definition: ResourceDefinition, text: string): Filter =>
  new FilterParser(text, { definition, isOfWritten: true }, MAX_SCOPE_COMPARISONS).whole();

/** The filter in the brackets of a value path: its attributes are the parts of `path`. Throws like parseFilter. */
export const parseValueFilter = (path: AttributePath, text: string): Filter => new FilterParser(text, { path }).whole();

/**
 * The definitions in which the names of a filter are looked up: in a resource type, or, inside brackets, in one
 * attribute. `isOfWritten`: only attributes that clients write.
 */
type Names =
  | { readonly definition: ResourceDefinition; readonly isOfWritten?: boolean }
  | { readonly path: AttributePath };

interface Token {
  readonly type: 'word' | 'string' | '(' | ')' | '[' | ']' | 'end';
  readonly text: string;
  /** The number of its first character, from 1. */
  readonly at: number;
}

const fail = (detail: string, at: number): Rejected =>
  new Rejected('invalidFilter', `${detail}, at character ${at} of the filter (RFC 7644 §3.4.2.2).`);

/** Quotation marks that enclose no string: around a word they would become part of its value, so they are refused. */
const OTHER_QUOTES = /^[`\u00ab\u00b4\u00bb\u2018-\u201f\u2039\u203a]|['`\u00ab\u00b4\u00bb\u2018-\u201f\u2039\u203a]$/;

/**
 * The tokens of a filter; the last one is `end`. Strings are JSON strings, in single quotes too: several clients write
 * those, and as part of a word they would be stored. Everything between marks and spaces is a word. Each alternative
 * begins with another character, and none can match one text in two ways: a filter is read in one pass.
 */
const tokenize = (text: string): Token[] => {
  if (text.length > MAX_FILTER_CHARACTERS)
    throw fail(`The filter is longer than ${MAX_FILTER_CHARACTERS} characters`, MAX_FILTER_CHARACTERS + 1);
  const tokens: Token[] = [];
  const pattern =
    /\s+|(?<mark>[()[\]])|(?<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.|'')*')|(?<word>[^\s()[\]"'][^\s()[\]"]*)/suy;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex + 1;
    const groups = pattern.exec(text)?.groups;
    if (!groups) throw fail('A string is not closed', at);
    const { mark, quoted, word } = groups;
    if (word && OTHER_QUOTES.test(word)) throw fail('A string stands in "double quotes", and in no others', at);
    if (mark) tokens.push({ type: mark as '(' | ')' | '[' | ']', text: mark, at });
    else if (quoted) tokens.push({ type: 'string', text: storable(unquote(quoted, at), at), at });
    else if (word) tokens.push({ type: 'word', text: storable(word, at), at });
  }
  tokens.push({ type: 'end', text: 'the end', at: text.length + 1 });
  return tokens;
};

/**
 * The same string in double quotes. Where strings stand in single ones, as in OData, a quote inside is written twice,
 * or with a backslash.
 */
const inDoubleQuotes = (quoted: string): string => {
  const inner = quoted
    .slice(1, -1)
    .replace(/''|\\.|"/gs, (found) => (found === "''" || found === "\\'" ? "'" : found === '"' ? '\\"' : found));
  return `"${inner}"`;
};

const unquote = (quoted: string, at: number): string => {
  try {
    return JSON.parse(quoted.startsWith("'") ? inDoubleQuotes(quoted) : quoted) as string;
  } catch {
    throw fail('A string is not a JSON string', at);
  }
};

/** Postgres refuses NUL characters and lone surrogates; many marks on one letter cannot be compared in time. */
const storable = (text: string, at: number): string => {
  if (hasTooManyMarks(text)) throw fail(`The text ${TOO_MANY_MARKS}`, at);
  if (text.includes('\0') || !text.isWellFormed())
    throw fail('There is a NUL character or half of a surrogate pair', at);
  return text;
};

/** By descent, a method for each level of precedence: or, and, not and brackets (RFC 7644 §3.4.2.2, table 5). */
class FilterParser {
  private readonly tokens: readonly Token[];
  private next = 0;
  private depth = 0;
  private comparisons = 0;

  constructor(
    text: string,
    private readonly names: Names,
    private readonly maxComparisons = Number.POSITIVE_INFINITY,
  ) {
    this.tokens = tokenize(text);
  }

  whole(): Filter {
    const filter = this.or(this.names);
    const rest = this.peek();
    if (rest.type !== 'end') throw this.unexpected(rest, '"and", "or" or the end');
    return filter;
  }

  private or(names: Names): Filter {
    let left = this.and(names);
    while (this.takeWord('or')) left = { kind: 'or', left, right: this.and(names) };
    return left;
  }

  private and(names: Names): Filter {
    let left = this.factor(names);
    while (this.takeWord('and')) left = { kind: 'and', left, right: this.factor(names) };
    return left;
  }

  private factor(names: Names): Filter {
    if (this.takeWord('not')) return { kind: 'not', filter: this.group('(', ')', names) };
    return this.peek().type === '(' ? this.group('(', ')', names) : this.expression(names);
  }

  /** Only here the parser calls itself, so that the limit keeps any input from overflowing the stack. */
  private group(open: '(' | '[', close: ')' | ']', names: Names): Filter {
    const { at } = this.take(open);
    if (++this.depth > MAX_FILTER_DEPTH_LEVELS)
      throw fail(`More than ${MAX_FILTER_DEPTH_LEVELS} levels of brackets`, at);
    const filter = this.or(names);
    this.take(close);
    this.depth--;
    return filter;
  }

  private expression(names: Names): Filter {
    const name = this.take('word', 'an attribute');
    const path = pathOf(names, name);
    if (this.peek().type !== '[') return this.operation(path);
    if ('path' in names || path.subAttribute) throw this.unexpected(this.peek(), 'an operator');
    const filter = this.group('[', ']', { path });
    const after = this.peek();
    // Entra: emails[type eq "work"].value eq "x", or, in a sample of Microsoft's, without .value. RFC 7644 has no such
    // form; it means a value that fulfils both.
    const isPart = after.type === 'word' && after.text.startsWith('.');
    if (!isPart && !(after.type === 'word' && isOperation(after.text.toLowerCase())))
      return { kind: 'valuePath', path, filter };
    if (isPart) this.next++;
    const part = isPart ? pathOf({ path }, { ...after, text: after.text.slice(1) }) : path;
    return { kind: 'valuePath', path, filter: { kind: 'and', left: filter, right: this.operation(part) } };
  }

  private operation(path: AttributePath): Filter {
    const word = this.take('word', 'an operator');
    if (++this.comparisons > this.maxComparisons) throw fail(`More than ${this.maxComparisons} comparisons`, word.at);
    const operator = word.text.toLowerCase();
    if (operator === 'pr') return { kind: 'present', path };
    if (!isOperator(operator)) throw this.unexpected(word, `an operator (${OPERATORS.join(', ')}, pr)`);
    const value = this.peek();
    if (value.type !== 'word' && value.type !== 'string') throw this.unexpected(value, 'a value');
    this.next++;
    return comparison(path, word, operator, value);
  }

  private peek(): Token {
    return this.tokens[this.next]!;
  }

  private takeWord(word: string): boolean {
    const { type, text } = this.peek();
    if (type !== 'word' || text.toLowerCase() !== word) return false;
    this.next++;
    return true;
  }

  private take(type: Token['type'], expected = `"${type}"`): Token {
    const token = this.peek();
    if (token.type !== type) throw this.unexpected(token, expected);
    this.next++;
    return token;
  }

  private unexpected({ type, text, at }: Token, expected: string): Rejected {
    return fail(`Expected ${expected}, not ${type === 'end' ? text : quote(text)}`, at);
  }
}

const isOperator = (word: string): word is Operator => (OPERATORS as readonly string[]).includes(word);
const isOperation = (word: string): boolean => word === 'pr' || isOperator(word);

const pathOf = (names: Names, { text, at }: Token): AttributePath => {
  if ('path' in names) {
    const subAttribute = findSubAttribute(names.path.attribute, text);
    if (!subAttribute) throw fail(`${names.path.attribute.name} has no part named ${quote(text)}`, at);
    return { ...names.path, subAttribute };
  }
  const path = findPath(names.definition, text);
  if (!path) throw fail(`There is no attribute named ${quote(text)}`, at);
  if (path.attribute.returned === 'never') throw fail(`${path.attribute.name} cannot be asked for`, at);
  if (names.isOfWritten && !isWritten(path))
    throw fail(`Expected an attribute that the identity provider writes, not ${quote(text)}`, at);
  return path;
};

const isWritten = (path: AttributePath): boolean => isStored(path) && path.subAttribute?.mutability !== 'readOnly';

const ORDERING: ReadonlySet<Operator> = new Set<Operator>(['gt', 'ge', 'lt', 'le']);
const EQUALITY: ReadonlySet<Operator> = new Set<Operator>(['eq', 'ne']);

/** Checks that operator and operand fit the type of the attribute, and gives the operand that type. */
const comparison = (whole: AttributePath, { at }: Token, operator: Operator, token: Token): Filter => {
  const path = simplePath(whole, at);
  const attribute = path.subAttribute ?? path.attribute;
  const { name, type } = attribute;
  // An empty text is no value of any type but a string: it asks for what has none, as null does.
  const isNull =
    (token.type === 'word' && token.text === 'null') ||
    (token.text === '' && type !== 'string' && EQUALITY.has(operator));
  // RFC 7644 §3.4.2.2: gt, ge, lt and le fail for booleans and binaries. Neither they nor null have a beginning or an
  // end.
  const isEqualityOnly = isNull || type === 'boolean' || type === 'binary';
  const isNumber = type === 'integer' || type === 'decimal';
  const isFit = EQUALITY.has(operator) || (!isEqualityOnly && (ORDERING.has(operator) || !isNumber));
  if (!isFit) throw fail(`${name}${isNull ? ' and null' : ''} cannot be compared with ${operator}`, at);
  return { kind: 'compare', path, operator, value: isNull ? null : operandOf(attribute, operator, token) };
};

/** RFC 7644 §3.4.2.2: `emails eq "x"` asks for the `value` of an e-mail. */
const simplePath = (path: AttributePath, at: number): AttributePath => {
  if (path.subAttribute || path.attribute.type !== 'complex') return path;
  const subAttribute = findSubAttribute(path.attribute, 'value');
  if (!subAttribute) throw fail(`${path.attribute.name} has no value of its own: name one of its parts`, at);
  return { ...path, subAttribute };
};

const operandOf = ({ name, type }: Attribute, operator: Operator, { type: tokenType, text, at }: Token): Operand => {
  switch (type) {
    case 'boolean':
      // Also as a string: Entra asks for roles[primary eq "True"].
      if (/^(true|false)$/i.test(text)) return text.length === 4;
      throw fail(`${name} is compared with true or false, not ${quote(text)}`, at);
    case 'integer':
    case 'decimal':
      if (tokenType === 'word' && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text)) return Number(text);
      throw fail(`${name} is compared with a number, not ${quote(text)}`, at);
    case 'dateTime':
      if ((!EQUALITY.has(operator) && !ORDERING.has(operator)) || isDateTime(text)) return text;
      throw fail(`${name} is compared with a dateTime such as "2026-01-31T08:00:00Z", not ${quote(text)}`, at);
    default:
      // One of Microsoft's samples sends an externalId without quotes. true and false are values of another type.
      if (tokenType === 'string' || !/^(true|false)$/i.test(text)) return text;
      throw fail(`${name} is compared with a string, not ${text}`, at);
  }
};
