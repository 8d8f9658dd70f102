import { compilePattern, type Program } from './regex-program.js';
import { isWord as isWordUnit, type Assertion } from './regex-syntax.js';

/** Counts what a match takes, and throws when that is too much. */
export type Charge = (steps: number) => void;

/** A match: from where to where each group reaches, -1 = it took no part. */
export type Match = readonly number[];

/** Every so many steps they are reported. */
const STEPS_PER_CHARGE = 256;
/** Words of the memory of a search that are made in the time of a step. */
const WORDS_PER_STEP = 16;

/**
 * A pattern that takes bounded time on every text: it goes back as .NET does, and gives the same match, but no split is
 * tried a second time at one place of the text. Without references to groups, what failed there fails again. So a
 * repetition whose turn took nothing goes on with its other choices, as in JavaScript, where .NET ends it.
 */
export class Regex {
  private readonly program: Program;

  /** Throws PatternFault. */
  constructor(readonly pattern: string) {
    this.program = compilePattern(pattern);
  }

  /** The number of a group by its name or number; undefined = there is none. */
  groupOf(name: string): number | undefined {
    const named = this.program.names.get(name);
    if (named !== undefined || !/^\d{1,4}$/.test(name)) return named;
    const index = Number(name);
    return index < this.program.groups ? index : undefined;
  }

  /** The first match that begins at `from` or later. */
  find(text: string, from: number, charge: Charge): Match | null {
    return new Search(this.program, text, charge).find(from);
  }

  /** All matches, from left to right; one of nothing moves on by one unit, as in .NET. */
  findAll(text: string, charge: Charge): Match[] {
    const search = new Search(this.program, text, charge);
    const matches: Match[] = [];
    for (let from = 0; from <= text.length;) {
      const match = search.find(from);
      if (!match) break;
      matches.push(match);
      from = match[1]! === match[0]! ? match[1]! + 1 : match[1]!;
    }
    return matches;
  }
}

class Search {
  private steps = 0;
  private tried: Uint32Array | null = null;

  constructor(
    private readonly program: Program,
    private readonly text: string,
    private readonly charge: Charge,
  ) {}

  find(from: number): Match | null {
    const { text } = this;
    const { first, groups: count, splits } = this.program;
    const groups: number[] = [];
    for (let slot = 0; slot < 2 * count; slot++) groups.push(-1);
    if (splits > 0 && this.tried) {
      this.charge(this.tried.length / WORDS_PER_STEP);
      this.tried.fill(0);
    }
    const tried = (this.tried ??= this.memory());
    const last = first === 'start' ? 0 : text.length;
    let found = false;
    for (let at = from; at <= last && !found; at++) {
      if (typeof first === 'function' && !(at < text.length && first(text.charCodeAt(at)))) this.steps++;
      else found = this.run(0, at, -1, groups, tried);
    }
    this.charge(this.steps);
    this.steps = 0;
    return found ? groups : null;
  }

  /** A bit for each split at each place of the text. */
  private memory(): Uint32Array {
    const words = ((this.text.length + 1) * this.program.splits + 31) >>> 5;
    this.charge(words / WORDS_PER_STEP);
    return new Uint32Array(words);
  }

  /** True if the program matches from an instruction and a place on; a match has to reach `end`, unless that is -1. */
  private run(start: number, place: number, end: number, groups: number[], tried: Uint32Array): boolean {
    const { instructions, splits } = this.program;
    const { text } = this;
    // The choices that are left when this one fails: an instruction and a place; or, below 0, a slot of a group and its
    // value before.
    const back: number[] = [];
    let [next, at] = [start, place];
    for (;;) {
      if (++this.steps >= STEPS_PER_CHARGE) {
        this.charge(this.steps);
        this.steps = 0;
      }
      const instruction = instructions[next]!;
      let isOn = true;
      switch (instruction.op) {
        case 'unit':
          isOn = at < text.length && instruction.test(text.charCodeAt(at));
          at++;
          next++;
          break;
        case 'save':
          back.push(-1 - instruction.slot, groups[instruction.slot]!);
          groups[instruction.slot] = at;
          next++;
          break;
        case 'jump':
          next = instruction.next;
          break;
        case 'split': {
          const bit = at * splits + instruction.memo;
          const [word, mask] = [bit >>> 5, 1 << (bit & 31)];
          isOn = (tried[word]! & mask) === 0;
          if (!isOn) break;
          tried[word]! |= mask;
          back.push(instruction.other, at);
          next = instruction.next;
          break;
        }
        case 'assert':
          isOn = holds(instruction.what, text, at);
          next++;
          break;
        case 'look': {
          const isThere = instruction.behind ? this.isBehind(instruction.at, at) : this.isAhead(instruction.at, at);
          isOn = isThere !== instruction.negated;
          next = instruction.next;
          break;
        }
        case 'match':
          if (end < 0 || at === end) return true;
          isOn = false;
      }
      while (!isOn) {
        if (back.length === 0) return false;
        at = back.pop()!;
        next = back.pop()!;
        if (next >= 0) isOn = true;
        else groups[-1 - next] = at;
      }
    }
  }

  /** Groups inside keep nothing. It calls itself no deeper than the groups of a pattern stand inside each other. */
  private isAhead(start: number, at: number): boolean {
    return this.run(start, at, -1, [], this.memory());
  }

  private isBehind(start: number, at: number): boolean {
    const tried = this.memory();
    for (let from = at; from >= 0; from--) if (this.run(start, from, at, [], tried)) return true;
    return false;
  }
}

const holds = (what: Assertion, text: string, at: number): boolean => {
  const isBreak = (unit: number): boolean => text.charCodeAt(unit) === 0x0a;
  switch (what) {
    case 'start':
      return at === 0;
    case 'textEnd':
      return at === text.length;
    case 'end':
      // Also before a last line break.
      return at === text.length || (at === text.length - 1 && isBreak(at));
    case 'lineStart':
      return at === 0 || isBreak(at - 1);
    case 'lineEnd':
      return at === text.length || isBreak(at);
    default: {
      const isInside = (unit: number): boolean => unit >= 0 && unit < text.length && isWordUnit(text.charCodeAt(unit));
      return (isInside(at - 1) !== isInside(at)) === (what === 'boundary');
    }
  }
};

/** A replacement as .NET reads it: literals and numbers of groups. */
export type Substitution = readonly (string | number)[];

/** `$1`, `${name}`, `$&`, `$$`; what names no group is a literal. */
export const readSubstitution = (regex: Regex, text: string): Substitution => {
  const parts: (string | number)[] = [];
  const pattern = /\$(?:(\$)|(&)|(\d{1,4})|\{(\w+)\})/g;
  let at = 0;
  for (const found of text.matchAll(pattern)) {
    const [whole, dollar, all, number, name] = found;
    const group = all ? 0 : regex.groupOf(number ?? name ?? '');
    parts.push(text.slice(at, found.index), dollar ?? group ?? whole);
    at = found.index + whole.length;
  }
  parts.push(text.slice(at));
  return parts;
};

/** The text of a group of a match; a group that took no part has none. */
export const groupText = (text: string, match: Match, group: number): string =>
  match[2 * group + 1]! < 0 ? '' : text.slice(match[2 * group]!, match[2 * group + 1]!);

export const substitute = (substitution: Substitution, text: string, match: Match): string =>
  substitution.map((part) => (typeof part === 'string' ? part : groupText(text, match, part))).join('');
