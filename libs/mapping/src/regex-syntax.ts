/**
 * Regular expressions of .NET, compiled into a program that regex.ts carries out in bounded time. No package does: the
 * linear ones have no lookahead, which Microsoft's own default mapping of a distinguished name needs, and count no
 * steps. Back-references and the like, which no bounded engine can have, are refused.
 */

/** Length of a pattern, in UTF-16 units. */
export const MAX_PATTERN_CHARACTERS = 2_000;
/** Groups inside each other. */
export const MAX_PATTERN_DEPTH_LEVELS = 32;
/** Tells whether a set has a UTF-16 unit. */
export type UnitTest = (unit: number) => boolean;

export type Assertion = 'start' | 'end' | 'lineStart' | 'lineEnd' | 'textEnd' | 'boundary' | 'noBoundary';

/** A fault in a pattern; `at` is its offset. */
export class PatternFault extends Error {
  constructor(
    readonly reason: string,
    readonly at: number,
  ) {
    super(`${reason}, at character ${at + 1} of the pattern`);
  }
}

export type Node =
  | { kind: 'unit'; test: UnitTest }
  | { kind: 'assert'; what: Assertion }
  | { kind: 'sequence'; nodes: Node[] }
  | { kind: 'choice'; nodes: Node[] }
  | { kind: 'group'; node: Node; index: number }
  | { kind: 'look'; node: Node; behind: boolean; negated: boolean }
  | { kind: 'repeat'; node: Node; min: number; max: number; lazy: boolean };

interface Options {
  readonly ignoreCase: boolean;
  readonly multiline: boolean;
  readonly singleline: boolean;
  readonly explicit: boolean;
}
const OPTIONS: { readonly [letter: string]: keyof Options } = {
  i: 'ignoreCase',
  m: 'multiline',
  s: 'singleline',
  n: 'explicit',
};

const WORD = /[\p{L}\p{Mn}\p{Nd}\p{Pc}]/u;
/** .NET's classes are those of Unicode. Most units are ASCII, which need no expression. */
const asciiFirst = (inAscii: RegExp, beyond: RegExp): UnitTest => {
  const table = Array.from({ length: 128 }, (_, unit) => inAscii.test(String.fromCharCode(unit)));
  return (unit) => (unit < 128 ? table[unit]! : beyond.test(String.fromCharCode(unit)));
};
const CLASSES: { readonly [letter: string]: UnitTest } = {
  d: asciiFirst(/\d/, /\p{Nd}/u),
  w: asciiFirst(/\w/, WORD),
  s: asciiFirst(/\s/, /\s/),
};
/** A letter, a digit, a mark or a connector such as _. */
export const isWord: UnitTest = CLASSES.w!;
const ESCAPES: { readonly [letter: string]: string } = {
  t: '\t',
  n: '\n',
  r: '\r',
  f: '\f',
  v: '\v',
  a: '\x07',
  e: '\x1b',
  0: '\0',
};
const ASSERTIONS: { readonly [letter: string]: Assertion } = {
  A: 'start',
  z: 'textEnd',
  Z: 'end',
  b: 'boundary',
  B: 'noBoundary',
};
const not =
  (test: UnitTest): UnitTest =>
  (unit) =>
    !test(unit);

/** A pattern as a tree, with its groups. */
export interface Pattern {
  readonly node: Node;
  /** The number of groups, with the whole match as the first. */
  readonly groups: number;
  readonly names: ReadonlyMap<string, number>;
}

/** Throws PatternFault. */
export const readPattern = (pattern: string): Pattern => {
  if (pattern.length > MAX_PATTERN_CHARACTERS)
    throw new PatternFault(`The pattern is longer than ${MAX_PATTERN_CHARACTERS} characters`, MAX_PATTERN_CHARACTERS);
  const reader = new Reader(pattern);
  const node = reader.whole();
  return { node, groups: reader.groups, names: reader.names };
};

class Reader {
  private at = 0;
  private depth = 0;
  private isInLook = false;
  readonly names = new Map<string, number>();
  groups = 1;
  /** .NET numbers the groups with names behind all others. */
  private readonly named: { readonly name: string; readonly node: { index: number } }[] = [];

  constructor(private readonly pattern: string) {}

  whole(): Node {
    const node = this.choice({ ignoreCase: false, multiline: false, singleline: false, explicit: false });
    if (this.at < this.pattern.length) throw this.fault('A ")" has no "("');
    for (const { name, node: group } of this.named) {
      const index = this.names.get(name) ?? this.groups++;
      this.names.set(name, index);
      group.index = index;
    }
    return node;
  }

