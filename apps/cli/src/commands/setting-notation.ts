import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import {
  directorySettings,
  isValueOf,
  valuesOf,
  type MappingLine,
  type SettingShape,
  type SettingType,
  type SettingValue,
} from '#contracts';

/** How the values of a type are written as arguments of an option. */
interface Notation<Type extends SettingType> {
  readonly argument: (setting: Extract<SettingShape, { readonly type: Type }>) => string;
  /** `before`: what the option was given so far, where it may come more than once. Throws InvalidArgumentError. */
  readonly parse: (text: string, before: SettingValue | undefined) => unknown;
  /** The arguments that say this value, one for each time that the option comes. */
  readonly texts: (value: SettingValue) => readonly string[];
}

const isOn = (text: string): boolean => {
  if (text !== 'on' && text !== 'off') throw new InvalidArgumentError('It is either on or off.');
  return text === 'on';
};

/** The last `=` divides, because a choice has none. */
const entryIn = (text: string): readonly [string, string] => {
  const end = text.lastIndexOf('=');
  if (end < 1) throw new InvalidArgumentError('It is a name, an equals sign and a choice.');
  return [text.slice(0, end), text.slice(end + 1)];
};

/**
 * One line, as `target=expression` or `target@when=expression`, or with `@` a JSON file of all lines. A target has no
 * equals sign.
 */
const linesIn = (text: string): readonly MappingLine[] => {
  if (text.startsWith('@')) return linesOfFile(text.slice(1));
  const [, target, when, expression] = /^([^=]*?)(?:@([a-z]+))?=(.*)$/s.exec(text) ?? [];
  if (target === undefined || expression === undefined)
    throw new InvalidArgumentError('It is a target, an equals sign and an expression, or @ and the name of a file.');
  return [{ target: target.trim(), expression, ...(when ? { when: when as NonNullable<MappingLine['when']> } : {}) }];
};

const linesOfFile = (path: string): readonly MappingLine[] => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as MappingLine[];
  } catch (error) {
    throw new InvalidArgumentError(`${path} cannot be read as JSON: ${(error as Error).message}`);
  }
};

const NOTATIONS: { readonly [type in SettingType]: Notation<type> } = {
  boolean: { argument: () => '<on|off>', parse: isOn, texts: (value) => [value === true ? 'on' : 'off'] },
  text: { argument: () => '<text>', parse: (text) => text, texts: (value) => [String(value)] },
  choice: {
    argument: ({ choices }) => `<${choices.join('|')}>`,
    parse: (text) => text,
    texts: (value) => [String(value)],
  },
  number: {
    argument: ({ min, max }) => `<${min}..${max}>`,
    parse: (text) => (/^-?\d+$/.test(text) ? Number(text) : text),
    texts: (value) => [String(value)],
  },
  // An empty text adds nothing: `--option ""` alone is the empty list, or the empty map.
  list: {
    argument: () => '<text>',
    parse: (text, before) => [...((before as readonly string[] | undefined) ?? []), ...(text === '' ? [] : [text])],
    texts: (value) => orEmpty(value as readonly string[]),
  },
  map: {
    argument: ({ choices }) => `<name=${choices.join('|')}>`,
    parse: (text, before) =>
      Object.fromEntries([...Object.entries(before ?? {}), ...(text === '' ? [] : [entryIn(text)])]),
    texts: (value) => orEmpty(Object.entries(value).map(([name, choice]) => `${name}=${choice}`)),
  },
  mapping: {
    argument: () => '<target=expression|@file>',
    parse: (text, before) => [
      ...((before as readonly MappingLine[] | undefined) ?? []),
      ...(text === '' ? [] : linesIn(text)),
    ],
    texts: (value) =>
      orEmpty(
        (value as readonly MappingLine[]).map(
          ({ target, expression, when = 'always' }) => `${target}${when === 'always' ? '' : `@${when}`}=${expression}`,
        ),
      ),
  },
};

const orEmpty = (texts: readonly string[]): readonly string[] => (texts.length === 0 ? [''] : texts);
const notationOf = ({ type }: SettingShape): Notation<SettingType> => NOTATIONS[type] as Notation<SettingType>;

/** The option of a setting: `--offer-local-groups` of `offerLocalGroups`. */
export const optionOf = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** The option of a setting with its argument, as help shows it. */
export const flagsOf = (name: string, setting: SettingShape): string =>
  `${optionOf(name)} ${notationOf(setting).argument(setting)}`;

/** Help: some options come once for each of their values. */
export const repetitionOf = ({ type }: SettingShape): string =>
  type === 'list' || type === 'map' || type === 'mapping' ? ' Repeat the option for each of several; "" is none.' : '';

/** Help: what a setting is until somebody sets it. */
export const defaultIn = (setting: SettingShape): string =>
  ` (default: ${notationOf(setting).texts(setting.default).join(', ') || 'none'})`;

/** Reads one argument of the option of a setting. Throws InvalidArgumentError, which says what a value is. */
export const parseSetting =
  (setting: SettingShape) =>
  (text: string, before: SettingValue | undefined): SettingValue => {
    const value = notationOf(setting).parse(text, before);
    if (!isValueOf(setting, value)) throw new InvalidArgumentError(`It must be ${valuesOf(setting)}.`);
    return value as SettingValue;
  };

/** The options that set a value, to be pasted into a command line. */
export const settingAsOptions = (name: string, setting: SettingShape, value: SettingValue): readonly string[] =>
  notationOf(setting)
    .texts(value)
    .map(
      (text) =>
        `${optionOf(name)} ${/^[\w.:/=@-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`}`,
    );

/** The name of the setting that somebody means, as it is declared or as its option. Throws InvalidArgumentError. */
export const settingNamed = (text: string): string => {
  const found = directorySettings().find(([name]) => name === text || optionOf(name).slice(2) === text);
  if (!found) throw new InvalidArgumentError('There is no such setting.');
  return found[0];
};
