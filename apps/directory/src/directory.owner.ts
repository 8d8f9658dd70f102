import type { OwnerDefinition } from '#owner';
import { directoryFold, verifyDirectories } from './directory-fold.queries.js';
import { directoryBehaviour } from './directory.projection.js';

/** Owns tenants, directories, tokens and the schemas of tenants. */
export const directory: OwnerDefinition = {
  name: 'directory',
  behaviour: directoryBehaviour,
  fold: directoryFold,
  verify: (client, _masterKey, progress) => verifyDirectories(client, progress),
};
