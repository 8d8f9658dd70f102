/** RFC 3339: a day, a time and its distance from UTC. A day alone would be another moment in each place. */
const MOMENT = /^\d{4}-\d{2}-(\d{2})T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/i;

const DAY_ALONE = /^\d{4}-\d{2}-\d{2}$/;
const WITHOUT_ZONE = /^\d{4}-\d{2}-\d{2}T[\d:.]+$/i;

const whyNoMoment = (text: string): string =>
  DAY_ALONE.test(text)
    ? 'is a day without a time'
    : WITHOUT_ZONE.test(text)
      ? 'does not say how far its time is from UTC'
      : 'is no moment';

/** A moment that somebody wrote, in ms since 1970, or what is wrong with it, as the end of a sentence. */
export const readMoment = (text: string): { readonly ms: number } | { readonly why: string } => {
  const [, day] = MOMENT.exec(text) ?? [];
  const ms = Date.parse(text.toUpperCase());
  if (day === undefined || Number.isNaN(ms)) return { why: whyNoMoment(text) };
  // JavaScript takes the 30th of February for the 1st of March.
  if (new Date(`${text.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(day))
    return { why: 'is a day that does not exist' };
  return { ms };
};
