import type { DirectoryView, KeyView, RecordedEvent } from './admin-views.js';

const DETAILS_WIDTH = 34;
/** A word that is longer is broken. */
const REASON_LINE = new RegExp(`\\S.{0,${DETAILS_WIDTH - 1}}(?!\\S)|\\S{${DETAILS_WIDTH}}`, 'gu');
const MAX_TOLD_MEMBERS = 3;

/**
 * Returns a function that says who an actor is, by the names that directories, tokens and keys have now. An unknown actor is
 * shown as it was recorded.
 */
export const describeActors = (
  directories: readonly DirectoryView[],
  keys: readonly Pick<KeyView, 'id' | 'name'>[] = [],
): ((actor: string) => string) => {
  // The end of an id is shown, because it is random: its beginning is the time.
  const known = new Map<string, string>();
  for (const { name, tokens } of directories)
    for (const { id } of tokens) known.set(`token:${id}`, `${name} (token …${id.slice(-8)})`);
  for (const { id, name } of keys) known.set(`key:${id}`, `${name} (key …${id.slice(-8)})`);
  return (actor) => known.get(actor) ?? actor.replace(/^(client|entra):.*(.{8})$/, '$1 …$2');
};

/**
 * Renders the events of one user or group as a table for people. It shows how a user was found and the names of the
 * attributes that changed, whose values are sealed; of a group also which members came and went.
 */
export const renderTimeline = (events: readonly RecordedEvent[], who: (actor: string) => string): string => {
  const lines = events.flatMap(({ version, recordedAt, type, data, actor }) => {
    const names = data.attributes ?? Object.keys(data.changes ?? {});
    const [details = '', ...more] = wrap([
      ...foundBy(data.matching?.rule),
      ...names.map(shortName),
      ...(data.leftOut ?? []).map((path) => `left out ${shortPath(path)}`),
      ...moved('added', data.added),
      ...moved('removed', data.removed),
    ]);
    more.push(...because(data.reason));
    const time = recordedAt.replace('T', ' ').replace('Z', '');
    return [
      [String(version), time, type.split('.')[2] ?? type, details, who(actor)],
      ...more.map((rest) => ['', '', '', rest, '']),
    ];
  });
  const table = [['', 'time (UTC)', 'event', 'attributes', 'by'], ...lines];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)));
  return table
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padStart(widths[0]!) : cell.padEnd(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

/** Says how a user was found who had to be looked for. */
const foundBy = (rule: string | undefined): string[] =>
  ({ providerId: ['found by provider id'], upn: ['found by UPN'], email: ['found by e-mail'] })[rule ?? ''] ?? [];

/** The reason of a change, in lines of their own below it. */
const because = (reason: string | undefined): string[] =>
  reason === undefined ? [] : (`because: ${reason}`.match(REASON_LINE) ?? []);

/** Names the first members that came or went, and says how many more there are. */
const moved = (word: string, members: readonly { readonly value: string }[] = []): string[] => {
  const told = members.slice(0, MAX_TOLD_MEMBERS).map(({ value }) => `…${value.slice(-8)}`);
  if (told.length === 0) return [];
  const more = members.length - told.length;
  return [
    `${word} ${told[0]}`,
    ...told.slice(1, -1),
    ...(told.length > 1 ? [`${told.at(-1)}${more > 0 ? ` and ${more} more` : ''}`] : []),
  ];
};

/** An extension changes as a whole, under its URN: `…:extension:enterprise:2.0:User`. */
const shortName = (attribute: string): string => {
  const extension = /:extension:(\w+):/.exec(attribute)?.[1];
  return extension ? `${extension} extension` : attribute;
};

/** `…:User:department` is `department`. */
const shortPath = (path: string): string => path.slice(path.lastIndexOf(':') + 1);

/** Breaks names into as few lines as they need, with commas between them. */
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
