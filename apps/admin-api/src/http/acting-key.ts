import type { KeyScope } from '#contracts';

/** The key with which a request was sent, and so the administrator or program that acts. */
export interface ActingKey {
  /** `key:<id>`; `admin` = the bootstrap key, or Muster itself when it starts. */
  readonly actor: string;
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  /** The only tenant that it may see and change; null = the whole installation. */
  readonly tenant: string | null;
}

/** The actor of the bootstrap key, which has no scope: it only makes, lists and revokes keys. */
export const BOOTSTRAP: ActingKey = { actor: 'admin', name: 'bootstrap', scopes: [], tenant: null };

/** The needs of a route. */
export interface Need {
  readonly scope: KeyScope;
  /** `tenant`: it keeps to one tenant when the key does. `keys`: also the bootstrap key may. */
  readonly of: 'tenant' | 'installation' | 'keys';
  /** Another scope that the key needs as well. */
  readonly and?: KeyScope;
}

/** All the scopes that a key needs. */
export const scopesOf = ({ scope, and }: Need): readonly KeyScope[] => (and === undefined ? [scope] : [scope, and]);

/** Says why a key may not use a route; null = it may. A route that says nothing of its needs is open to no key. */
export const refusalOf = (need: Need | undefined, key: ActingKey): string | null => {
  if (!need) return 'This path is open to no key: it does not say which scope it needs.';
  if (key === BOOTSTRAP) {
    return need.of === 'keys'
      ? null
      : 'The bootstrap key (DATA_DIR/admin.key, or MUSTER_API_KEY of the server) only makes, lists and revokes keys. Make one with it, ' +
          'npm run -s cli -- key create "Ada" --scopes read,manage,reveal,audit, and use that; npm start and npm run stack made one for the command line, in DATA_DIR/cli.key.';
  }
  const needed = scopesOf(need);
  if (!needed.every((scope) => key.scopes.includes(scope)))
    return `The key "${key.name}" has the scope ${key.scopes.join(', ')}, and this needs ${needed.join(' and ')}: use another key (key create --scopes makes one).`;
  if (key.tenant !== null && need.of !== 'tenant')
    return `The key "${key.name}" is good for one tenant, and this concerns the whole installation: use another key.`;
  return null;
};

/** Says which of the wanted scopes a key cannot give, because it does not have them; the bootstrap key gives all. */
export const notToGive = (wanted: readonly KeyScope[], key: ActingKey): readonly KeyScope[] =>
  key === BOOTSTRAP ? [] : wanted.filter((scope) => !key.scopes.includes(scope));