  private choice(given: Options): Node {
    let options = given;
    const nodes: Node[] = [];
    let sequence: Node[] = [];
    for (;;) {
      const character = this.pattern[this.at];
      if (character === undefined || character === ')') break;
      if (character === '|') {
        this.at++;
        nodes.push({ kind: 'sequence', nodes: sequence });
        sequence = [];
        continue;
      }
      const inline = /^\(\?([imsn]*)(?:-([imsn]+))?\)/.exec(this.pattern.slice(this.at, this.at + 16));
      if (inline) {
        this.at += inline[0].length;
        options = changed(options, inline[1]!, inline[2]);
      } else sequence.push(this.repeated(options));
    }
    const last: Node = { kind: 'sequence', nodes: sequence };
    return nodes.length === 0 ? last : { kind: 'choice', nodes: [...nodes, last] };
  }

  private repeated(options: Options): Node {
    const node = this.atom(options);
    const quantifier = this.quantifier();
    if (!quantifier) return node;
    const [min, max] = quantifier;
    const lazy = this.take('?');
    if (this.quantifier()) throw this.fault('A repetition is repeated', this.at - 1);
    return { kind: 'repeat', node, min, max, lazy };
  }

  /** Braces that hold no numbers are literals. */
  private quantifier(): readonly [number, number] | null {
    const found = /^(?:[*+?]|\{(\d{1,4})(,(\d{1,4})?)?\})/.exec(this.pattern.slice(this.at, this.at + 12));
    if (!found) return null;
    const [text, min, comma, max] = found;
    this.at += text.length;
    if (text === '*') return [0, Infinity];
    if (text === '+') return [1, Infinity];
    if (text === '?') return [0, 1];
    const least = Number(min);
    const most = max !== undefined ? Number(max) : comma !== undefined ? Infinity : least;
    if (most < least) throw this.fault('The numbers of a repetition are the wrong way round', this.at - 1);
    return [least, most];
  }

  private atom(options: Options): Node {
    const character = this.pattern[this.at++]!;
    switch (character) {
      case '(':
        return this.group(options);
      case '[':
        return { kind: 'unit', test: this.set(options) };
      case '.':
        return { kind: 'unit', test: options.singleline ? () => true : (unit) => unit !== 0x0a };
      case '^':
        return { kind: 'assert', what: options.multiline ? 'lineStart' : 'start' };
      case '$':
        return { kind: 'assert', what: options.multiline ? 'lineEnd' : 'end' };
      case '*':
      case '+':
      case '?':
        throw this.fault(`Nothing stands before "${character}"`, this.at - 1);
      case '\\': {
        const letter = this.pattern[this.at] ?? '';
        const assertion = ASSERTIONS[letter];
        if (assertion && Object.hasOwn(ASSERTIONS, letter)) {
          this.at++;
          return { kind: 'assert', what: assertion };
        }
        const escaped = this.escape();
        return { kind: 'unit', test: typeof escaped === 'function' ? escaped : literal(escaped, options) };
      }
      default:
        return { kind: 'unit', test: literal(character.charCodeAt(0), options) };
    }
  }

  /** The class, or the UTF-16 unit, behind a backslash. */
  private escape(): UnitTest | number {
    const at = this.at - 1;
    const letter = this.pattern[this.at++];
    if (letter === undefined) throw this.fault('The pattern ends with a backslash', at);
    const known = Object.hasOwn(CLASSES, letter.toLowerCase()) ? CLASSES[letter.toLowerCase()]! : undefined;
    if (known) return letter === letter.toLowerCase() ? known : not(known);
    if (letter === 'p' || letter === 'P') return this.category(letter === 'P', at);
    if (Object.hasOwn(ESCAPES, letter)) return ESCAPES[letter]!.charCodeAt(0);
    if (/[1-9k]/.test(letter))
      throw this.fault('A reference back to a group cannot be carried out in bounded time', at);
    if (letter === 'x' || letter === 'u') {
      const length = letter === 'x' ? 2 : 4;
      const digits = this.pattern.slice(this.at, this.at + length);
      if (digits.length < length || !/^[\da-f]+$/i.test(digits))
        throw this.fault(`\\${letter} needs ${length} digits`, at);
      this.at += length;
      return Number.parseInt(digits, 16);
    }
    if (/[a-z_]/i.test(letter)) throw this.fault(`\\${letter} is not known here`, at);
    return letter.charCodeAt(0);
  }

  private category(negated: boolean, at: number): UnitTest {
    const found = /^\{(C[cfos]?|L[ulmto]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?)\}/.exec(
      this.pattern.slice(this.at, this.at + 5),
    );
    if (!found) throw this.fault('\\p takes a category such as \\p{L} or \\p{Nd}', at);
    this.at += found[0].length;
    const expression = new RegExp(`\\p{${found[1]!}}`, 'u');
    const test: UnitTest = (unit) => expression.test(String.fromCharCode(unit));
    return negated ? not(test) : test;
  }

  private group(options: Options): Node {
    const at = this.at - 1;
    if (++this.depth > MAX_PATTERN_DEPTH_LEVELS)
      throw this.fault(`More than ${MAX_PATTERN_DEPTH_LEVELS} groups stand inside each other`, at);
    const node = this.groupAt(at, options);
    if (!this.take(')')) throw this.fault('A group is not closed', at);
    this.depth--;
    return node;
  }

