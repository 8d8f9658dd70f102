import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { checkText, Rejected } from '#scim';

const reasonsOf = ({ property, constraints, children }: ValidationError): string[] => [
  ...Object.values(constraints ?? {}),
  ...(children ?? []).flatMap((child) => reasonsOf(child).map((reason) => `${property}.${reason}`)),
];

/** class-transformer takes what is called so for the class of the object that it is in, and fails. */
const namesConstructor = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (Object.hasOwn(value, 'constructor') || Object.values(value).some(namesConstructor));

/** Null is no value where this decides: it would not be one in the database either. */
export const isGiven = (_object: object, value: unknown): boolean => value !== undefined;

/** Throws Rejected(invalidValue) that names what is wrong. */
export const checked = <T extends object>(type: new () => T, body: unknown): T => {
  if (body !== undefined && (typeof body !== 'object' || body === null || Array.isArray(body)))
    throw new Rejected('invalidValue', 'The body must be a JSON object.');
  // Postgres refuses what a JSON text may hold: NUL characters and lone surrogates.
  checkText(body);
  if (namesConstructor(body))
    throw new Rejected('invalidValue', 'No property can be called constructor: leave it out.');
  const value = plainToInstance(type, body ?? {}, { exposeDefaultValues: true });
  const errors = validateSync(value, { whitelist: true });
  if (errors.length > 0) throw new Rejected('invalidValue', errors.flatMap(reasonsOf).join('; '));
  return value;
};
