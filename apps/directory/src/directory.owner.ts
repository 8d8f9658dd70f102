import type { OwnerDefinition } from '#owner';
import { directoryFold, verifyDirectories } from './directory-fold.queries.js';
import { directoryBehaviour } from './directory.projection.js';
import { ExpiryWarnings } from './expiry-warnings.job.js';

/** Owns tenants, directories, tokens and the schemas of tenants. */
export const directory: OwnerDefinition = {
  name: 'directory',
  behaviour: directoryBehaviour,
  sendsToItself: true,
  jobs: ({ pool, send, logger }) => [new ExpiryWarnings(pool, { publish: send, logger })],
  fold: directoryFold,
  verify: (client, _masterKey, progress) => verifyDirectories(client, progress),
};
