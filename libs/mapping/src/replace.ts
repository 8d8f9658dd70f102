import {
  asText,
  madeOf,
  type Args,
  type Argument,
  type Evaluate,
  type FunctionDefinition,
  type Site,
} from './definition.js';
import { groupText, readSubstitution, Regex, substitute, type Match, type Substitution } from './regex.js';
import { PatternFault } from './regex-syntax.js';
import type { Run } from './run.js';

/** Steps for each character of a pattern that is no literal: it is compiled for a user. */
const STEPS_PER_PATTERN_CHARACTER = 50;

const asRegex = (argument: Argument, site: Site): ((run: Run) => Regex) =>
  madeOf(
    argument,
    (text) => {
      try {
        return new Regex(text ?? '');
      } catch (error) {
        if (!(error instanceof PatternFault)) throw error;
        return site.fail(error.message, 'a pattern of .NET without references back to groups', argument);
      }
    },
    (run, text) => run.charge((1 + text.length) * STEPS_PER_PATTERN_CHARACTER),
  );

/** Puts texts together, none longer than a text may be. */
class Builder {
  private text = '';

  constructor(private readonly run: Run) {}

  add(part: string): void {
    this.run.requireShort(this.text.length + part.length);
    this.text += part;
  }

  done(): string {
    return this.run.made(this.text);
  }
}

/** Every occurrence, looked for literally. */
const replaceText = (run: Run, text: string, old: string, by: string): string => {
  run.chargeSearch(text.length, old.length);
  const parts = text.split(old);
  run.requireShort(text.length + (parts.length - 1) * (by.length - old.length));
  return run.made(parts.join(by));
};

/** Every match, by what `change` makes of it. */
const replaceMatches = (run: Run, text: string, regex: Regex, change: (match: Match) => string): string => {
  const made = new Builder(run);
  let at = 0;
  for (const match of regex.findAll(text, run.charge)) {
    made.add(text.slice(at, match[0]));
    made.add(change(match));
    at = match[1]!;
  }
  made.add(text.slice(at));
  return made.done();
};

/** The ways to call Replace, told apart by which arguments are given. A given "" is not the same as none. */
const makeReplace = (args: Args, site: Site): Evaluate => {
  const [source, oldValue, pattern, groupName, replacement, fallback, template] = args;
  if (pattern && fallback) return makeFallback(source!, pattern, groupName, fallback, site);
  if (pattern && replacement)
    return groupName
      ? replaceGroup(source!, pattern, groupName, replacement, site)
      : replacePattern(source!, pattern, replacement, site);
  const given = template ?? replacement;
  if (!oldValue || !given || pattern)
    return site.fail(
      'The arguments fit none of its uses',
      'oldValue and replacementValue, oldValue and template, regexPattern and replacementValue, perhaps with regexGroupName, or regexPattern, regexGroupName and replacementAttributeName',
    );
  const [text, old, other] = [asText(source), asText(oldValue), asText(given)];
  return (run) => {
    const found = text(run);
    const sought = old(run) ?? '';
    if (found === null) return null;
    if (sought === '') return site.fail('oldValue is empty', 'the text that is replaced', oldValue);
    const by = other(run) ?? '';
    return template ? replaceText(run, by, sought, found) : replaceText(run, found, sought, by);
  };
};

const replacePattern = (source: Argument, pattern: Argument, replacement: Argument, site: Site): Evaluate => {
  const [text, regexOf, replacementText] = [asText(source), asRegex(pattern, site), asText(replacement)];
  let last: { readonly regex: Regex; readonly by: string; readonly parts: Substitution } | null = null;
  return (run) => {
    const found = text(run);
    if (found === null) return null;
    const [regex, by] = [regexOf(run), replacementText(run) ?? ''];
    if (last?.regex !== regex || last.by !== by) last = { regex, by, parts: readSubstitution(regex, by) };
    const { parts } = last;
    return replaceMatches(run, found, regex, (match) => substitute(parts, found, match));
  };
};

/** The number of a group; a group that the pattern lacks is a fault when the expression is saved, if both are literals. */
const asGroup = (
  regexOf: (run: Run) => Regex,
  pattern: Argument,
  name: Argument | undefined,
  site: Site,
): ((run: Run) => number) => {
  if (!name) return () => 0;
  const read = (regex: Regex, text: string | null): number =>
    regex.groupOf(text ?? '') ??
    site.fail('The pattern has no group of that name', 'the name of a group, as in (?<name>…)', name);
  if (typeof name.literal === 'string' && pattern.literal !== undefined) {
    const group = read(regexOf(NO_RUN), name.literal);
    return () => group;
  }
  const text = asText(name);
  return (run) => read(regexOf(run), text(run));
};
/** A literal reads nothing. */
const NO_RUN = null as unknown as Run;

const replaceGroup = (
  source: Argument,
  pattern: Argument,
  name: Argument,
  replacement: Argument,
  site: Site,
): Evaluate => {
  const [text, regexOf, by] = [asText(source), asRegex(pattern, site), asText(replacement)];
  const groupOf = asGroup(regexOf, pattern, name, site);
  return (run) => {
    const found = text(run);
    if (found === null) return null;
    const group = groupOf(run);
    const value = by(run) ?? '';
    return replaceMatches(run, found, regexOf(run), (match) => {
      const [from, to] = [match[2 * group]!, match[2 * group + 1]!];
      if (to < 0) return groupText(found, match, 0);
      return found.slice(match[0], from) + value + found.slice(to, match[1]);
    });
  };
};

/**
 * The source if it has a value, else what the group holds in another attribute. The page of cloud sync tells it the
 * other way round; this is the reference and its example. An attribute that does not match is taken as it is, as
 * everywhere in Replace.
 */
const makeFallback = (
  source: Argument,
  pattern: Argument,
  name: Argument | undefined,
  fallback: Argument,
  site: Site,
): Evaluate => {
  const [text, regexOf, other] = [asText(source), asRegex(pattern, site), asText(fallback)];
  const groupOf = asGroup(regexOf, pattern, name, site);
  return (run) => {
    const found = text(run);
    if (found !== null && found !== '') return found;
    const second = other(run);
    if (second === null) return found;
    const group = groupOf(run);
    const match = regexOf(run).find(second, 0, run.charge);
    return match ? groupText(second, match, group) : second;
  };
};

export const REPLACE: FunctionDefinition = {
  name: 'Replace',
  parameters:
    'source, oldValue?, regexPattern?, regexGroupName?, replacementValue?, replacementAttributeName?, template?',
  make: makeReplace,
};
