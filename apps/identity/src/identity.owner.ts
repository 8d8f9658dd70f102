import type { OwnerDefinition } from '#owner';
import { userFold } from './user-fold.queries.js';
import { userBehaviour } from './user.projection.js';
import { verifyUsers } from './user-verify.queries.js';

/** Owns users: who is who, their events, their projection. */
export const identity: OwnerDefinition = {
  name: 'identity',
  answersDryRuns: true,
  secrets: ['MASTER_KEY'],
  behaviour: ({ masterKey, config }) => userBehaviour(masterKey(), config.MAX_RESOURCE_BYTES),
  fold: userFold,
  verify: verifyUsers,
};
