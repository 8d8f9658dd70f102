const NOT_ASCII = /[\u0080-\uffff]/;

/**
 * The one case-folding function, for names, e-mails and filter operands; idempotent. It lower-cases and never upper-cases:
 * upper-casing equates letters that are different (ı and I, ß and SS), and somebody could take another person's name.
 */
export const fold = (text: string): string => {
  if (!NOT_ASCII.test(text)) return text.toLowerCase();
  // A capital sigma is lower-cased by its place in the word; both forms are one letter. Lower-casing can leave a letter and its
  // mark apart that have a form of their own only in lower case (J̌ → ǰ): hence NFC once more.
  return text.normalize('NFC').toLowerCase().replaceAll('ς', 'σ').normalize('NFC');
};
