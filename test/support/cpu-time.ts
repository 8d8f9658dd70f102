/** Reading any text of a client takes no longer. */
export const MAX_READ_MS = 50;
/** Only for what took longer at first: beside other work on the same cores, 15 ms were 54 five times in a row. */
const ROUNDS = 25;

/**
 * Processor time, in ms, of the best of several rounds: what else the machine does, and that code is compiled, is not
 * the reader's.
 */
export const readMs = (read: () => void): number => {
  let bestMs = Infinity;
  for (let round = 0; round < ROUNDS && bestMs > MAX_READ_MS; round++) {
    const since = process.cpuUsage();
    read();
    const { user, system } = process.cpuUsage(since);
    bestMs = Math.min(bestMs, (user + system) / 1_000);
  }
  return bestMs;
};
