import type {
  ChangeView,
  ComparedView,
  EntryView,
  NamedView,
  RequestView,
  ShownEntryView,
  ShownRequestView,
  StateView,
} from './audit-views.js';
import { shownTime } from './times.js';

/** Marks a part of a text, on a terminal that shows colours; elsewhere the text is as it was. */
export type Paint = (style: 'bold' | 'dim' | 'green' | 'red' | 'yellow', text: string) => string;

const MAX_VALUE_CHARACTERS = 200;

/** A client chose it: what would move the cursor, or turn the line around, is shown as it is written in JSON. */
export const plain = (text: string): string =>
  text.replace(
    /[\p{Cc}\u202a-\u202e\u2066-\u2069\u200e\u200f]/gu,
    (one) => `\\u${one.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );

const cut = (text: string): string =>
  text.length > MAX_VALUE_CHARACTERS ? `${text.slice(0, MAX_VALUE_CHARACTERS)}…` : text;
const valueOf = (value: unknown): string =>
  cut(plain(value === null || value === undefined ? '-' : typeof value === 'string' ? value : JSON.stringify(value)));

/** The name of somebody, with the end of the id where the name alone may be that of several. */
const by = ({ id, name }: NamedView): string =>
  plain(
    name === null
      ? id.replace(/^(\w+:).*(.{8})$/, '$1…$2')
      : /^\w+:/.test(id)
        ? `${name} (${id.split(':')[0]} …${id.slice(-8)})`
        : name,
  );

/** A table, whose last column is as long as it is. */
export const table = (rows: readonly (readonly string[])[], paint: Paint): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row, index) => {
      const line = row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
        .join('  ')
        .trimEnd();
      return index === 0 ? paint('bold', line) : line;
    })
    .join('\n');
};

/** Entries, each in one line. */
export const describeEntries = (entries: readonly EntryView[], paint: Paint): string =>
  table(
    [
      ['number', 'time (UTC)', 'by', 'what happened'],
      ...entries.map(({ number, at, actor, sentence, reason, matching }) => [
        String(number),
        shownTime(at),
        by(actor),
        plain(sentence) +
          (matching ? ` (${plain(matching)})` : '') +
          (reason === null ? '' : ` Because: ${plain(reason)}`),
      ]),
    ],
    paint,
  );

const describeChange = (
  { attribute, before, after, added, removed }: ChangeView,
  width: number,
  paint: Paint,
): string[] => {
  const name = `    ${plain(attribute).padEnd(width)}  `;
  const rest = ' '.repeat(name.length);
  const elements = [
    ...(removed ?? []).map((one) => paint('red', `- ${valueOf(one)}`)),
    ...(added ?? []).map((one) => paint('green', `+ ${valueOf(one)}`)),
  ];
  if (elements.length > 0) return elements.map((one, index) => (index === 0 ? name : rest) + one);
  if (before === undefined && after === undefined) return [`${name}(cannot be read any more)`];
  return [`${name}${before === undefined ? '?' : valueOf(before)} → ${valueOf(after)}`];
};

const describeChanges = (changes: readonly ChangeView[], paint: Paint): string[] => {
  const width = Math.max(0, ...changes.map(({ attribute }) => plain(attribute).length));
  return changes.flatMap((change) => describeChange(change, width, paint));
};

const describeMembers = (
  { added, removed }: { readonly added: readonly NamedView[]; readonly removed: readonly NamedView[] },
  paint: Paint,
): string[] => [
  ...removed.map((one) => `    ${paint('red', `- ${plain(one.name ?? one.id)}`)}`),
  ...added.map((one) => `    ${paint('green', `+ ${plain(one.name ?? one.id)}`)}`),
];

const VALUES: Readonly<Record<string, string>> = {
  erased: 'The person was erased: nobody can read the values any more.',
};

/** Entries with their values, each in a paragraph. */
export const describeHistory = (entries: readonly ShownEntryView[], paint: Paint): string =>
  entries
    .map((entry) =>
      [
        `${paint('bold', shownTime(entry.at))}  ${entry.action}  ${paint('dim', `by ${by(entry.actor)}`)}`,
        `  ${plain(entry.sentence)}`,
        ...(entry.matching ? [`  Matching: ${plain(entry.matching)}.`] : []),
        ...(entry.reason === null ? [] : [`  Because: ${plain(entry.reason)}`]),
        ...(entry.client
          ? [paint('dim', `  from ${plain(entry.client.address)}, request ${entry.client.request}`)]
          : []),
        ...(VALUES[entry.values] ? [`  ${VALUES[entry.values]}`] : []),
        ...describeChanges(entry.changes, paint),
        ...describeMembers(entry.members, paint),
      ].join('\n'),
    )
    .join('\n\n');

const describeOneState = (shown: StateView, paint: Paint): string[] => {
  const { subject, at, version, since, isComplete, purgedUntil, attributes, memberCount, members } = shown;
  const names = Object.keys(attributes);
  const width = Math.max(0, ...names.map((name) => plain(name).length));
  const isGroup = subject.type === 'group';
  return [
    paint(
      'bold',
      `${subject.type} ${plain(subject.name ?? subject.id)}, on ${shownTime(at)} UTC: ${inWords(shown)}${since === null ? '' : `, version ${version} since ${shownTime(since)}`}`,
    ),
    ...(purgedUntil !== null
      ? [
          `  What happened until ${shownTime(purgedUntil)} UTC was purged. What it had set, and who was a member then, nobody can say any more.`,
        ]
      : isComplete
        ? []
        : ['  Something was erased, or this version cannot read it: there may have been more than this.']),
    ...names.map((name) => `  ${plain(name).padEnd(width)}  ${valueOf(attributes[name])}`),
    ...(isGroup
      ? [
          `  ${memberCount} ${memberCount === 1 ? 'member' : 'members'}${purgedUntil === null ? '' : ' that are known'}${memberCount === 0 ? '' : ':'}`,
        ]
      : []),
    ...members.map((one) => `    ${plain(one.name ?? one.id)}`),
    ...(members.length < memberCount ? [`    and ${memberCount - members.length} more`] : []),
  ];
};
/** Only users are archived. */
const STATES: Readonly<Record<string, string>> = {
  absent: 'not there yet',
  unknown: 'there, and nobody can say any more whether archived or not',
};
const inWords = ({ subject, state }: StateView): string =>
  state === 'active' && subject.type !== 'user' ? 'there' : (STATES[state] ?? state);

/** A user or group at a moment, and what is different at another one. */
export const describeState = (state: ComparedView, paint: Paint): string => {
  const { compared } = state;
  if (!compared) return describeOneState(state, paint).join('\n');
  const different = [...describeChanges(compared.changes, paint), ...describeMembers(compared, paint)];
  return [
    ...describeOneState(state, paint),
    '',
    paint(
      'bold',
      `On ${shownTime(compared.at)} UTC: ${inWords(compared)}, version ${compared.version}. ${different.length === 0 ? 'Nothing is different.' : 'Different is:'}`,
    ),
    ...different,
  ].join('\n');
};

const shade = (status: number, text: string, paint: Paint): string =>
  status >= 500 ? paint('red', text) : status >= 400 ? paint('yellow', text) : paint('green', text);

/** Requests, each in two lines: what was asked, and why it was refused. */
export const describeRequests = (requests: readonly RequestView[], paint: Paint): string =>
  requests
    .map(({ id, at, status, scimType, method, path, name, directory, detail, replayOf, actor }) =>
      [
        `${shownTime(at)}  ${shade(status, `${status}${scimType ? ` ${plain(scimType)}` : ''}`, paint)}  ${plain(`${method} ${path}`)}${name === null ? '' : `  ${plain(name)}`}`,
        `  ${detail === null ? 'done' : plain(detail)}`,
        ...(replayOf === null ? [] : [`  sent again${actor ? ` by ${by(actor)}` : ''}: repeats ${replayOf}`]),
        paint('dim', `  ${id}  ${directory ? plain(directory.name ?? directory.id) : 'of no directory that is known'}`),
      ].join('\n'),
    )
    .join('\n');

const COMMAND = 'npm run -s cli --';

/** One request with its answer, what to do about it, and its body. */
export const describeRequest = (request: ShownRequestView, paint: Paint): string => {
  const { id, directory, actor, object, userAgent, replayOf, body, bodyBytes, commands, notReplayable } = request;
  const facts: (readonly [string, string | null])[] = [
    ['id', id],
    ['directory', directory && `${directory.name ?? 'deleted'} (${directory.id})`],
    [
      'by',
      actor &&
        `${by(actor)}${replayOf !== null && directory ? `, as the directory ${directory.name ?? directory.id}` : ''}`,
    ],
    ['object', object],
    ['took', `${Math.round(request.durationMs)} ms`],
    ['from', `${request.address}${userAgent === null ? '' : `, ${userAgent}`}`],
    ['correlation', request.correlationId],
    ['If-Match', request.ifMatch],
    ['repeats', replayOf],
    ...request.replays.map((one) => ['repeated', `${one.status} on ${shownTime(one.at)}, ${one.id}`] as const),
    ['to do', request.whatToDo],
    ...commands.map((command, index) => [index === 0 ? 'look' : '', `${COMMAND} ${command}`] as const),
    request.status < 400
      ? ['', null]
      : ['again', notReplayable === null ? `${COMMAND} request replay ${id} --dry-run` : `No. ${notReplayable}`],
  ];
  return [
    describeRequests([{ ...request, replayOf: null }], paint)
      .split('\n')
      .slice(0, 2)
      .join('\n'),
    ...facts.flatMap(([name, value]) => (value === null ? [] : [`  ${name.padEnd(11)}  ${plain(value)}`])),
    ...(body === null
      ? [bodyBytes === 0 ? '  no body' : `  a body of ${bodyBytes} bytes, which is kept nowhere`]
      : ['', indented(body)]),
  ].join('\n');
};

/** JSON for people, and anything else as it is. */
const indented = (body: string): string => {
  try {
    return lines(JSON.stringify(JSON.parse(body), null, 2));
  } catch {
    return lines(body);
  }
};

const lines = (text: string): string => text.split('\n').map(plain).join('\n');
