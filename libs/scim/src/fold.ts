// eslint-disable-next-line no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/**
 * The one case-folding function, for names, e-mails and filter operands. It lower-cases and never upper-cases: upper-casing
 * equates letters that are different (ı and I, ß and SS), and somebody could take another person's name.
 */
export const fold = (text: string): string => {
  if (ASCII.test(text)) return text.toLowerCase();
  // A sigma is lower-cased by its place in the word; both forms are one letter.
  return text.normalize('NFC').toLowerCase().replaceAll('ς', 'σ').normalize('NFC');
};
