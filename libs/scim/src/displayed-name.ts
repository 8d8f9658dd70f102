import type { Resource } from './resource.js';

const isShown = (text: unknown): text is string => typeof text === 'string' && text.trim() !== '';

/** The name that people see of a user: without a display name it is made of the parts of the name; null = there is none. */
export const displayedNameOf = ({ displayName, name }: Resource): string | null => {
  if (isShown(displayName)) return displayName;
  const { formatted, givenName, familyName } = (name ?? {}) as Readonly<Record<string, unknown>>;
  if (isShown(formatted)) return formatted;
  const parts = [givenName, familyName].filter(isShown);
  return parts.length === 0 ? null : parts.join(' ');
};
