import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';

const TELL_EVERY_MS = 60_000;
/** So many names of one directory are counted between two lines of the log; further ones are counted together. */
const MAX_NAMES = 50;
const MAX_NAME_CHARACTERS = 100;
const MAX_DIRECTORIES = 1_000;
/** So many attributes of one request are looked at by name; the others are counted together. */
const MAX_PATHS_EACH = 1_000;
const OTHERS = '…';

export interface IgnoredOfDirectory {
  readonly directory: string;
  /** Name of the attribute → how often it came. */
  readonly attributes: Readonly<Record<string, number>>;
}

/**
 * Counts what directories send without effect (unknown attributes, and roles that are no web role) and tells the log
 * once a minute: an administrator who maps one would otherwise wonder where it stays. The log gets names, never values;
 * a filter in a path may hold a value, so it is cut out.
 */
export class IgnoredAttributes implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private counts = new Map<string, Map<string, number>>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly logger: { info(facts: object, text: string): void }) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.tell(), TELL_EVERY_MS);
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
    this.tell();
  }

  /** Returns what was parsed, after counting what it ignores. */
  counted<Parsed extends { readonly ignored: readonly string[] }>(directory: string, parsed: Parsed): Parsed {
    this.count(directory, parsed.ignored);
    return parsed;
  }

  count(directory: string, paths: readonly string[]): void {
    if (paths.length === 0) return;
    let ofDirectory = this.counts.get(directory);
    if (!ofDirectory) {
      if (this.counts.size >= MAX_DIRECTORIES) return;
      this.counts.set(directory, (ofDirectory = new Map()));
    }
    const add = (name: string, times: number): void => void ofDirectory.set(name, (ofDirectory.get(name) ?? 0) + times);
    for (const path of paths.slice(0, MAX_PATHS_EACH)) {
      const name = withoutFilter(path).slice(0, MAX_NAME_CHARACTERS).toWellFormed();
      add(ofDirectory.has(name) || ofDirectory.size < MAX_NAMES ? name : OTHERS, 1);
    }
    if (paths.length > MAX_PATHS_EACH) add(OTHERS, paths.length - MAX_PATHS_EACH);
  }

  /** The counts since it was asked last. */
  take(): IgnoredOfDirectory[] {
    const taken = [...this.counts].map(([directory, counts]) => ({
      directory,
      attributes: Object.fromEntries(counts),
    }));
    this.counts = new Map();
    return taken;
  }

  private tell(): void {
    for (const ignored of this.take())
      this.logger.info(ignored, 'sent without effect: attributes that nobody knows, roles that are no web role');
  }
}

/**
 * Cuts out everything from the first bracket to the last one that closes. A regular expression took quadratic time: 9 s
 * for 80,000 brackets.
 */
const withoutFilter = (path: string): string => {
  const [open, close] = [path.indexOf('['), path.lastIndexOf(']')];
  return open >= 0 && close > open ? `${path.slice(0, open)}[]${path.slice(close + 1)}` : path;
};
