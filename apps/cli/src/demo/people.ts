import { createHash } from 'node:crypto';

/** An invented person. */
export interface Person {
  readonly index: number;
  readonly givenName: string;
  readonly familyName: string;
  /** The user principal name. */
  readonly upn: string;
  /** 32 hex digits; Entra's object id, mapped to externalId. */
  readonly objectId: string;
}

const GIVEN_NAMES = [
  'Ada',
  'Bram',
  'Chidi',
  'Dalia',
  'Emre',
  'Freya',
  'Goran',
  'Hana',
  'Inés',
  'Jonas',
  'Kaya',
  'Liam',
  'Mina',
  'Noor',
  'Oskar',
  'Pilar',
  'Quinn',
  'Rosa',
  'Sami',
  'Tuva',
  'Umar',
  'Vera',
  'Wim',
  'Xenia',
  'Yara',
  'Zoë',
  'Amara',
  'Bilal',
  'Clara',
  'Dmitri',
  'Elif',
  'Fionn',
];
const FAMILY_NAMES = [
  'Lindqvist',
  'Okafor',
  'Marín',
  'Vogel',
  'Haddad',
  'Nakamura',
  'Petrov',
  'Díaz',
  'Brandt',
  'Silva',
  'Novák',
  'Keller',
  'Moreau',
  'Rossi',
  'Jansen',
  'Ali',
  'Weber',
  'Costa',
  'Fischer',
  'Laurent',
  'Nowak',
  'Andersen',
  'Müller',
  'Kaplan',
  'Reyes',
  'Sato',
  'Byrne',
  'Horvat',
  'Mensah',
  'Duarte',
  'Engel',
  'Farah',
];
/**
 * Invents the same people for the same run, and others for another: the run is part of their domain. RFC 2606 keeps
 * `.example` free of real domains.
 */
export const inventPeople = (run: string, count: number): Person[] =>
  Array.from({ length: count }, (_, index) => {
    const round = Math.floor(index / GIVEN_NAMES.length);
    const givenName = GIVEN_NAMES[index % GIVEN_NAMES.length]!;
    const familyName = FAMILY_NAMES[(index + round) % FAMILY_NAMES.length]!;
    const repeated = Math.floor(round / FAMILY_NAMES.length);
    const upn = `${ascii(givenName)}.${ascii(familyName)}${repeated || ''}@demo-${run}.example`;
    return { index, givenName, familyName, upn, objectId: createHash('sha256').update(upn).digest('hex').slice(0, 32) };
  });

const ascii = (name: string): string => name.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();

export const displayNameOf = ({ givenName, familyName }: Person): string => `${givenName} ${familyName}`;

/** The names of the demo's groups hold the run, too: names are unique in a directory. */
export const groupNameOf = (department: string, { upn }: Person): string =>
  `${department} ${/@(demo-[0-9a-z]+)\.example$/.exec(upn)![1]}`;
export const isInventedGroup = (displayName: string): boolean => / demo-[0-9a-z]+$/.test(displayName);

/** Tells whether a userName was invented here, whatever has happened to it since. */
export const isInvented = (userName: string): boolean => /@demo-[0-9a-z]+\.example$/.test(userName);

/** The UPN of a person whose family name has changed. */
export const renamedUpn = ({ upn }: Person): string => upn.replace('@', '-reed@');

/** The UPN as a soft delete leaves it. */
export const tombstoneOf = ({ objectId, upn }: Person): string => `${objectId}${upn}`;
