const UNIT_SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** `24h` in seconds; null = it is no duration. */
export const durationSeconds = (text: string): number | null => {
  const [, count, unit] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  return count === undefined ? null : Number(count) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS];
};

/** `24h` is the moment that was so long ago; any other text is handed on to the server, which reads it. `now` in ms. */
export const momentBefore = (text: string, now: number): string => {
  const seconds = durationSeconds(text);
  return seconds === null ? text : new Date(now - seconds * 1_000).toISOString();
};

/** `2026-01-31T12:00:00.123456Z` as people read it. */
export const shownTime = (time: string): string =>
  time
    .replace('T', ' ')
    .replace(/(\.\d{3})\d*/, '$1')
    .replace('Z', '');
