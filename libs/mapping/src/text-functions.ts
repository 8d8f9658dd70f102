import { withoutDiacritics } from './diacritics.js';
import {
  asInteger,
  asText,
  NULL,
  ofText,
  wordOf,
  type Args,
  type Argument,
  type Evaluate,
  type FunctionDefinition,
  type Site,
} from './definition.js';
import { REPLACE } from './replace.js';
import type { Run } from './run.js';
import { isList, textOf, type Value } from './value.js';

/** A text as UTF-16 without a mark of its byte order, in base64: what .NET calls Unicode. */
const toBase64 = (text: string): string => Buffer.from(text, 'utf16le').toString('base64');

const ENCODINGS = { Unicode: 'utf16le', ASCII: 'latin1', UTF8: 'utf8' } as const;

/** A letter that becomes several in upper case stays, as the invariant culture of .NET keeps ß. */
const toUpper = (text: string): string => {
  const upper = text.toUpperCase();
  if (upper.length === text.length) return upper;
  return [...text]
    .map((letter) => (letter.toUpperCase().length === letter.length ? letter.toUpperCase() : letter))
    .join('');
};

/** BCP 47: `en-12` has the shape of a tag and is none, and V8 throws for it. */
const isLanguage = (tag: string): boolean => {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
};

/** `change` takes a language, or none for the invariant culture. */
const ofCulture =
  (change: (text: string, culture: string | null) => string) =>
  ([source, culture]: Args, site: Site): Evaluate => {
    const [text, language] = [asText(source), asText(culture)];
    const checked = (name: string | null): string | null => {
      if (name === null || name === '') return null;
      if (/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$/.test(name) && isLanguage(name)) return name;
      return site.fail('There is no such culture', 'one such as "en-US"', culture);
    };
    if (typeof culture?.literal === 'string') checked(culture.literal);
    return (run) => {
      const found = text(run);
      return found === null ? null : run.made(change(found, checked(language(run))));
    };
  };

const SEPARATOR = /[\p{Z}\p{Cc}\p{Cf}\p{P}\p{S}]/u;

/**
 * Words begin behind separators: those that are given, or blanks, punctuation and symbols. The page lists all
 * punctuation, also the apostrophe, where .NET itself goes on with the word: O'CONNOR becomes O'Connor here. So it has
 * to be for the guide that mends PCase's 'S by a Replace.
 */
const properCase = (text: string, separators: string | null): string => {
  let isFirst = true;
  return [...text]
    .map((letter) => {
      const made = isFirst ? toUpper(letter) : letter.toLowerCase();
      isFirst = separators === null ? SEPARATOR.test(letter) : separators.includes(letter);
      return made;
    })
    .join('');
};

/**
 * The part from `start` (from 1 on). Where there is nothing to take, a start behind the end gives "", and a start below 1
 * or a negative length the text as it is, as the page of Entra Connect has it. A length may be left out, as one sample
 * has it, and then all of the rest is taken.
 */
const makeMid = ([source, start, length]: Args, site: Site): Evaluate => {
  const [text, from] = [asText(source), asInteger(start, 'start', site)];
  const count = length ? asInteger(length, 'length', site) : () => Infinity;
  return (run) => {
    const found = text(run) ?? '';
    const [first, units] = [from(run), count(run)];
    return first < 1 || units < 0 ? found : run.made(found.slice(first - 1, first - 1 + units));
  };
};

/**
 * The word with a number, from 1 on. A text with fewer words, or without a delimiter, gives "", as the page says.
 * Delimiters side by side have an empty word between them.
 */
const makeWord = ([source, number, delimiters]: Args, site: Site): Evaluate => {
  const [text, index, marks] = [asText(source), asInteger(number, 'WordNumber', site), asText(delimiters)];
  return (run) => {
    const [found, wanted, characters] = [text(run) ?? '', index(run), marks(run) ?? ''];
    run.charge((found.length * (1 + characters.length / 8)) / 8);
    let [begin, count] = [0, 1];
    for (let at = 0; at < found.length; at++) {
      if (!characters.includes(found[at]!)) continue;
      if (count === wanted) return found.slice(begin, at);
      count++;
      begin = at + 1;
    }
    return count > 1 && count === wanted ? found.slice(begin) : '';
  };
};

const makeInStr = ([value1, value2, start, compareType]: Args, site: Site): Evaluate => {
  const [text, sought] = [asText(value1), asText(value2)];
  const from = start ? asInteger(start, 'start', site) : () => 1;
  // The page names no default: letters differ in case, as everywhere in the language.
  const ignoresCase = wordOf(compareType, ['vbBinaryCompare', 'vbTextCompare'], site) === 'vbTextCompare';
  return (run) => {
    const [found, part, begin] = [text(run), sought(run), Math.max(1, from(run))];
    if (found === null || part === null) return 0;
    run.chargeSearch(found.length, part.length);
    return ignoresCase
      ? found.toLowerCase().indexOf(part.toLowerCase(), begin - 1) + 1
      : found.indexOf(part, begin - 1) + 1;
  };
};

