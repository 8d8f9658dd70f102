import { readFileSync, readdirSync } from 'node:fs';

/** The kernel counts in ticks, 100 a second on every Linux that is in use. */
const TICK_MS = 10;

interface Counted {
  readonly parent: number;
  readonly ownMs: number;
  /** The time of children that have ended. */
  readonly endedMs: number;
}

const counted = (pid: number): Counted | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = (index: number): number => Number(fields[index]);
    return { parent: ticks(1), ownMs: (ticks(11) + ticks(12)) * TICK_MS, endedMs: (ticks(13) + ticks(14)) * TICK_MS };
  } catch {
    return undefined;
  }
};

/**
 * Processor time of a process until now, in ms, with its children: Postgres has one for each session. Undefined where
 * the system does not tell it in /proc.
 */
export const processorMs = (pid: number): number | undefined => {
  const own = counted(pid);
  if (!own) return undefined;
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => counted(Number(name)) ?? [])
    .filter(({ parent }) => parent === pid);
  return children.reduce((sum, { ownMs }) => sum + ownMs, own.ownMs + own.endedMs);
};
