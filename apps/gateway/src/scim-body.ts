import { checkText, Rejected } from '#scim';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Whether a text may hold a NUL character or a lone surrogate, written out or escaped; most bodies hold neither. */
const SUSPICIOUS = /\0|\\u0000|\\ud[89a-f]/i;

/** The JSON of a body. Throws Rejected(invalidSyntax) for what is no JSON and for text that Postgres refuses. */
export const parseBody = (bytes: Uint8Array): unknown => {
  let text: string;
  let value: unknown;
  try {
    text = decoder.decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    throw new Rejected('invalidSyntax', `The body is not valid JSON: ${(error as Error).message}.`);
  }
  if (SUSPICIOUS.test(text)) checkText(value);
  return value;
};
