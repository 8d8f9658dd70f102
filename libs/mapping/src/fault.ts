import { Rejected } from '#scim';

/** A place in an expression: `offset` counts UTF-16 units from 0, line and column from 1. */
export interface Position {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

export const positionIn = (text: string, offset: number): Position => {
  const lines = text.slice(0, offset).split('\n');
  return { offset, line: lines.length, column: lines.at(-1)!.length + 1 };
};

/** A fault in an expression, its place, and what is expected there. */
export class ExpressionFault extends Rejected {
  readonly position: Position;

  constructor(
    text: string,
    offset: number,
    readonly reason: string,
    readonly expected: string,
  ) {
    const position = positionIn(text, Math.min(offset, text.length));
    const { line, column } = position;
    super('invalidValue', `${reason}, at line ${line}, column ${column} of the expression; expected ${expected}.`);
    this.position = position;
  }
}
