/**
 * Each person has a key, which the key of the tenant wraps, and that one the master key. Each ciphertext opens only in
 * its place, which its additional data names.
 */

/** Additional data of the ciphertext of an event: tenant | stream | version | field. */
export const sealContext = (tenant: string, stream: string, version: number): string =>
  `${tenant}|${stream}|${version}|personal`;

/** Additional data of a wrapped key: of a person's, or of the tenant's own. */
export const keyContext = (tenant: string, person = ''): string => `${tenant}|${person}|key`;