const DIGITS = '0123456789';
const LOWER = 'abcdefghijklmnopqrstuvwxyz';
/** The special characters of Windows' rule for passwords. */
const SPECIAL = '~!@#$%^&*_-+=`|\\(){}[]:;"\'<>,.?/';
const MAX_RANDOM_CHARACTERS = 256;

/**
 * The rest is filled from the kinds that have a minimum: in the page's own example, six characters with three digits and
 * three small letters have no others.
 */
const makeRandom = (args: Args, site: Site): Evaluate => {
  const [length, numbers, special, capital, small] = [
    'Length',
    'MinimumNumbers',
    'MinimumSpecialCharacters',
    'MinimumCapital',
    'MinimumLowerCase',
  ].map((name, index) => asInteger(args[index], name, site));
  const avoided = asText(args[5]);
  return (run) => {
    const total = length!(run);
    const without = avoided(run) ?? '';
    run.charge(without.length);
    const kinds = [
      { minimum: numbers!(run), characters: DIGITS },
      { minimum: special!(run), characters: SPECIAL },
      { minimum: capital!(run), characters: LOWER.toUpperCase() },
      { minimum: small!(run), characters: LOWER },
    ].map(({ minimum, characters }) => ({
      minimum,
      characters: [...characters].filter((character) => !without.includes(character)).join(''),
    }));
    const least = kinds.reduce((sum, { minimum }) => sum + Math.max(0, minimum), 0);
    if (total < 0 || total > MAX_RANDOM_CHARACTERS || least > total)
      site.fail('The length does not fit', `one up to ${MAX_RANDOM_CHARACTERS}, at least the sum of the minimums`);
    const asked = kinds.filter(({ minimum }) => minimum > 0);
    const rest = (asked.length > 0 ? asked : kinds).map(({ characters }) => characters).join('');
    const pick = (characters: string): string => {
      if (characters === '') site.fail('No character is left of a kind', 'fewer characters to avoid');
      return characters[run.given.randomBelow(characters.length)]!;
    };
    const made = asked.flatMap(({ minimum, characters }) => Array.from({ length: minimum }, () => pick(characters)));
    while (made.length < total) made.push(pick(rest));
    for (let at = made.length - 1; at > 0; at--) {
      const other = run.given.randomBelow(at + 1);
      [made[at], made[other]] = [made[other]!, made[at]!];
    }
    return run.made(made.join(''));
  };
};

/** RFC 9562 §5.4. */
const guid = (run: Run): string => {
  const digits = Array.from({ length: 32 }, () => run.given.randomBelow(16));
  digits[12] = 4;
  digits[16] = 8 + (digits[16]! % 4);
  const hex = digits.map((digit) => digit.toString(16)).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};

/** `count` tells how much of the text is taken, from its first character. */
const makeLeft = ([source, characters]: Args, site: Site): Evaluate => {
  const [text, count] = [asText(source), asInteger(characters, 'NumChars', site)];
  return (run) => {
    const [found, units] = [text(run) ?? '', count(run)];
    return units < 0 ? found : found.slice(0, units);
  };
};

/** Null alone is nothing, so that the other part stands alone; two of them are null. */
const makeAppend = ([source, suffix]: Args): Evaluate => {
  const [first, second] = [asText(source), asText(suffix)];
  return (run) => {
    const [left, right] = [first(run), second(run)];
    return left === null && right === null ? null : run.made((left ?? '') + (right ?? ''));
  };
};

/** Lists give all of their values; null and "" are left out with their separators, which a printed example shows. */
const makeJoin = ([separator, ...sources]: Args): Evaluate => {
  const between = asText(separator);
  const reads = sources.map((source) => source?.evaluate ?? NULL);
  return (run) => {
    const joint = between(run) ?? '';
    let text = '';
    for (const read of reads) {
      const value = read(run);
      if (isList(value)) run.charge(value.length);
      for (const one of isList(value) ? value : [value]) {
        const part = textOf(one);
        if (part === null || part === '') continue;
        run.requireShort(text.length + joint.length + part.length);
        text = text === '' ? part : text + joint + part;
      }
    }
    return run.made(text);
  };
};

/** Each value of a list by itself. */
const makeTrim = ([value]: Args): Evaluate => {
  const { evaluate } = value!;
  const trimmed = (one: Value): Value => textOf(one)?.trim() ?? null;
  return (run) => {
    const found = evaluate(run);
    if (!isList(found)) return trimmed(found);
    run.requireFew(found.length);
    return found.map(trimmed);
  };
};

