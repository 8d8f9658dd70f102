/** Dates as .NET reads and prints them with the invariant culture. Wall-clock times are milliseconds as if in UTC. */

const DAY_MS = 86_400_000;
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MIN_MS = utc(1, 1, 1);
const MAX_MS = utc(9999, 12, 31) + DAY_MS - 1;

/** Date.UTC takes the years below 100 for those of the last century. */
function utc(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month - 1, day);
}

/** .NET has dates of the years 1 to 9999. */
export const isInRange = (ms: number): boolean => ms >= MIN_MS && ms <= MAX_MS;

const daysIn = (year: number, month: number): number => new Date(utc(year, month + 1, 0)).getUTCDate();

/** Midnight of a day that exists, else null. */
const dayMs = (year: number, month: number, day: number): number | null =>
  year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)
    ? utc(year, month, day)
    : null;

const timeMs = (hour: number, minute: number, second: number): number | null =>
  hour < 24 && minute < 60 && second < 60 ? ((hour * 60 + minute) * 60 + second) * 1_000 : null;

/** A text such as +08:00 or Z in minutes; null where it is none. */
const zoneMinutes = (text: string): number | null => {
  if (/^z$/i.test(text)) return 0;
  const [, sign, hours, minutes = '0'] = /^([+-])(\d{2}):?(\d{2})?$/.exec(text) ?? [];
  if (sign === undefined || Number(hours) > 14 || Number(minutes) > 59) return null;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
};

/** M/d/yyyy h:mm:ss tt: how a date becomes a text. */
export const printInstant = (ms: number): string => formatDate(readFormat('M/d/yyyy h:mm:ss tt'), ms, 0);

/** ISO 8601, UTC, as SCIM wants a dateTime. */
export const isoOf = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?)? ?(z|[+-]\d\d:\d\d)?$/i;
const AMERICAN = /^(\d\d?)\/(\d\d?)\/(\d{4})(?: (\d\d?):(\d\d)(?::(\d\d))? ?(am|pm)?)?$/i;

/** The moment that a text names, in milliseconds; without an offset it is one of UTC. Null where it names none. */
export const readInstant = (given: string): number | null => {
  const text = given.trim();
  const iso = ISO.exec(text);
  if (iso) {
    const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = iso;
    const midnight = dayMs(Number(year), Number(month), Number(day));
    const time = timeMs(Number(hour), Number(minute), Number(second));
    const offset = zoneMinutes(zone);
    if (midnight === null || time === null || offset === null) return null;
    return midnight + time + Number(fraction.slice(0, 3).padEnd(3, '0')) - offset * 60_000;
  }
  const american = AMERICAN.exec(text);
  if (!american) return null;
  const [, month, day, year, hour = '0', minute = '0', second = '0', half] = american;
  const midnight = dayMs(Number(year), Number(month), Number(day));
  const hours = half === undefined ? Number(hour) : hourOf(Number(hour), half);
  const time = hours === null ? null : timeMs(hours, Number(minute), Number(second));
  return midnight === null || time === null ? null : midnight + time;
};

/** The hour of the day, from one of twelve hours and AM or PM. */
const hourOf = (hour: number, half: string): number | null =>
  hour < 1 || hour > 12 ? null : (hour % 12) + (half.toLowerCase().startsWith('p') ? 12 : 0);

/** A part of a custom format: a run of one letter such as yyyy, or a literal. */
type Part = { readonly letter: string; readonly length: number } | { readonly letter: null; readonly text: string };
export type DateFormat = readonly Part[];

const LETTERS = new Set('yMdHhmsftzKF');

/** Letters that are no specifier, such as T and Z, are literals, as what stands in quotes or behind a backslash is. */
export const readFormat = (format: string): DateFormat => {
  const parts: Part[] = [];
  for (let at = 0; at < format.length; at++) {
    const character = format[at]!;
    if (LETTERS.has(character)) {
      let end = at + 1;
      while (format[end] === character && character !== 'K') end++;
      parts.push({ letter: character, length: end - at });
      at = end - 1;
    } else if (character === "'" || character === '"') {
      const close = format.indexOf(character, at + 1);
      const end = close < 0 ? format.length : close;
      parts.push({ letter: null, text: format.slice(at + 1, end) });
      at = end;
    } else if (character === '\\' && at + 1 < format.length) parts.push({ letter: null, text: format[++at]! });
    else if (character !== '%') parts.push({ letter: null, text: character });
  }
  return parts;
};

const pad = (value: number, length: number): string => String(value).padStart(length, '0');

