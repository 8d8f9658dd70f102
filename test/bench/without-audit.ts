import '#first';
import type { FaceDefinition, OwnerDefinition } from '#owner';
import { audit } from '../../apps/audit/src/audit.owner.js';
import { FACES, OWNERS, SERVICES } from '../../apps/muster/src/owners.js';

/**
 * Loaded before each program of an installation (`node --import`), it takes the audit log out of it: no owner records,
 * and no face tells. No setting does this, so that nobody can switch the audit log off.
 */
type Changed<T> = { -readonly [name in keyof T]: T[name] };

for (const list of [OWNERS, SERVICES] as Changed<readonly (OwnerDefinition | FaceDefinition)[]>[])
  list.splice(list.indexOf(audit), 1);
for (const face of FACES as readonly Changed<FaceDefinition>[]) delete face.tells;
