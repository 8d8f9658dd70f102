import type { OwnerDefinition } from '#owner';
import { directoryBehaviour } from './directory.projection.js';

/** Owns tenants, directories, tokens and the schemas of tenants. */
export const directory: OwnerDefinition = { name: 'directory', behaviour: directoryBehaviour };