  private groupAt(at: number, options: Options): Node {
    if (!this.take('?')) {
      if (options.explicit) return this.choice(options);
      const index = this.capture(at) ?? this.groups++;
      return { kind: 'group', index, node: this.choice(options) };
    }
    const rest = this.pattern.slice(this.at, this.at + 80);
    const look = /^(<?)([=!])/.exec(rest);
    if (look) {
      this.at += look[0].length;
      const outer = this.isInLook;
      this.isInLook = true;
      const node = this.choice(options);
      this.isInLook = outer;
      return { kind: 'look', node, behind: look[1] === '<', negated: look[2] === '!' };
    }
    const name = /^(?:<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/.exec(rest);
    if (name) {
      this.capture(at);
      this.at += name[0].length;
      const group = { kind: 'group' as const, index: 0, node: { kind: 'sequence', nodes: [] } as Node };
      this.named.push({ name: name[1] ?? name[2]!, node: group });
      group.node = this.choice(options);
      return group;
    }
    const plain = /^([imsn]*)(?:-([imsn]+))?:/.exec(rest);
    if (!plain) throw this.fault('A group of this kind cannot be carried out here', at);
    this.at += plain[0].length;
    return this.choice(changed(options, plain[1]!, plain[2]));
  }

  private capture(at: number): undefined {
    if (this.isInLook) throw this.fault('A group in a lookahead or lookbehind keeps nothing: write (?:…)', at);
  }

  private set(options: Options): UnitTest {
    const open = this.at - 1;
    const negated = this.take('^');
    const tests: UnitTest[] = [];
    let taken: UnitTest | null = null;
    for (let isFirst = true; ; isFirst = false) {
      const character = this.pattern[this.at++];
      if (character === undefined) throw this.fault('A set is not closed', open);
      if (character === ']' && !isFirst) break;
      if (character === '-' && this.pattern[this.at] === '[' && !isFirst) {
        this.at++;
        taken = this.nested(options, open);
        if (!this.take(']')) throw this.fault('What is taken from a set stands at its end', open);
        break;
      }
      const from = this.member(character);
      if (typeof from === 'function') {
        tests.push(from);
        continue;
      }
      const isRange = this.pattern[this.at] === '-' && !/^[\][]?$/.test(this.pattern[this.at + 1] ?? '');
      if (!isRange) {
        tests.push(literal(from, options));
        continue;
      }
      this.at++;
      const to = this.member(this.pattern[this.at++]!);
      if (typeof to === 'function' || to < from)
        throw this.fault('A range in a set is the wrong way round', this.at - 1);
      tests.push(range(from, to, options));
    }
    const within = anyOf(tests);
    const test = negated ? not(within) : within;
    const without = taken;
    return without ? (unit) => test(unit) && !without(unit) : test;
  }

  private nested(options: Options, at: number): UnitTest {
    if (++this.depth > MAX_PATTERN_DEPTH_LEVELS)
      throw this.fault(`More than ${MAX_PATTERN_DEPTH_LEVELS} sets stand inside each other`, at);
    const test = this.set(options);
    this.depth--;
    return test;
  }

  private member(character: string): UnitTest | number {
    if (character !== '\\') return character.charCodeAt(0);
    // In a set, \b is a backspace.
    if (this.take('b')) return 8;
    return this.escape();
  }

  private take(character: string): boolean {
    if (this.pattern[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private fault(reason: string, at = this.at): PatternFault {
    return new PatternFault(reason, at);
  }
}

const changed = (options: Options, on: string, off = ''): Options => ({
  ...options,
  ...Object.fromEntries([...on].map((letter) => [OPTIONS[letter], true])),
  ...Object.fromEntries([...off].map((letter) => [OPTIONS[letter], false])),
});

const lower = (unit: number): number => String.fromCharCode(unit).toLowerCase().charCodeAt(0);
const upper = (unit: number): number => String.fromCharCode(unit).toUpperCase().charCodeAt(0);

const literal = (unit: number, { ignoreCase }: Options): UnitTest => {
  if (!ignoreCase) return (other) => other === unit;
  const small = lower(unit);
  return (other) => other === unit || lower(other) === small;
};

const range = (from: number, to: number, { ignoreCase }: Options): UnitTest => {
  const within: UnitTest = (unit) => unit >= from && unit <= to;
  return ignoreCase ? (unit) => within(unit) || within(lower(unit)) || within(upper(unit)) : within;
};

/** Sets are asked for each unit of a text: those of ASCII are looked up. */
const anyOf = (tests: readonly UnitTest[]): UnitTest => {
  const any: UnitTest = (unit) => tests.some((test) => test(unit));
  const table = Uint8Array.from({ length: 128 }, (_, unit) => (any(unit) ? 1 : 0));
  return (unit) => (unit < 128 ? table[unit] === 1 : any(unit));
};
