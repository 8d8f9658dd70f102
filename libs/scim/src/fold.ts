const NOT_ASCII = /[\u0080-\uffff]/;

/** Combining marks in a row. No language needs more on one letter, and UAX #15 (§13, stream-safe text) allows no more. */
export const MAX_COMBINING_MARKS = 30;
/** The look-behind makes it linear: only at the beginning of a run does the reader count. U+034F, which parts a run in two, is no mark here. */
const LONG_RUNS = /(?<![\p{M}--\u034f])[\p{M}--\u034f]{31,}/gv;

/** Characters that a key leaves out and that are no marks, but for U+034F: the marks on both sides of one come to stand in one run. */
const LEFT_OUT = /[[[\p{Default_Ignorable_Code_Point}\p{Cc}\ufff9-\ufffb]--[\p{M}\p{White_Space}]]\u034f]+/gv;

/**
 * Whether a text stacks more than MAX_COMBINING_MARKS marks, also where characters that are not shown part them. Normalising it takes the
 * square of their number: 65,536 of them took 6 s.
 */
export const hasTooManyMarks = (text: string): boolean => NOT_ASCII.test(text) && text.replace(LEFT_OUT, '').search(LONG_RUNS) >= 0;

/** A text is refused before it comes here with such runs; a run that was stored before is parted, as UAX #15 does it, so that folding stays linear. */
const streamSafe = (text: string): string => text.replace(LONG_RUNS, (run) => run.replace(/\p{M}{30}(?!$)/gu, '$&\u034f'));

/**
 * The one case-folding function, for names, e-mails and filter operands; idempotent. It lower-cases and never upper-cases:
 * upper-casing equates letters that are different (ı and I, ß and SS), and somebody could take another person's name.
 */
export const fold = (text: string): string => {
  if (!NOT_ASCII.test(text)) return text.toLowerCase();
  // A capital sigma is lower-cased by its place in the word; both forms are one letter. Lower-casing can leave a letter and its
  // mark apart that have a form of their own only in lower case (J̌ → ǰ): hence NFC once more. A capital or a mark may become a letter and
  // a mark (İ), or two marks (U+0344), and a run thereby too long: hence it is parted once more.
  return streamSafe(streamSafe(text).normalize('NFC').toLowerCase().replaceAll('ς', 'σ').normalize('NFC'));
};
