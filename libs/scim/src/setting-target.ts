import { Rejected } from './error.js';
import { parseTarget, type Target } from './patch.js';
import type { ResourceDefinition } from './schema.js';

/**
 * The target of a path that a setting names. Throws what `refusal` makes of a path that cannot be read, or that names no
 * attribute of users.
 */
export const settingTarget = (
  definition: ResourceDefinition,
  text: string,
  refusal: (text: string, why: string) => Rejected,
): Target => {
  let target: Target | undefined;
  try {
    target = parseTarget(definition, text.trim());
  } catch (error) {
    if (error instanceof Rejected) throw refusal(text, error.detail);
    throw error;
  }
  if (!target)
    throw refusal(text, 'there is no such attribute; /Schemas of the directory lists those that users may have');
  return target;
};
