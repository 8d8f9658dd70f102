import type { MappingLine } from '#contracts';
import type { Person } from './people.js';

/** The attribute mapping of the demo: Entra sends no nickName, so each one that is there comes of this line. */
export const MAPPING: readonly MappingLine[] = [
  { target: 'nickName', expression: 'Join(" ", [givenName], Append(Left([surname], 1), "."))' },
];

/** The same in plain code: `Ada L.` */
export const nickNameOf = ({ givenName }: Person, familyName: string): string => `${givenName} ${familyName[0]!}.`;
