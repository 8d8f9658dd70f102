import {
  addInterval,
  fileTimeOf,
  formatDate,
  INTERVALS,
  intervalsBetween,
  isInRange,
  msOfFileTime,
  parseDate,
  readFormat,
  readInstant,
  type DateFormat,
  type Interval,
} from './dates.js';
import {
  asInteger,
  madeOf,
  type Args,
  type Argument,
  type Evaluate,
  type FunctionDefinition,
  type Site,
} from './definition.js';
import type { Run } from './run.js';
import { Instant, numberOf, textOf, type Value } from './value.js';

/** Reads an argument as a moment, in milliseconds; anything else is a fault, also null. */
const asMoment = (argument: Argument | undefined, site: Site): ((run: Run) => number) => {
  const { evaluate } = argument!;
  return (run) => {
    const value = evaluate(run);
    if (value instanceof Instant) return value.ms;
    const text = textOf(value);
    const ms = text === null ? null : readInstant(text);
    if (ms === null || !isInRange(ms))
      return site.fail(
        text === null || text === '' ? 'There is no date' : 'The text is no date',
        'a date such as 2026-01-31, 2026-01-31T08:00:00Z or 1/31/2026 8:00:00 AM',
        argument,
      );
    return ms;
  };
};

const asInterval = (argument: Argument | undefined, site: Site): ((run: Run) => Interval) =>
  madeOf(
    argument!,
    (text) =>
      INTERVALS.find((interval) => interval === text) ??
      site.fail(
        'There is no such interval',
        `one of ${INTERVALS.map((interval) => `"${interval}"`).join(', ')}`,
        argument,
      ),
  );

/** Names of .NET, and what they count as; only what changes a result here has an effect. */
const STYLES: { readonly [name: string]: number } = {
  none: 0,
  allowleadingwhite: 1,
  allowtrailingwhite: 2,
  allowinnerwhite: 4,
  allowwhitespaces: 7,
  nocurrentdatedefault: 8,
  adjusttouniversal: 16,
  assumelocal: 32,
  assumeuniversal: 64,
  roundtripkind: 128,
};
const DEFAULT_STYLES = 128 | 1 | 2;
const ADJUST_TO_UNIVERSAL = 16;

const asStyles = (argument: Argument | undefined, site: Site): ((run: Run) => number) =>
  argument
    ? madeOf(argument, (text) => {
        if (text === null || text === '') return DEFAULT_STYLES;
        if (/^\d{1,3}$/.test(text.trim())) return Number(text);
        const styles = text.split(',').map((name) => STYLES[name.trim().toLowerCase()]);
        return styles.reduce<number>(
          (sum, style) =>
            sum | (style ?? site.fail('There is no such style', 'names of .NET DateTimeStyles', argument)),
          0,
        );
      })
    : () => DEFAULT_STYLES;

/** Length of a date or of a format, in UTF-16 units. */
const MAX_DATE_CHARACTERS = 100;

const asFormat = (argument: Argument | undefined, site: Site): ((run: Run) => DateFormat) =>
  madeOf(argument!, (text) =>
    text && text.length <= MAX_DATE_CHARACTERS
      ? readFormat(text)
      : site.fail('The format is empty or too long', 'one such as "yyyy-MM-dd"', argument),
  );

/**
 * With an offset in the text and none in the format of the output, the page does not say which time is printed: it is
 * the wall-clock time as it was written, unless a style asks for UTC. An older form without styles has three arguments.
 */
const makeFormat = ([source, second, third, fourth]: Args, site: Site): Evaluate => {
  const [style, input, output] = fourth ? [second, third, fourth] : [undefined, second, third];
  if (!input || !output)
    return site.fail('A format is missing', 'FormatDateTime(source, dateTimeStyles, inputFormat, outputFormat)');
  const [styles, inputFormat, outputFormat] = [asStyles(style, site), asFormat(input, site), asFormat(output, site)];
  return (run) => {
    const given = textOf(source!.evaluate(run));
    if (given === null || given === '') return '';
    const flags = styles(run);
    const leading = flags & 1 ? given.trimStart() : given;
    const text = flags & 2 ? leading.trimEnd() : leading;
    const read = text.length > MAX_DATE_CHARACTERS ? null : parseDate(inputFormat(run), text, run.given.nowMs);
    if (!read)
      return site.fail('The text is not as inputFormat says', `a text in the format ${textOf(input.evaluate(run))}`);
    const offset = read.offset ?? 0;
    const isUniversal = (flags & ADJUST_TO_UNIVERSAL) !== 0;
    const wallMs = isUniversal ? read.wallMs - offset * 60_000 : read.wallMs;
    return run.made(formatDate(outputFormat(run), wallMs, isUniversal ? 0 : offset));
  };
};

const moment = (ms: number, site: Site): Value =>
  isInRange(ms) ? new Instant(ms) : site.fail('There is no such date', 'a date from the year 1 to 9999');

export const DATE_FUNCTIONS: readonly FunctionDefinition[] = [
  { name: 'Now', parameters: '', isRandom: true, make: () => (run) => new Instant(run.given.nowMs) },
  {
    name: 'CDate',
    parameters: 'expression',
    make: ([expression], site) => {
      const ms = asMoment(expression, site);
      return (run) => new Instant(ms(run));
    },
  },
  {
    name: 'DateAdd',
    parameters: 'interval, value, dateTime',
    make: ([interval, value, dateTime], site) => {
      const [unit, count, ms] = [asInterval(interval, site), asInteger(value, 'value', site), asMoment(dateTime, site)];
      return (run) => moment(addInterval(unit(run), count(run), ms(run)), site);
    },
  },
  {
    name: 'DateDiff',
    parameters: 'interval, date1, date2',
    make: ([interval, date1, date2], site) => {
      const [unit, from, to] = [asInterval(interval, site), asMoment(date1, site), asMoment(date2, site)];
      return (run) => intervalsBetween(unit(run), from(run), to(run));
    },
  },
  {
    name: 'DateFromNum',
    parameters: 'value',
    make:
      ([value], site) =>
      (run) => {
        const number = numberOf(value!.evaluate(run));
        if (number === null || (typeof number === 'number' && !Number.isInteger(number)))
          return site.fail('The value is no file time', 'how many times 100 ns have passed since 1601');
        return moment(msOfFileTime(BigInt(number)), site);
      },
  },
  {
    name: 'NumFromDate',
    parameters: 'value',
    make: ([value], site) => {
      const ms = asMoment(value, site);
      return (run) => fileTimeOf(Math.trunc(ms(run)));
    },
  },
  { name: 'FormatDateTime', parameters: 'source, dateTimeStyles?, inputFormat, outputFormat?', make: makeFormat },
];
