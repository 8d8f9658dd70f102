import type { OwnerDefinition } from '#owner';
import { directoryFold, verifyDirectories } from './directory-fold.queries.js';
import { directoryBehaviour } from './directory.projection.js';
import { ExpiryWarnings } from './expiry-warnings.job.js';
import { payloadPurge } from './payload-purge.job.js';

/** Owns tenants, directories, tokens and the schemas of tenants. */
export const directory: OwnerDefinition = {
  name: 'directory',
  behaviour: directoryBehaviour,
  sendsToItself: true,
  jobs: ({ pool, send, logger, config: { AUDIT_KEEP_DAYS: keepDays } }) => [
    new ExpiryWarnings(pool, { publish: send, logger }),
    ...(keepDays === undefined ? [] : [payloadPurge(pool, { keepDays, logger })]),
  ],
  fold: directoryFold,
  verify: (client, _masterKey, progress) => verifyDirectories(client, progress),
};
