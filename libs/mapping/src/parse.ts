import { ExpressionFault } from './fault.js';
import { COMPARISONS, WORDS, type Comparison, type Expression, type Word } from './syntax.js';

/** Length of an expression, in UTF-16 units: Entra's own limit. */
export const MAX_EXPRESSION_CHARACTERS = 10_000;
/** Calls inside each other. The deepest expression of Microsoft's own pages has seven. */
export const MAX_EXPRESSION_DEPTH_LEVELS = 64;

/** Functions whose first argument may be a comparison; it may stand nowhere else. */
const COMPARING: ReadonlySet<string> = new Set(['iif', 'cbool']);

const BLANK = /\s*/y;
const NAME = /[A-Za-z_]\w*/y;
const NUMBER = /&H[\dA-F]+|-?\d+(?:\.\d+)?/iy;
const COMPARISON = /<>|>=|<=|[=<>]/y;
const PARAMETER = /%(\w+)%/y;
/** A plain name, or a SCIM path: URNs have colons and dots, and a filter stands in brackets of its own. */
const ATTRIBUTE = /\[\s*([A-Za-z_$][\w.:$-]*(?:\[[^[\]]*\](?:\.[\w$-]+)?)?)\s*\]/y;
const A_VALUE = 'a function, an [attribute], a number or a "text"';

/** Throws ExpressionFault that says where it cannot be read, and what is expected there. */
export const parseExpression = (text: string): Expression => new Parser(text).whole();

/** A recursive descent: a method for each rule of the grammar. Function names are looked up later, by compileExpression. */
class Parser {
  private at = 0;
  private depth = 0;

  constructor(private readonly text: string) {}

  whole(): Expression {
    if (this.text.length > MAX_EXPRESSION_CHARACTERS)
      throw this.fault(
        `The expression has ${this.text.length} characters`,
        `at most ${MAX_EXPRESSION_CHARACTERS}`,
        MAX_EXPRESSION_CHARACTERS,
      );
    const expression = this.value();
    this.skip();
    if (this.at < this.text.length) throw this.unexpected(`the end, because an expression is one call or one value`);
    return expression;
  }

  private value(): Expression {
    this.skip();
    const at = this.at;
    switch (this.text[at]) {
      case '"':
        return { kind: 'text', at, text: this.quoted() };
      case '[':
        return { kind: 'attribute', at, name: this.attribute() };
      case '%': {
        const name = this.match(PARAMETER)?.[1];
        if (name === undefined) throw this.unexpected('a parameter such as %DomainFQDN%');
        return { kind: 'parameter', at, name };
      }
    }
    const number = this.match(NUMBER)?.[0];
    if (number !== undefined) return { kind: 'number', at, value: numberOf(number) };
    const name = this.match(NAME)?.[0];
    if (name === undefined) throw this.unexpected(A_VALUE);
    this.skip();
    if (this.text[this.at] === '(') return { kind: 'call', at, name, args: this.args(name) };
    const word = WORDS.find((known) => known.toLowerCase() === name.toLowerCase());
    if (!word) throw this.fault(`${name} is neither in quotes nor followed by "("`, A_VALUE, at);
    return { kind: 'word', at, word: word satisfies Word };
  }

  /** Only here the parser calls itself, so that the limit keeps any input from overflowing the stack. */
  private args(name: string): (Expression | null)[] {
    if (++this.depth > MAX_EXPRESSION_DEPTH_LEVELS)
      throw this.fault(
        'Too many functions stand inside each other',
        `at most ${MAX_EXPRESSION_DEPTH_LEVELS} levels`,
        this.at,
      );
    const args: (Expression | null)[] = [];
    do {
      this.at++;
      args.push(this.argument(name, args.length));
    } while (this.text[this.at] === ',');
    if (this.text[this.at] !== ')') throw this.unexpected('"," or ")"');
    this.at++;
    this.depth--;
    while (args.at(-1) === null) args.pop();
    return args;
  }

  /** Ends at the first character behind the argument that is no blank. */
  private argument(name: string, index: number): Expression | null {
    this.skip();
    if (this.text[this.at] === ',' || this.text[this.at] === ')') return null;
    const left = this.value();
    this.skip();
    const operator = this.match(COMPARISON)?.[0] as Comparison | undefined;
    if (operator === undefined) return left;
    if (index > 0 || !COMPARING.has(name.toLowerCase()))
      throw this.fault(
        `A comparison stands in ${name}`,
        `${COMPARISONS.join(' ')} only as the condition of IIF or in CBool`,
        this.at - operator.length,
      );
    const right = this.value();
    this.skip();
    return { kind: 'compare', at: left.at, operator, left, right };
  }

  /** Only \\ and \" are escapes: Microsoft's samples have "\+" and "\,", where the backslash is part of the text. */
  private quoted(): string {
    const open = this.at++;
    let text = '';
    for (;;) {
      const character = this.text[this.at++];
      if (character === undefined) throw this.fault('A text is not closed', 'a closing "', open);
      if (character === '"') return text;
      const next = this.text[this.at];
      if (character === '\\' && (next === '\\' || next === '"')) {
        text += next;
        this.at++;
      } else text += character;
    }
  }

  private attribute(): string {
    const name = this.match(ATTRIBUTE)?.[1];
    if (name === undefined)
      throw this.unexpected('an attribute such as [mail] or [name.givenName], of letters, digits and _ . - :');
    return name;
  }

  private skip(): void {
    this.match(BLANK);
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found;
  }

  private unexpected(expected: string): ExpressionFault {
    const character = this.text[this.at];
    const found = character === undefined ? 'the end' : character === '"' ? 'a text' : `"${character.toWellFormed()}"`;
    return this.fault(`There is ${found}`, expected, this.at);
  }

  private fault(reason: string, expected: string, at: number): ExpressionFault {
    return new ExpressionFault(this.text, at, reason, expected);
  }
}

/** File times and ids are larger than what a number of JavaScript holds exactly. */
const numberOf = (text: string): number | bigint => {
  if (text.startsWith('&')) return exact(BigInt(`0x${text.slice(2)}`));
  return text.includes('.') ? Number(text) : exact(BigInt(text));
};

/** A number where it is exact, else a bigint. */
export const exact = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
