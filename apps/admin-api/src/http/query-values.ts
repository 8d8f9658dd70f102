/** Values of a query, and of a body, before class-validator looks at them. */

/** For `@Matches(/\S/, NOT_BLANK)`: a name that consists of spaces is refused. */
export const NOT_BLANK = { message: '$property must not be blank' };

interface Given {
  readonly value: unknown;
}

/** A query has texts alone. Another text than these two is left for the check to refuse. */
export const asBoolean = ({ value }: Given): unknown => (value === 'true' ? true : value === 'false' ? false : value);

/** For numbers, which a query has as texts. Another text is left for the check to refuse. */
export const asNumber = ({ value }: Given): unknown =>
  typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;

/** For ids and words, which are compared as lower case. */
export const lowerCase = ({ value }: Given): unknown => (typeof value === 'string' ? value.toLowerCase() : value);
