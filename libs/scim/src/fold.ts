const NOT_ASCII = /[\u0080-\uffff]/;

/**
 * Combining marks in a row. No language needs more on one letter, and UAX #15 (§13, stream-safe text) allows no more.
 */
export const MAX_COMBINING_MARKS = 30;
/**
 * The look-behind makes it linear: only at the beginning of a run does the reader count. U+034F, which parts a run in
 * two, is no mark here.
 */
const LONG_RUNS = /(?<![\p{M}--\u034f])[\p{M}--\u034f]{31,}/gv;

/**
 * Characters that a key leaves out and that are no marks, but for U+034F: the marks on both sides of one come to stand
 * in one run.
 */
const LEFT_OUT = /[[[\p{Default_Ignorable_Code_Point}\p{Cc}\ufff9-\ufffb]--[\p{M}\p{White_Space}]]\u034f]+/gv;
const MAY_STACK = /[\p{M}\p{Default_Ignorable_Code_Point}\p{Cc}\ufff9-\ufffb]/v;

/**
 * The UTF-16 units that are marks or left out, or half of a character that may be. The expressions take 30 ns for each
 * character of most scripts, and a megabyte of text is looked through several times; this takes 1 ns. Made in 3 ms when
 * the first text asks.
 */
let mayStack: Uint8Array | undefined;
const makeTable = (): Uint8Array => {
  const table = new Uint8Array(0x1_0000);
  for (let unit = 0; unit < 0x1_0000; unit++) if (MAY_STACK.test(String.fromCharCode(unit))) table[unit] = 1;
  // Above the first plane, plane 1 below its emoji and plane 14 have such characters; second halves say nothing.
  return table.fill(1, 0xd800, 0xd83c).fill(1, 0xdb40, 0xdb44).fill(1, 0xdc00, 0xe000);
};

/**
 * Tells whether there may be more than MAX_COMBINING_MARKS marks in a row, counted with what may part them: false for
 * nearly all texts.
 */
const mayStackMarks = (text: string): boolean => {
  const table = (mayStack ??= makeTable());
  let run = 0;
  for (let at = 0; at < text.length; at++) {
    if (table[text.charCodeAt(at)] === 0) run = 0;
    else if (++run > MAX_COMBINING_MARKS) return true;
  }
  return false;
};

/**
 * Tells whether a text stacks more than MAX_COMBINING_MARKS marks, also where characters that are not shown part them.
 * Normalising it takes the square of their number: 65,536 of them took 6 s.
 */
export const hasTooManyMarks = (text: string): boolean =>
  NOT_ASCII.test(text) && mayStackMarks(text) && text.replace(LEFT_OUT, '').search(LONG_RUNS) >= 0;

/**
 * A text is refused before it comes here with such runs; a run that was stored before is parted, as UAX #15 does it, so
 * that folding stays linear.
 */
const streamSafe = (text: string): string =>
  mayStackMarks(text) ? text.replace(LONG_RUNS, (run) => run.replace(/\p{M}{30}(?!$)/gu, '$&\u034f')) : text;

/**
 * The one case-folding function, for names, e-mails and filter operands; idempotent. It lower-cases and never
 * upper-cases: upper-casing equates letters that are different (ı and I, ß and SS), and somebody could take another
 * person's name.
 */
export const fold = (text: string): string => {
  if (!NOT_ASCII.test(text)) return text.toLowerCase();
  // A capital sigma is lower-cased by its place in the word; both forms are one letter. Lower-casing and then NFC gives
  // what NFC before and after gives (10 million texts were compared), in half the time. A capital or a mark may become
  // a letter and a mark (İ), or two marks (U+0344), and a run thereby too long: hence it is parted once more.
  return streamSafe(streamSafe(text).toLowerCase().replaceAll('ς', 'σ').normalize('NFC'));
};
