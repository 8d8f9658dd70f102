export const COMPARISONS = ['=', '<>', '>=', '<=', '>', '<'] as const;
export type Comparison = (typeof COMPARISONS)[number];

/** The words that stand without quotes: names of an option, and two results that leave something out. */
export const WORDS = [
  'vbTextCompare',
  'vbBinaryCompare',
  'CaseSensitive',
  'CaseInsensitive',
  'Unicode',
  'ASCII',
  'UTF8',
  'IgnoreAttributeFlow',
  'IgnoreObjectFlow',
] as const;
export type Word = (typeof WORDS)[number];

/** An expression as a tree; `at` is the offset of its first character. */
export type Expression =
  | { readonly kind: 'text'; readonly at: number; readonly text: string }
  | { readonly kind: 'number'; readonly at: number; readonly value: number | bigint }
  | { readonly kind: 'attribute'; readonly at: number; readonly name: string }
  | { readonly kind: 'parameter'; readonly at: number; readonly name: string }
  | { readonly kind: 'word'; readonly at: number; readonly word: Word }
  | Call
  | Compare;

/** An argument that is left out between commas is null; those at the end are dropped. */
export interface Call {
  readonly kind: 'call';
  readonly at: number;
  readonly name: string;
  readonly args: readonly (Expression | null)[];
}

export interface Compare {
  readonly kind: 'compare';
  readonly at: number;
  readonly operator: Comparison;
  readonly left: Expression;
  readonly right: Expression;
}

/** The expression as text, which parseExpression reads as the same tree. */
export const printExpression = (expression: Expression): string => {
  switch (expression.kind) {
    case 'text':
      return `"${expression.text.replace(/["\\]/g, '\\$&')}"`;
    case 'number':
      return String(expression.value);
    case 'attribute':
      return `[${expression.name}]`;
    case 'parameter':
      return `%${expression.name}%`;
    case 'word':
      return expression.word;
    case 'call':
      return `${expression.name}(${expression.args.map((argument) => (argument ? printExpression(argument) : '')).join(', ')})`;
    case 'compare':
      return `${printExpression(expression.left)} ${expression.operator} ${printExpression(expression.right)}`;
  }
};