/** The wall-clock time, at an offset in minutes, in a format. */
export const formatDate = (format: DateFormat, wallMs: number, offset: number): string => {
  const date = new Date(wallMs);
  const hour = date.getUTCHours();
  const print = ({ letter, length }: { letter: string; length: number }): string => {
    switch (letter) {
      case 'y': {
        const year = date.getUTCFullYear();
        return length > 2 ? pad(year, length) : pad(year % 100, length);
      }
      case 'M': {
        const month = date.getUTCMonth();
        const name = MONTHS[month]!;
        return length > 3 ? name : length === 3 ? name.slice(0, 3) : pad(month + 1, length);
      }
      case 'd': {
        const name = DAYS[date.getUTCDay()]!;
        return length > 3 ? name : length === 3 ? name.slice(0, 3) : pad(date.getUTCDate(), length);
      }
      case 'H':
        return pad(hour, Math.min(length, 2));
      case 'h':
        return pad(hour % 12 === 0 ? 12 : hour % 12, Math.min(length, 2));
      case 'm':
        return pad(date.getUTCMinutes(), Math.min(length, 2));
      case 's':
        return pad(date.getUTCSeconds(), Math.min(length, 2));
      case 'f':
        return pad(date.getUTCMilliseconds(), 3).padEnd(7, '0').slice(0, length);
      case 'F':
        return pad(date.getUTCMilliseconds(), 3).slice(0, length).replace(/0+$/, '');
      case 't':
        return (hour < 12 ? 'AM' : 'PM').slice(0, length);
      default: {
        const minutes = Math.abs(offset);
        const sign = offset < 0 ? '-' : '+';
        if (letter === 'K')
          return offset === 0 ? 'Z' : `${sign}${pad(Math.floor(minutes / 60), 2)}:${pad(minutes % 60, 2)}`;
        const hours = pad(Math.floor(minutes / 60), Math.min(length, 2));
        return length > 2 ? `${sign}${hours}:${pad(minutes % 60, 2)}` : `${sign}${hours}`;
      }
    }
  };
  return format.map((part) => (part.letter === null ? part.text : print(part))).join('');
};

/** A text that was read in a format: its wall-clock time, and its offset in minutes where it names one. */
export interface ReadDate {
  readonly wallMs: number;
  readonly offset: number | null;
}

interface Fields {
  year?: number;
  month?: number;
  day?: number;
  hour: number;
  isHalf: boolean;
  minute: number;
  second: number;
  ms: number;
  half: string;
  offset: number | null;
}

/** The digits that a run of letters takes: one letter takes one or two, two and more take exactly so many. */
const digits = (letter: string, length: number): string => {
  if (letter === 'y') return length > 2 ? `\\d{${length}}` : '\\d{2}';
  return length === 1 ? '\\d{1,2}' : '\\d{2}';
};

/**
 * The text read exactly, by a format; null where it is not what the format says. What the format leaves out of the date
 * is taken from `today`, as .NET does: the year, or the day as a whole.
 */
export const parseDate = (format: DateFormat, text: string, today: number): ReadDate | null => {
  const fields: Fields = { hour: 0, isHalf: false, minute: 0, second: 0, ms: 0, half: '', offset: null };
  let at = 0;
  for (const part of format) {
    if (part.letter === null) {
      if (!text.startsWith(part.text, at)) return null;
      at += part.text.length;
      continue;
    }
    const found = readPart(part.letter, part.length, text.slice(at, at + 40), fields);
    if (found === null) return null;
    at += found;
  }
  if (at !== text.length) return null;
  const { year, month, day, minute, second, ms, offset } = fields;
  const hour = fields.half !== '' ? (fields.isHalf ? hourOf(fields.hour, fields.half) : fields.hour) : fields.hour;
  const now = new Date(today);
  const isNoDate = year === undefined && month === undefined && day === undefined;
  const midnight = isNoDate
    ? utc(now.getUTCFullYear(), now.getUTCMonth() + 1, now.getUTCDate())
    : dayMs(year ?? now.getUTCFullYear(), month ?? 1, day ?? 1);
  const time = hour === null ? null : timeMs(hour, minute, second);
  return midnight === null || time === null ? null : { wallMs: midnight + time + ms, offset };
};

