import { PatternFault, readPattern, type Assertion, type Node, type UnitTest } from './regex-syntax.js';

/** Instructions of a program. A counted repetition is written out: .{0,255} makes 510. */
export const MAX_PATTERN_INSTRUCTIONS = 4_000;

/** `split` tries `next` first and, where that fails, `other`. `look` is a program of its own that ends with `match`. */
export type Instruction =
  | { op: 'unit'; test: UnitTest }
  | { op: 'assert'; what: Assertion }
  | { op: 'save'; slot: number }
  | { op: 'jump'; next: number }
  | { op: 'split'; next: number; other: number; memo: number }
  | { op: 'look'; at: number; next: number; behind: boolean; negated: boolean }
  | { op: 'match' };

export interface Program {
  readonly instructions: readonly Instruction[];
  /** The number of splits. */
  readonly splits: number;
  /** The number of groups, with the whole match as the first. */
  readonly groups: number;
  readonly names: ReadonlyMap<string, number>;
  /** Every match begins with a unit of this kind; or, as `start`, where the text begins. Null where neither is known. */
  readonly first: UnitTest | 'start' | null;
}

/** Throws PatternFault. */
export const compilePattern = (pattern: string): Program => {
  const { node, groups, names } = readPattern(pattern);
  const instructions: Instruction[] = [];
  const emitter = new Emitter(instructions);
  emitter.emit({ kind: 'group', node, index: 0 });
  instructions.push({ op: 'match' });
  return { instructions, splits: emitter.splits, groups, names, first: firstOf(instructions) };
};

const firstOf = (instructions: readonly Instruction[]): Program['first'] => {
  const first = instructions.find(({ op }) => op !== 'save');
  if (first?.op === 'unit') return first.test;
  return first?.op === 'assert' && first.what === 'start' ? 'start' : null;
};

class Emitter {
  splits = 0;
  private nodes = 0;

  constructor(private readonly instructions: Instruction[]) {}

  emit(node: Node): void {
    // A part without instructions may be repeated, too, so the nodes are counted as well.
    if (++this.nodes > MAX_PATTERN_INSTRUCTIONS) throw new PatternFault('The pattern repeats too much', 0);
    switch (node.kind) {
      case 'unit':
        this.push({ op: 'unit', test: node.test });
        break;
      case 'assert':
        this.push({ op: 'assert', what: node.what });
        break;
      case 'sequence':
        for (const part of node.nodes) this.emit(part);
        break;
      case 'group':
        this.push({ op: 'save', slot: 2 * node.index });
        this.emit(node.node);
        this.push({ op: 'save', slot: 2 * node.index + 1 });
        break;
      case 'look': {
        const { behind, negated } = node;
        const look = this.push({ op: 'look', at: this.next + 1, next: 0, behind, negated });
        this.emit(node.node);
        this.push({ op: 'match' });
        look.next = this.next;
        break;
      }
      case 'choice':
        this.choice(node.nodes);
        break;
      case 'repeat':
        this.repeat(node);
    }
  }

  private choice(nodes: readonly Node[]): void {
    const jumps: { next: number }[] = [];
    for (const [index, node] of nodes.entries()) {
      const isLast = index === nodes.length - 1;
      const split = isLast ? null : this.split();
      this.emit(node);
      if (isLast) break;
      jumps.push(this.push({ op: 'jump', next: 0 }));
      split!.other = this.next;
    }
    for (const jump of jumps) jump.next = this.next;
  }

  private repeat({ node, min, max, lazy }: Extract<Node, { kind: 'repeat' }>): void {
    for (let count = 0; count < min; count++) this.emit(node);
    if (max === Infinity) {
      const at = this.next;
      const split = this.split();
      this.emit(node);
      this.push({ op: 'jump', next: at });
      leave(split, this.next, lazy);
      return;
    }
    const splits: Split[] = [];
    for (let count = min; count < max; count++) {
      splits.push(this.split());
      this.emit(node);
    }
    for (const split of splits) leave(split, this.next, lazy);
  }

  private get next(): number {
    return this.instructions.length;
  }

  private split(): Split {
    return this.push({ op: 'split', next: this.next + 1, other: 0, memo: this.splits++ });
  }

  private push<I extends Instruction>(instruction: I): I {
    if (this.instructions.length >= MAX_PATTERN_INSTRUCTIONS) throw new PatternFault('The pattern repeats too much', 0);
    this.instructions.push(instruction);
    return instruction;
  }
}

type Split = Extract<Instruction, { op: 'split' }>;

/** A repetition that ends goes on at this instruction; a lazy one tries that first. */
const leave = (split: Split, at: number, lazy: boolean): void => {
  split.other = at;
  if (lazy) [split.next, split.other] = [split.other, split.next];
};
