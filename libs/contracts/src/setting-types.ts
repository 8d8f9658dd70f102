/** The types that a setting may have. What is declared beside the type limits its values. */
export type SettingShape =
  | { readonly type: 'boolean'; readonly default: boolean }
  | { readonly type: 'text'; readonly minCharacters: number; readonly maxCharacters: number; readonly default: string }
  | { readonly type: 'choice'; readonly choices: readonly string[]; readonly default: string }
  /** A whole number. */
  | { readonly type: 'number'; readonly min: number; readonly max: number; readonly default: number }
  /** Texts, none of them empty. */
  | {
      readonly type: 'list';
      readonly maxItems: number;
      readonly maxCharacters: number;
      readonly default: readonly string[];
    }
  /** Texts, none of them empty, each with one of the choices. */
  | {
      readonly type: 'map';
      readonly choices: readonly string[];
      readonly maxItems: number;
      readonly maxCharacters: number;
      readonly default: Readonly<Record<string, string>>;
    }
  /** Lines of an attribute mapping. */
  | { readonly type: 'mapping'; readonly maxItems: number; readonly default: readonly MappingLine[] };

/** One line of an attribute mapping: libs/mapping says what it means, and checks it as a whole. */
export interface MappingLine {
  /** A SCIM path. */
  readonly target: string;
  readonly expression: string;
  /** Left out = always. */
  readonly when?: (typeof WHEN_MAPPED)[number];
}
export const WHEN_MAPPED = ['always', 'create', 'update', 'absent'] as const;
const MAX_TARGET_CHARACTERS = 500;
/** The limit of Entra itself. */
const MAX_EXPRESSION_CHARACTERS = 10_000;

export type SettingType = SettingShape['type'];
type Shape<Type extends SettingType> = Extract<SettingShape, { readonly type: Type }>;

/** The values of a setting that is declared so. */
export type ValueOf<Declared extends { readonly type: SettingType }> = Declared extends { readonly type: 'boolean' }
  ? boolean
  : Declared extends { readonly type: 'text' }
    ? string
    : Declared extends { readonly type: 'choice'; readonly choices: readonly (infer Choice)[] }
      ? Choice
      : Declared extends { readonly type: 'number' }
        ? number
        : Declared extends { readonly type: 'list' }
          ? readonly string[]
          : Declared extends { readonly type: 'map'; readonly choices: readonly (infer Choice)[] }
            ? Readonly<Record<string, Choice>>
            : Declared extends { readonly type: 'mapping' }
              ? readonly MappingLine[]
              : never;
export type SettingValue =
  | boolean
  | string
  | number
  | readonly string[]
  | Readonly<Record<string, string>>
  | readonly MappingLine[];

interface TypeOfSetting<Type extends SettingType> {
  /** For administrators: what a value is, as the end of "it must be …". */
  readonly values: (setting: Shape<Type>) => string;
  readonly is: (value: unknown, setting: Shape<Type>) => boolean;
}

const isText = (value: unknown, min: number, max: number): value is string =>
  typeof value === 'string' && value.length >= min && value.length <= max;
const isLine = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { target, expression, when = 'always', ...rest } = value as { [name: string]: unknown };
  return (
    isText(target, 1, MAX_TARGET_CHARACTERS) &&
    isText(expression, 1, MAX_EXPRESSION_CHARACTERS) &&
    WHEN_MAPPED.some((one) => one === when) &&
    Object.keys(rest).length === 0
  );
};
const oneOf = (choices: readonly string[]): string => choices.join(', ').replace(/, ([^,]*)$/, ' or $1');

const TYPES: { readonly [type in SettingType]: TypeOfSetting<type> } = {
  boolean: { values: () => 'true or false', is: (value) => typeof value === 'boolean' },
  text: {
    values: ({ minCharacters: min, maxCharacters: max }) =>
      min === 0 ? `a text of at most ${max} characters` : `a text of ${min} to ${max} characters`,
    is: (value, { minCharacters, maxCharacters }) => isText(value, minCharacters, maxCharacters),
  },
  choice: {
    values: ({ choices }) => oneOf(choices),
    is: (value, { choices }) => typeof value === 'string' && choices.includes(value),
  },
  number: {
    values: ({ min, max }) => `a whole number from ${min} to ${max}`,
    is: (value, { min, max }) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  },
  list: {
    values: ({ maxItems, maxCharacters }) => `a list of at most ${maxItems} texts of 1 to ${maxCharacters} characters`,
    is: (value, { maxItems, maxCharacters }) =>
      Array.isArray(value) && value.length <= maxItems && value.every((one) => isText(one, 1, maxCharacters)),
  },
  map: {
    values: ({ choices, maxItems, maxCharacters }) =>
      `an object of at most ${maxItems} names of 1 to ${maxCharacters} characters, each with ${oneOf(choices)}`,
    is: (value, { choices, maxItems, maxCharacters }) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
      const entries = Object.entries(value);
      return (
        entries.length <= maxItems &&
        entries.every(
          ([name, choice]) => isText(name, 1, maxCharacters) && typeof choice === 'string' && choices.includes(choice),
        )
      );
    },
  },
  mapping: {
    values: ({ maxItems }) =>
      `a list of at most ${maxItems} lines {target, expression, when}; when is ${oneOf(WHEN_MAPPED)}`,
    is: (value, { maxItems }) => Array.isArray(value) && value.length <= maxItems && value.every(isLine),
  },
};

/** The values of a setting, in words that end "it must be …". */
export const valuesOf = (setting: SettingShape): string =>
  (TYPES[setting.type] as TypeOfSetting<SettingType>).values(setting);

/** Tells whether a value, which may be anything, is one of the setting. */
export const isValueOf = (setting: SettingShape, value: unknown): boolean =>
  (TYPES[setting.type] as TypeOfSetting<SettingType>).is(value, setting);
