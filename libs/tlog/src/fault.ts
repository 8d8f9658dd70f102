/** A text, a path or a file that is not of its format. The message says what was expected; it quotes little of the text. */
export class Malformed extends Error {}

/** Something that should have been equal, or signed, and is not: what it is, what it should be, and what was found. */
export class Mismatch extends Error {
  constructor(
    readonly what: string,
    /** A hash is in base64, as in checkpoints and proofs. */
    readonly expected: string,
    readonly computed: string,
  ) {
    super(`The ${what} differs: expected ${expected}, computed ${computed}.`);
  }
}

const MAX_QUOTED_CHARACTERS = 60;

/** The beginning of a text that somebody else wrote, for a message: on one line, and short. */
export const quote = (text: string): string =>
  JSON.stringify(text.length > MAX_QUOTED_CHARACTERS ? `${text.slice(0, MAX_QUOTED_CHARACTERS)}…` : text);
