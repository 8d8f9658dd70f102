import { isUuid } from '#runtime';

/** Stands in the place of a secret. */
const MASK = '***';

/** A member, an attribute or a parameter whose name has one of these holds a secret. */
const WORDS =
  'password|passwd|pwd|passphrase|passcode|secret|token|assertion|sealed|credential|authorization|cookie|api[-_]?key|private[-_]?key';
const NAME = new RegExp(WORDS, 'iu');
/** A name, or several in one, as far as it goes. */
const RUN = String.raw`[\w.)\]-]`;
/**
 * Names in a text that give the value behind them: in a filter, a form, a URL, JSON once more. A client chooses how long
 * a name is: each run is looked at once, from its beginning, so that the time grows with the length of the text.
 */
const GIVING = new RegExp(String.raw`(?<!${RUN})${RUN}+(?=[\\"'\s]*(?:[:=]|(?:eq|ne|co|sw|ew|gt|ge|lt|le)\b))`, 'giu');
const GIVEN_OTHERWISE = /(?:bearer|basic)\s+[\w+/=.~-]{16,}|\\u(?:00[4-7]|017f|212a)/iu;
/** Tells whether a secret is given inside of a text. */
const givesSecret = (text: string): boolean =>
  GIVEN_OTHERWISE.test(text) || (NAME.test(text) && text.match(GIVING)?.some((run) => NAME.test(run)) === true);
/** Texts that are secrets by their shape: those that Muster makes, and JSON Web Tokens. */
const SHAPE = /muster_(?:secret_|key_|[\w-]{40})|eyJ[\w-]{8,}\./;
/**
 * Most bodies have nothing of this, and are kept as they are; an escape may stand for a letter of a name, and ſ and the
 * sign of Kelvin for s and k. It takes a microsecond for the body of a user.
 */
const SUSPECT = new RegExp(
  String.raw`${WORDS}|bearer|basic\s|muster_|eyJ|\\u(?:00[4-7]|017f|212a)|[\0\u017f\u212a]`,
  'i',
);

/** A body as it is kept. */
export interface Kept {
  /** Null = nothing of it can be kept. */
  readonly text: string | null;
  /** The secrets that were masked, as their texts mean them. */
  readonly secrets: readonly string[];
  /** True if its end is missing. */
  readonly isCut: boolean;
}

/** The part of a text from one index to another. */
type Range = readonly [from: number, to: number];

/** An object or a list that has begun. */
interface Frame {
  readonly from: number;
  readonly isObject: boolean;
  /** The name whose value comes next, in lower case. */
  key: string;
  /** The members `value` of an operation of PATCH: its path may follow them. */
  readonly values: Range[];
  path: 'secret' | 'other' | null;
}

/**
 * A body of JSON without secrets: members of secret names, values of PATCH operations whose path is one, and texts in
 * which a secret is given. `isCut` = the end is missing. What cannot be read, and may hold a secret, is not kept.
 */
export const maskJson = (text: string, isCut: boolean): Kept => {
  const isSuspect = SUSPECT.test(text);
  // The path that makes a secret of a value may be behind the cut.
  if (!isSuspect && !isCut) return { text, secrets: [], isCut };
  const found = secretsIn(text, isCut);
  if (found === null) return { text: isSuspect ? null : text, secrets: [], isCut };
  let [masked, done] = ['', 0];
  const secrets: string[] = [];
  for (const [from, to] of found.ranges.toSorted(([a], [b]) => a - b)) {
    if (from < done) continue;
    const secret = text.slice(from, to);
    secrets.push(meaningOf(secret) ?? secret);
    masked += `${text.slice(done, from)}"${MASK}"`;
    done = to;
  }
  masked += text.slice(done, Math.max(done, found.end));
  return { text: NOTHING_ELSE.test(masked) ? null : masked, secrets, isCut };
};

