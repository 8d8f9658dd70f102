import { accessOf } from '#contracts';
import type { FaceDefinition, OwnerDefinition } from '#owner';
import { adminApi } from '../../admin-api/src/admin-api.module.js';
import { audit } from '../../audit/src/audit.owner.js';
import { directory } from '../../directory/src/directory.owner.js';
import { gateway } from '../../gateway/src/gateway.module.js';
import { group } from '../../group/src/group.owner.js';
import { identity } from '../../identity/src/identity.owner.js';
import { signIn } from '../../sign-in/src/sign-in.module.js';

/**
 * THE list: everything that Muster does for each owner and each face is made of it, also its service in
 * docker-compose.yml. Owners stand in the order in which their rows depend on each other, which is the order
 * of a rebuild: those of users and groups depend on the schemas of tenants.
 */
export const OWNERS: readonly OwnerDefinition[] = [directory, identity, group, audit];
export const FACES: readonly FaceDefinition[] = [adminApi, signIn, gateway];

/** Each of these can be a process of its own. */
export const SERVICES = [...OWNERS, ...FACES];
/** The rights of each at Kafka, and those of the process that runs all of them. */
export const ACCESS = accessOf(OWNERS, FACES);
