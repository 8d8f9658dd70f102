import { checkText, outlineOf, parseJson } from '#scim';

/**
 * Parses the JSON of a body. Throws Rejected(invalidSyntax) for a body that is not JSON, is too deep or holds too many
 * values, and for text that Postgres refuses.
 */
export const parseBody = (bytes: Uint8Array): unknown => {
  const { isUnstorable } = outlineOf(bytes);
  const value = parseJson(bytes);
  // It throws, and says where the text is.
  if (isUnstorable) checkText(value);
  return value;
};
