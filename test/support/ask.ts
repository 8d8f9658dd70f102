import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** The address at which vitest's own process answers, see shared-servers.ts. */
    readonly sharedServers: string;
  }
}

/**
 * Asks vitest's own process for something of a server that all suites of the run share. Throws what went wrong there.
 */
export const ask = async <T>(what: string): Promise<T> => {
  const response = await fetch(`${inject('sharedServers')}/${what}`);
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as T;
};
