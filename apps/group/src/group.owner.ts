import type { OwnerDefinition } from '#owner';
import { groupFold } from './group-fold.queries.js';
import { groupBehaviour } from './group.projection.js';
import { verifyGroups } from './group-verify.queries.js';
import { toLeaveGroups } from './leave-groups.js';
import { leaveAgain } from './leaving.projection.js';
import { Leftovers } from './leftovers.job.js';

/** Owns groups: who is a member of what, their events, their projection. */
export const group: OwnerDefinition = {
  name: 'group',
  answersDryRuns: true,
  behaviour: ({ config }) => groupBehaviour(config.MAX_RESOURCE_BYTES),
  // A user who is deleted leaves its groups.
  consumes: [{ source: 'identity', react: toLeaveGroups }],
  jobs: ({ pool, send, logger, watch }) => [new Leftovers(pool, { publish: send, logger, watch })],
  fold: () => ({ ...groupFold(), settle: leaveAgain }),
  verify: (client, _masterKey, progress) => verifyGroups(client, progress),
};
