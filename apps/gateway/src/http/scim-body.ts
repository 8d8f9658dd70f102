import { checkText, outlineOf, parseJson } from '#scim';

/**
 * The JSON of a body. Throws Rejected(invalidSyntax) for what is no JSON, too deep or too much, and for text that
 * Postgres refuses.
 */
export const parseBody = (bytes: Uint8Array): unknown => {
  const { isUnstorable } = outlineOf(bytes);
  const value = parseJson(bytes);
  // It says where.
  if (isUnstorable) checkText(value);
  return value;
};