/** Reads one part from the beginning of a text into the fields, and gives its length; null where it is not there. */
const readPart = (letter: string, length: number, text: string, fields: Fields): number | null => {
  const match = (pattern: string): string | null => new RegExp(`^(?:${pattern})`, 'i').exec(text)?.[0] ?? null;
  const name = (names: readonly string[]): number =>
    names.findIndex((known) => text.toLowerCase().startsWith((length > 3 ? known : known.slice(0, 3)).toLowerCase()));
  const nameLength = (known: string): number => (length > 3 ? known.length : 3);
  switch (letter) {
    case 't': {
      const half = match(length === 1 ? '[ap]' : '[ap]m');
      if (half === null) return null;
      fields.half = half;
      return half.length;
    }
    case 'z':
    case 'K': {
      const zone = match(letter === 'K' ? 'z|[+-]\\d{2}:\\d{2}|' : length > 2 ? '[+-]\\d{2}:\\d{2}' : '[+-]\\d{2}');
      if (zone === null) return null;
      const minutes = zone === '' ? null : zoneMinutes(zone);
      if (zone !== '' && minutes === null) return null;
      fields.offset = minutes;
      return zone.length;
    }
    case 'f':
    case 'F': {
      const fraction = match(letter === 'f' ? `\\d{${Math.min(length, 7)}}` : `\\d{0,${Math.min(length, 7)}}`);
      if (fraction === null) return null;
      fields.ms = Number(fraction.slice(0, 3).padEnd(3, '0'));
      return fraction.length;
    }
    case 'M':
      if (length > 2) {
        const month = name(MONTHS);
        if (month < 0) return null;
        fields.month = month + 1;
        return nameLength(MONTHS[month]!);
      }
      break;
    case 'd':
      if (length > 2) {
        const day = name(DAYS);
        return day < 0 ? null : nameLength(DAYS[day]!);
      }
      break;
  }
  const found = match(digits(letter, Math.min(length, 9)));
  if (found === null) return null;
  const value = Number(found);
  switch (letter) {
    case 'y':
      // .NET takes two digits up to 49 for this century.
      fields.year = length > 2 ? value : value + (value < 50 ? 2_000 : 1_900);
      break;
    case 'M':
      fields.month = value;
      break;
    case 'd':
      fields.day = value;
      break;
    case 'm':
      fields.minute = value;
      break;
    case 's':
      fields.second = value;
      break;
    default:
      fields.hour = value;
      fields.isHalf = letter === 'h';
  }
  return found.length;
};

export const INTERVALS = ['yyyy', 'm', 'd', 'ww', 'h', 'n', 's'] as const;
export type Interval = (typeof INTERVALS)[number];

const INTERVAL_MS: { readonly [interval in Exclude<Interval, 'yyyy' | 'm'>]: number } = {
  d: DAY_MS,
  ww: 7 * DAY_MS,
  h: 3_600_000,
  n: 60_000,
  s: 1_000,
};

/** Months and years go by the calendar, and end at the last day of a shorter month. */
export const addInterval = (interval: Interval, count: number, ms: number): number => {
  if (interval !== 'yyyy' && interval !== 'm') return ms + count * INTERVAL_MS[interval];
  const date = new Date(ms);
  const months = date.getUTCFullYear() * 12 + date.getUTCMonth() + count * (interval === 'm' ? 1 : 12);
  const [year, month] = [Math.floor(months / 12), (((months % 12) + 12) % 12) + 1];
  if (!(year >= 1 && year <= 9999)) return Number.NaN;
  return utc(year, month, Math.min(date.getUTCDate(), daysIn(year, month))) + (((ms % DAY_MS) + DAY_MS) % DAY_MS);
};

/** 4 January 1970 was a Sunday. */
const weekOf = (ms: number): number => Math.floor((Math.floor(ms / DAY_MS) - 3) / 7);

/**
 * Elapsed time, truncated, in days and below; months and years are those of the calendar, weeks the Sundays in between.
 * So it is in all nine rows that Microsoft prints.
 */
export const intervalsBetween = (interval: Interval, from: number, to: number): number => {
  const [a, b] = [new Date(from), new Date(to)];
  const years = b.getUTCFullYear() - a.getUTCFullYear();
  switch (interval) {
    case 'yyyy':
      return years;
    case 'm':
      return years * 12 + b.getUTCMonth() - a.getUTCMonth();
    case 'ww':
      return weekOf(to) - weekOf(from);
    default:
      // Adding 0 makes -0 the zero that it is.
      return Math.trunc((to - from) / INTERVAL_MS[interval]) + 0;
  }
};

/** The time from 1601, where file times of Active Directory begin, to 1970. */
const FILE_TIME_EPOCH_MS = 11_644_473_600_000n;
const TICKS_PER_MS = 10_000n;

/** A file time: how many times 100 ns since 1601. */
export const fileTimeOf = (ms: number): bigint => (BigInt(ms) + FILE_TIME_EPOCH_MS) * TICKS_PER_MS;
export const msOfFileTime = (ticks: bigint): number => Number(ticks / TICKS_PER_MS - FILE_TIME_EPOCH_MS);
