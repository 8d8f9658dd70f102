import type { DirectoryView, UserEvent } from './admin-views.js';

const DETAILS_WIDTH = 34;

/** Says who an actor is, by the names that the directories and their tokens have now; what is unknown stays as it was recorded. */
export const describeActors = (directories: readonly DirectoryView[]): ((actor: string) => string) => {
  // The random end of an id; its beginning is the time.
  const known = new Map<string, string>();
  for (const { name, tokens } of directories) for (const { id } of tokens) known.set(`token:${id}`, `${name} (token …${id.slice(-8)})`);
  return (actor) => known.get(actor) ?? actor;
};

/** Events of one user as a table for people. It shows how the user was found and the names of what changed; the values are sealed. */
export const renderTimeline = (events: readonly UserEvent[], who: (actor: string) => string): string => {
  const lines = events.flatMap(({ version, recordedAt, type, data, actor }) => {
    const [details = '', ...more] = wrap([...foundBy(data.matching?.rule), ...(data.attributes ?? []).map(shortName)]);
    const time = recordedAt.replace('T', ' ').replace('Z', '');
    return [
      [String(version), time, type.split('.')[2] ?? type, details, who(actor)],
      ...more.map((rest) => ['', '', '', rest, '']),
    ];
  });
  const table = [['', 'time (UTC)', 'event', 'attributes', 'by'], ...lines];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)));
  return table
    .map((line) => line.map((cell, column) => (column === 0 ? cell.padStart(widths[0]!) : cell.padEnd(widths[column]!))).join('  ').trimEnd())
    .join('\n');
};

/** How the user was found, where it had to be looked for. */
const foundBy = (rule: string | undefined): string[] =>
  ({ providerId: ['found by provider id'], upn: ['found by UPN'], email: ['found by e-mail'] })[rule ?? ''] ?? [];

/** An extension changes as a whole, under its URN: `…:extension:enterprise:2.0:User`. */
const shortName = (attribute: string): string => {
  const extension = /:extension:(\w+):/.exec(attribute)?.[1];
  return extension ? `${extension} extension` : attribute;
};

/** Names with commas, as few lines as they need. */
const wrap = (names: readonly string[]): string[] => {
  const lines: string[] = [];
  names.forEach((name, index) => {
    const word = index < names.length - 1 ? `${name}, ` : name;
    const last = lines.length - 1;
    if (lines.length > 0 && (lines[last]! + word).trimEnd().length <= DETAILS_WIDTH) lines[last] += word;
    else lines.push(word);
  });
  return lines.map((line) => line.trimEnd());
};