const makeFromBase64 = ([source, encoding]: Args, site: Site): Evaluate => {
  const name = wordOf(encoding, ['Unicode', 'ASCII', 'UTF8'], site);
  const text = asText(source);
  return (run) => {
    const found = text(run);
    if (found === null) return null;
    if (!/^[\w+/-]*={0,2}$/.test(found.trim()))
      return site.fail('The text is no base64', 'base64 (RFC 4648 §4)', source);
    return run.made(Buffer.from(found, 'base64').toString(ENCODINGS[name]));
  };
};

/** The value of a part of a distinguished name (RFC 4514), counted from the left. */
const makeDnComponent = ([dn, number]: Args, site: Site): Evaluate => {
  const [text, index] = [asText(dn), asInteger(number, 'ComponentNumber', site)];
  return (run) => {
    const found = text(run);
    if (found === null) return null;
    run.charge(found.length);
    const part = found.match(/(?:\\.|[^\\,])+/gsu)?.[index(run) - 1];
    if (part === undefined) return null;
    return part
      .slice(part.indexOf('=') + 1)
      .trim()
      .replace(/\\(.)/gsu, '$1');
  };
};

/** MS-DTYP §2.4.2: a security identifier, as base64 or hexadecimal of its bytes. */
const sidOf = (text: string, site: Site, argument: Argument | undefined): string => {
  const bytes = Buffer.from(text, /^[\dA-F]+$/i.test(text) && text.length % 2 === 0 ? 'hex' : 'base64');
  if (bytes.length < 8 || bytes.length !== 8 + 4 * bytes[1]!)
    return site.fail('The value is no security identifier', 'its bytes in base64', argument);
  const authorities = Array.from({ length: bytes[1]! }, (_, at) => bytes.readUInt32LE(8 + 4 * at));
  return ['S', bytes[0]!, bytes.readUIntBE(2, 6), ...authorities].join('-');
};

export const TEXT_FUNCTIONS: readonly FunctionDefinition[] = [
  REPLACE,
  { name: 'Append', parameters: 'source, suffix', make: makeAppend },
  { name: 'Join', parameters: 'separator, source+', make: makeJoin },
  { name: 'Left', parameters: 'String, NumChars', make: makeLeft },
  { name: 'Mid', parameters: 'source, start, length?', make: makeMid },
  { name: 'Word', parameters: 'String, WordNumber, Delimiters', make: makeWord },
  { name: 'InStr', parameters: 'value1, value2, start?, compareType?', make: makeInStr },
  { name: 'Trim', parameters: 'value', make: makeTrim },
  { name: 'StripSpaces', parameters: 'source', make: ofText((text) => text.replaceAll(' ', '')) },
  {
    name: 'NormalizeDiacritics',
    parameters: 'source',
    make: ofText((text, run) => {
      run.charge(text.length);
      return withoutDiacritics(text);
    }),
  },
  {
    name: 'PCase',
    parameters: 'source, wordSeparators?',
    make: ([source, separators]) => {
      const [text, given] = [asText(source), asText(separators)];
      return (run) => {
        const found = text(run);
        if (found === null) return null;
        const marks = given(run);
        run.charge(found.length * (2 + (marks?.length ?? 0) / 8));
        return run.made(properCase(found, marks));
      };
    },
  },
  {
    name: 'ToLower',
    parameters: 'source, culture?',
    make: ofCulture((text, culture) => (culture ? text.toLocaleLowerCase(culture) : text.toLowerCase())),
  },
  {
    name: 'ToUpper',
    parameters: 'source, culture?',
    make: ofCulture((text, culture) => (culture ? text.toLocaleUpperCase(culture) : toUpper(text))),
  },
  { name: 'ConvertToBase64', parameters: 'source', make: ofText(toBase64) },
  { name: 'ConvertFromBase64', parameters: 'source, Encoding?', make: makeFromBase64 },
  {
    name: 'ConvertToUTF8Hex',
    parameters: 'source',
    make: ofText((text) => Buffer.from(text, 'utf8').toString('hex').toUpperCase()),
  },
  { name: 'CStr', parameters: 'value', make: ofText((text) => text) },
  { name: 'CRef', parameters: 'value', make: ofText((text) => text) },
  {
    name: 'Len',
    parameters: 'value',
    make: ([value]) => {
      const text = asText(value);
      return (run) => text(run)?.length ?? 0;
    },
  },
  { name: 'DNComponent', parameters: 'dn, ComponentNumber', make: makeDnComponent },
  {
    name: 'StringFromSid',
    parameters: 'ObjectSID',
    make: ([sid], site) => ofText((text) => sidOf(text, site, sid))([sid]),
  },
  { name: 'Guid', parameters: '', isRandom: true, make: () => guid },
  {
    name: 'RandomString',
    parameters:
      'Length, MinimumNumbers, MinimumSpecialCharacters, MinimumCapital, MinimumLowerCase, CharactersToAvoid?',
    isRandom: true,
    make: makeRandom,
  },
  { name: 'DefaultDomain', parameters: '', make: () => (run) => run.given.settings?.DefaultDomain ?? null },
];