/** An object that holds masked values alone. */
const NOTHING_ELSE = /^\s*\{\s*(?:"[^"\\]*"\s*:\s*"\*\*\*"\s*(?:,\s*)?)+\}\s*$/;

/** The text of a string of JSON; null = it is none. */
const meaningOf = (string: string): string | null => {
  if (!string.startsWith('"')) return null;
  if (!string.includes('\\')) return string.slice(1, -1);
  try {
    return JSON.parse(string) as string;
  } catch {
    return null;
  }
};

const LITERAL = /(?:-?\d[\w.+-]*|true|false|null)/y;
/** They tell nothing that could be used. */
const HARMLESS = /^(?:true|false|null)$/;
const GAP = /[ \t\r\n]*/y;

/** The secrets of a text, and where the part of it ends that may be kept. */
interface Found {
  readonly ranges: readonly Range[];
  readonly end: number;
}

/** Null = it is no JSON, or ends too early although it is not cut. */
const secretsIn = (text: string, isCut: boolean): Found | null => {
  const ranges: Range[] = [];
  const open: Frame[] = [];
  let at = 0;
  let [isName, isDone] = [false, false];
  const skip = (pattern: RegExp): number => {
    pattern.lastIndex = at;
    return pattern.test(text) ? pattern.lastIndex : at;
  };
  const value = (from: number, to: number, meaning: string | null): void => {
    const frame = open.at(-1);
    isDone = true;
    if (meaning !== null && (givesSecret(meaning) || SHAPE.test(meaning))) ranges.push([from, to]);
    if (!frame?.isObject) return;
    if (NAME.test(frame.key)) {
      if (!HARMLESS.test(text.slice(from, to))) ranges.push([from, to]);
    } else if (frame.key === 'value') frame.values.push([from, to]);
    else if (frame.key === 'path')
      frame.path = NAME.test(meaning ?? '') || frame.path === 'secret' ? 'secret' : 'other';
  };
  for (at = skip(GAP); at < text.length; at = skip(GAP)) {
    const frame = open.at(-1);
    const from = at;
    const char = text[at]!;
    if (char === '"') {
      const end = endOfString(text, at);
      if (end === null) break;
      at = end;
      const meaning = meaningOf(text.slice(from, at));
      if (meaning === null || isDone) return null;
      if (!isName) value(from, at, meaning);
      else {
        frame!.key = meaning.toLowerCase();
        at = skip(GAP);
        if (at < text.length && text[at++] !== ':') return null;
        isName = false;
      }
    } else if (char === '{' || char === '[') {
      if (isName || isDone) return null;
      at++;
      open.push({ from, isObject: char === '{', key: '', values: [], path: null });
      isName = char === '{';
    } else if (char === '}' || char === ']') {
      if (!frame || frame.isObject !== (char === '}')) return null;
      at++;
      open.pop();
      if (frame.path === 'secret') ranges.push(...frame.values);
      isName = false;
      value(frame.from, at, null);
    } else if (char === ',') {
      if (!frame || !isDone) return null;
      at++;
      [isName, isDone] = [frame.isObject, false];
    } else {
      const end = skip(LITERAL);
      if (end === from || isName || isDone) return null;
      // It may go on behind the cut.
      if (end === text.length) break;
      at = end;
      value(from, at, null);
    }
  }
  if (open.length === 0 && isDone && at >= text.length) return { ranges, end: at };
  return isCut ? { ranges: [...ranges, ...undecided(open)], end: Math.min(at, ...unfinished(open)) } : null;
};

/** Values of operations that were cut off before anybody could see their path. */
const undecided = (open: readonly Frame[]): readonly Range[] =>
  open.flatMap(({ path, values }) => (path === 'other' ? [] : values));

/** The beginnings of objects and lists that were cut off, and are or may be secrets. */
const unfinished = (open: readonly Frame[]): readonly number[] =>
  open.flatMap(({ from }, depth) => {
    const { key, path, isObject } = open[depth - 1] ?? { key: '', path: null, isObject: false };
    const isSecret = isObject && (NAME.test(key) || (key === 'value' && path !== 'other'));
    return isSecret ? [from] : [];
  });

/** The index behind a string that begins there; null = it has no end. */
const endOfString = (text: string, from: number): number | null => {
  for (let at = from + 1; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) return at + 1;
    if (char === 0x5c) at++;
  }
  return null;
};

/** The names of parameters of the token endpoint whose values are words of the protocol. */
const FORM_WORDS = /^(?:grant_type|client_assertion_type|subject_token_type|requested_token_type|scope)$/;
const FORM_WORD = /^(?:client_credentials|scim|urn:ietf:params:oauth:[a-z0-9:_-]{1,60})$/;

/**
 * A form of the token endpoint: the values that are words of the protocol, and a client id that is one. A secret may
 * stand in any wrong place, so nothing else is kept, not even the name of a parameter that nobody knows.
 */
export const maskForm = (text: string): string =>
  [...new URLSearchParams(text)]
    .slice(0, 50)
    .map(([name, value]) => {
      if (FORM_WORDS.test(name)) return `${name}=${FORM_WORD.test(value) ? value : MASK}`;
      if (name === 'client_id') return `${name}=${isUuid(value) ? value : MASK}`;
      return `${/^(?:client_secret|client_assertion|subject_token|actor_token)$/.test(name) ? name : MASK}=${MASK}`;
    })
    .join('&');

/** A name or a header that is kept whole: nothing of it is if a secret is given in it. */
export const maskText = (text: string): string => (SHAPE.test(text) || givesSecret(text) ? MASK : text);

/** The user name and password in a request that names its whole URL (RFC 3986 §3.2.1). */
const USER = /^(https?:\/\/)[^/?#]*@/i;

/** A path with its query, as it came, without the parameters that are secrets or give one. */
export const maskPath = (path: string): string => {
  const url = path.replace(USER, `$1${MASK}@`);
  const begin = url.indexOf('?');
  if (begin < 0) return SHAPE.test(url) ? MASK : url;
  const parameters = url.slice(begin + 1).split('&');
  const masked = parameters.map((parameter) => {
    const meaning = decoded(parameter);
    const [name = ''] = meaning.split('=', 1);
    if (!NAME.test(name) && !givesSecret(meaning.slice(name.length + 1)) && !SHAPE.test(meaning)) return parameter;
    // Without an equals sign it is no name, and may be the secret.
    return parameter.includes('=') && NAME_OF_PARAMETER.test(name) ? `${name}=${MASK}` : MASK;
  });
  return `${SHAPE.test(url.slice(0, begin)) ? MASK : url.slice(0, begin)}?${masked.join('&')}`;
};

const NAME_OF_PARAMETER = /^[\w.-]{1,64}$/;

/** As it is meant; a text that cannot be decoded is taken as it is. */
const decoded = (parameter: string): string => {
  try {
    return decodeURIComponent(parameter.replaceAll('+', ' '));
  } catch {
    return parameter;
  }
};

/** So many characters of a secret tell something of it. */
const TELLING_CHARACTERS = 6;

/** The words of an answer, without what it repeats of the secrets of its body; up to the first of them. */
export const maskDetail = (detail: string, { text, secrets, isCut }: Kept): string => {
  const quotes = text === null || (isCut && detail.includes('is not valid JSON')) ? detail.search(/["']/) : -1;
  let end = quotes < 0 ? detail.length : quotes;
  for (const secret of secrets) {
    const at = secret === '' ? -1 : detail.indexOf(secret.slice(0, TELLING_CHARACTERS));
    if (at >= 0) end = Math.min(end, at);
  }
  return end === detail.length ? detail : `${detail.slice(0, end)}${MASK}`;
};
