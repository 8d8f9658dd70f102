import { isObject } from '#scim';

const PASSWORD = /(?:^|[:.])password$/i;
const isPassword = (name: string): boolean => PASSWORD.test(name.trim());

/**
 * The JSON of a request without passwords, be they attributes or the values of a PATCH: a question is a message, which
 * others may read, and no answer depends on a password.
 */
export const withoutPasswords = (body: unknown): string =>
  JSON.stringify(body, (name, value: unknown) => {
    if (isPassword(name)) return undefined;
    return isOfPassword(value) ? Object.fromEntries(Object.entries(value).map(emptied)) : value;
  });

const isOfPassword = (value: unknown): value is object =>
  isObject(value) &&
  Object.entries(value).some(([name, path]) => /^path$/i.test(name) && typeof path === 'string' && isPassword(path));

const emptied = ([name, value]: [string, unknown]): [string, unknown] => [name, /^value$/i.test(name) ? '' : value];
