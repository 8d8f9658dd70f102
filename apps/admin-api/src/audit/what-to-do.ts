import { borneBy, type Bearer, type BearerOf, type Borne, type Relation } from './bearers.js';

/** An answer that refuses, as far as it says what is to be done. */
export interface Refusal {
  readonly status: number;
  readonly scimType: string | null;
  readonly detail: string | null;
  readonly method: string;
  /** The directory that sent the request, and the user or group that its path names; null = nobody knows. */
  readonly directory?: string | null;
  readonly object?: string | null;
}

const ID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';

/** A cause that the words of an answer tell. */
interface Cause {
  /** From the beginning of the answer, where no client writes. */
  readonly said: RegExp;
  /** A sentence for administrators; `parts` are those that the expression has found. */
  readonly toDo: (...parts: readonly string[]) => string;
  /** Commands of the command line that show or mend it: with ids and names of ours alone, and no text of a client. */
  readonly commands?: (directory: string, ...parts: readonly string[]) => readonly string[];
}

const option = (setting: string): string => `--${setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
const DIRECTORY = (directory: string): readonly string[] => [`directory show ${directory}`];

/** The first one that fits is told. */
const CAUSES: readonly Cause[] = [
  {
    said: /^The setting (\w+) of the directory "(.*)" is off/s,
    toDo: (setting, name) =>
      `Switch the setting ${setting} of the directory "${name}" on, if its identity provider is to do that, and send the request again; otherwise take such objects out of what it provisions.`,
    commands: (directory, setting) => [`directory set ${directory} ${option(setting!)} on`],
  },
  {
    said: /^The user is not in the scope of the directory "/,
    toDo: () =>
      'Change the user at the identity provider so that the scope of the directory matches, or change the setting scope; then send the request again.',
    commands: DIRECTORY,
  },
  {
    said: /^The attribute mapping of the directory ".*" leaves this user out \(IgnoreObjectFlow\)/s,
    toDo: () =>
      'The attribute mapping of the directory in Muster leaves such users out: change its lines, or take the user out of what the identity provider provisions.',
    commands: DIRECTORY,
  },
  {
    said: /^The attribute mapping of the directory ".*" cannot be used/s,
    toDo: () =>
      'Correct the line of the attribute mapping of the directory that the answer names, and send the request again.',
    commands: DIRECTORY,
  },
  {
    said: /^The (?:scope|requiredAttributes) of the directory ".*" cannot be used/s,
    toDo: () => 'Correct the setting of the directory that the answer names, and send the request again.',
    commands: DIRECTORY,
  },
  {
    said: /^The directory ".*" asks for (.+), which the user would not have/s,
    toDo: (paths) =>
      `Give the user a value of ${paths} at the identity provider, and map it there; or take it out of the setting requiredAttributes, and send the request again.`,
    commands: DIRECTORY,
  },
  {
    said: /^roles\.value: .* is not among the roles that there are/s,
    toDo: () =>
      'Send one of the roles that the answer names, or let the directory keep others (the setting unknownRoles), and send the request again.',
    commands: DIRECTORY,
  },
  {
    said: /^(\S+) is required and must not be blank/,
    toDo: (name) =>
      `The required attribute ${name} is missing: map to it, at the identity provider, an attribute that every object has a value of, and provision the object again.`,
  },
  {
    said: new RegExp(`^There is no user or group with the id (${ID}), so it cannot be a member`),
    toDo: () =>
      'Provision that member first, or see what became of it; then send the request again: Muster takes no member that it does not know.',
    commands: (_directory, id) => [`audit history ${id}`],
  },
  {
    said: /^The group \S+ (?:is a local one|belongs to the directory)/,
    toDo: () =>
      'Another one manages the group: take it out of what this identity provider provisions, or give one of the two another name.',
  },
  {
    said: /^There is no (?:user|group) with the id/,
    toDo: () =>
      'It was deleted, or never was there: provision the object on demand at the identity provider, so that it is looked up and made anew.',
  },
  {
    said: /^The directory ".*" is disconnected/s,
    toDo: () => 'Connect the directory again, and enter its new token at the identity provider.',
    commands: () => ['directory list'],
  },
  {
    said: /^The directory ".*" is disabled/s,
    toDo: () =>
      'Enable the directory, if its identity provider may write again: it then sends again what was refused meanwhile.',
    commands: () => ['directory list'],
  },
  {
    said: /^The token expired on/,
    toDo: () => 'Make another token, and enter it at the identity provider.',
    commands: () => ['token list', 'token create'],
  },
  {
    said: /^The token is inactive/,
    toDo: () => 'Activate the token, or enter another one of the directory at the identity provider.',
    commands: () => ['token list'],
  },
  {
    said: /^The token (?:has been revoked|is not known)/,
    toDo: () => 'Enter a token of the directory that is good at the identity provider, or make another one.',
    commands: () => ['token list', 'token create'],
  },
  {
    said: /^The \w+ would have \d+ bytes as JSON/,
    toDo: () =>
      'Send fewer or shorter values at the identity provider, or let the operator of Muster raise MAX_RESOURCE_BYTES.',
  },
];

const BY_TYPE: Readonly<Record<string, string>> = {
  mutability:
    'Take the attribute out of the attribute mappings at the identity provider: it is read-only, or must not be removed.',
  invalidValue:
    'Correct the value in the source, or the attribute mapping that makes it, at the identity provider, and provision the object again.',
  invalidPath:
    'Correct the target attribute in the attribute mappings at the identity provider: schema list and the path /Schemas show those that there are.',
  noTarget:
    'The filter in the path fits no value: send the value first, or correct the target attribute in the attribute mappings.',
  invalidFilter: 'Correct the matching attribute at the identity provider: it asks by a filter that cannot be read.',
  invalidSyntax: 'The body is no SCIM that can be read: look at it with request show, and correct the client.',
  tooMany: 'Ask for less at once: the answer or the change is larger than the limit.',
  invalidCursor: 'The client must begin its list anew, without a cursor.',
  expiredCursor: 'The client must begin its list anew, without a cursor.',
};

const BY_STATUS: Readonly<Record<number, string>> = {
  401: 'Enter a token that is good at the identity provider: token list shows which have expired or were revoked, and token create makes another one.',
  403: 'If the directory is disabled, enable it with directory enable; otherwise the answer says what this token may not do.',
  404: 'Nothing is there: provision the object on demand at the identity provider, so that it is looked up and made anew.',
  405: 'The client asks for what SCIM does not do here: correct the URL of the tenant at the identity provider, which is the SCIM base URL alone.',
  409: 'Look at what is there with the same name, and send the request again when one of them was changed.',
  412: 'Somebody else has changed the object meanwhile: the client must read it again and repeat its change.',
  413: 'Send less in one request, or let the operator of Muster raise MAX_BODY_BYTES.',
  415: 'The client must send application/scim+json or application/json.',
  429: 'Nothing needs to be done if it happens seldom: the client sends it again after Retry-After. Otherwise let it send fewer at once.',
};

const causeOf = (detail: string | null): { readonly cause: Cause; readonly parts: readonly string[] } | null => {
  for (const cause of CAUSES) {
    const found = cause.said.exec(detail ?? '');
    if (found) return { cause, parts: found.slice(1) };
  }
  return null;
};

/** Sentences about those who have what the request wanted, but for those who have it to themselves. */
const BY_RELATION: { readonly [relation in Exclude<Relation, `taken${string}`>]: string } = {
  several:
    'Several users bear what the request says: change it at all but one of them, at the identity provider or with user set, and send the request again.',
  archived: 'Restore the user who is archived, if that person may act again, and send the request again.',
  'web role': 'Transfer the user to this directory, if it is the same person, and send the request again.',
  'stranger’s domain':
    'An e-mail says who somebody is only where its domain is verified: verify the domain, or transfer the user to this directory, and send the request again.',
};

const aboutBearers = ({ relation, bearers }: Borne, method: string): string => {
  if (relation !== 'taken' && relation !== 'taken elsewhere') return BY_RELATION[relation];
  const [{ type, id, name }] = bearers as readonly [Bearer];
  const who = `the ${type} "${name}" (${id})`;
  return method === 'POST'
    ? `Give one of the two another value at the identity provider, or rename, transfer or delete ${who}, which has it; then provision again.`
    : `Choose another value at the identity provider: ${who} has this one.`;
};

/** Says in a sentence what an administrator does about a refused request. */
export const whatToDo = ({ status, scimType, detail, method }: Refusal, bearerOf: BearerOf): string => {
  if (status >= 500)
    return status === 503
      ? 'The client sends it again by itself. If it goes on, see whether the database and the message log are there: muster logs say which is away.'
      : 'This is a fault of Muster: its log has the reason under the correlation id. Send the request again when it is mended.';
  const borne = borneBy({ status, detail }, bearerOf);
  if (borne) return aboutBearers(borne, method);
  const known = causeOf(detail);
  const ofType = scimType === null ? undefined : BY_TYPE[scimType];
  return (
    known?.cause.toDo(...known.parts) ??
    ofType ??
    BY_STATUS[status] ??
    'Read the reason, correct what it names at the identity provider, and provision the object again.'
  );
};

/**
 * Commands of the command line that show what is in the way of a refused request, or mend it. A user or group is named
 * in one only if it was looked up, and really has what the request wanted.
 */
export const helpfulCommands = (
  { status, scimType, detail, directory, object }: Refusal,
  bearerOf: BearerOf,
): readonly string[] => {
  const where = directory ?? '<directory>';
  if (status >= 500) return [];
  const borne = borneBy({ status, detail }, bearerOf);
  if (borne) return commandsAbout(borne, directory ?? null);
  const known = causeOf(detail);
  if (known?.cause.commands) return known.cause.commands(where, ...known.parts);
  if (status === 404 || status === 412) return object ? [`audit history ${object}`] : [];
  if (status === 401) return ['token list', 'token create'];
  if (scimType === 'invalidPath') return ['schema list'];
  return [];
};

const commandsAbout = ({ relation, bearers }: Borne, to: string | null): readonly string[] => {
  const [{ id, type, directory }] = bearers as readonly [Bearer];
  if (type === 'group') return [`group members ${id}`, `audit history ${id}`];
  const show = bearers.map((one) => `user show ${one.id}`);
  const transfer = to !== null && directory !== to ? [`user transfer ${id} ${to}`] : [];
  switch (relation) {
    case 'several':
      return show;
    case 'archived':
      return [...show, `user restore ${id}`];
    case 'stranger’s domain':
      return [...show, 'domain list', ...transfer];
    case 'taken':
      return show;
    case 'taken elsewhere':
    case 'web role':
      return [...show, ...transfer];
  }
};
