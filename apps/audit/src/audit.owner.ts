import type { OwnerDefinition } from '#owner';
import { auditBehaviour } from './audit.projection.js';

/** Owns the log of everything that has happened, and what faces were asked and answered. */
export const audit: OwnerDefinition = {
  name: 'audit',
  secrets: ['MASTER_KEY'],
  behaviour: ({ masterKey }) => auditBehaviour(masterKey()),
};
