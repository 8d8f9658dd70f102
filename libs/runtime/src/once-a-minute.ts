const MINUTE_MS = 60_000;

const MAX_KINDS = 50;

/** Errors of one kind differ in these: numbers, ids, ports. */
const kindOf = ({ message }: Error): string => message.replace(/[0-9a-f-]{8,}|\d+/gi, '').slice(0, 200);

/**
 * A listener for errors that come again and again while something is away, several times a second: the first of a kind
 * is told at once, and from then on one a minute with the number of those that were left out.
 */
export const onceAMinute = (
  tell: (error: Error, leftOut: number) => void,
  now: () => number = () => performance.now(),
): ((error: Error) => void) => {
  const kinds = new Map<string, { toldAt: number; leftOut: number }>();
  return (error) => {
    const kind = kindOf(error);
    const known = kinds.get(kind);
    if (known && now() - known.toldAt < MINUTE_MS) {
      known.leftOut++;
      return;
    }
    if (kinds.size >= MAX_KINDS) kinds.clear();
    tell(error, known?.leftOut ?? 0);
    kinds.set(kind, { toldAt: now(), leftOut: 0 });
  };
};
