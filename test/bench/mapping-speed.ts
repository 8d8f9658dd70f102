import { ENTERPRISE_USER_URN, STANDARD, type Resource } from '#scim';
import { applyMapping, readMapping, type Mapping } from '#mapping';
import { median } from './latencies.js';

const AT_LEAST_PER_SECOND = 50_000;
const USERS = 1_000;
const ROUNDS = 9;
const ROUND_US = 500_000;
const MAPPINGS_READ = 200;

/** Ten lines as administrators of Entra write them: most are in Microsoft's documentation or in questions of its users. */
const LINES: readonly (readonly [target: string, expression: string])[] = [
  ['userName', 'ToLower([userPrincipalName])'],
  ['active', 'Switch([IsSoftDeleted], , "False", "True", "True", "False")'],
  ['displayName', 'Coalesce([displayName], Join(" ", [givenName], [surname]))'],
  ['name.formatted', 'Join(", ", [surname], [givenName])'],
  ['nickName', 'ToLower(NormalizeDiacritics(StripSpaces(Join(".", [givenName], [surname]))))'],
  ['emails[type eq "work"].value', 'Append(Item(Split([userPrincipalName], "@"), 1), "@contoso.example")'],
  ['phoneNumbers[type eq "work"].value', 'Replace([telephoneNumber], , "[()\\\\s-]+", , "", , )'],
  ['preferredLanguage', 'Replace([preferredLanguage], "_", , , "-", , )'],
  ['title', 'IIF(IsNullOrEmpty([jobTitle]), "Employee", [jobTitle])'],
  [
    `${ENTERPRISE_USER_URN}:department`,
    'Switch([department], "Unknown", "ENG", "Engineering", "MKT", "Marketing", "FIN", "Finance", "HR", "Human Resources")',
  ],
];

const GIVEN_NAMES = ['Anna', 'José', 'Zoë', 'Jürgen', 'Chinwe', 'Olga', 'Łukasz', 'Mary Ann', 'Søren', 'Ben'];
const SURNAMES = ['Schmidt', 'Núñez', 'Okafor', 'van den Berg', "O'Brien", 'Çelik', 'Kowalski', 'Ng', 'Lindqvist'];
const DEPARTMENTS = ['ENG', 'MKT', 'FIN', 'HR', 'Legal'];

/** A user as Entra sends it. */
const userOf = (n: number): Resource => {
  const [givenName, familyName] = [GIVEN_NAMES[n % GIVEN_NAMES.length]!, SURNAMES[n % SURNAMES.length]!];
  return {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', ENTERPRISE_USER_URN],
    userName: `Person.${n}@Contoso.example`,
    externalId: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    active: n % 20 !== 0,
    ...(n % 3 === 0 ? {} : { displayName: `${givenName} ${familyName}` }),
    name: { givenName, familyName },
    ...(n % 4 === 0 ? {} : { title: 'Analyst' }),
    preferredLanguage: 'en_GB',
    emails: [{ type: 'work', value: `person.${n}@mail.example`, primary: true }],
    phoneNumbers: [{ type: 'work', value: `+44 (20) 7946-${1_000 + n}` }],
    addresses: [{ type: 'work', locality: 'London', country: 'GB' }],
    [ENTERPRISE_USER_URN]: { department: DEPARTMENTS[n % DEPARTMENTS.length]!, employeeNumber: String(n) },
  };
};

export interface MappingResult {
  /** Medians of the rounds, by processor time. */
  readonly createsPerSecond: number;
  readonly updatesPerSecond: number;
  /** The time to read the ten lines, which is done once for each version of a mapping. */
  readonly readMs: number;
  readonly atLeast: number;
  readonly reached: boolean;
}

/** Measures how many users a second get the values of ten expressions, on one core: time is that of this process. */
export const measureMapping = (): MappingResult => {
  const lines = LINES.map(([target, expression]) => ({ target, expression, when: 'always' }));
  const read = (): Mapping => {
    const made = readMapping(STANDARD.user, lines);
    if ('faults' in made) throw new Error(JSON.stringify(made.faults));
    return made.mapping;
  };
  const mapping = read();
  const users = Array.from({ length: USERS }, (_, n) => userOf(n));
  const given = { nowMs: Date.parse('2026-01-31T08:00:00Z'), randomBelow: () => 0 };
  const stored = users.map((user) => applyMapping(mapping, null, user, given).resource);
  for (const { nickName, name } of stored)
    if (!nickName || !name) throw new Error('a line of the mapping wrote nothing');
  const creates = perSecond(() => users.forEach((user) => applyMapping(mapping, null, user, given)));
  const updates = perSecond(() => users.forEach((user, n) => applyMapping(mapping, stored[n]!, user, given)));
  const startedUs = usedUs();
  for (let n = 0; n < MAPPINGS_READ; n++) read();
  return {
    createsPerSecond: creates,
    updatesPerSecond: updates,
    readMs: (usedUs() - startedUs) / 1_000 / MAPPINGS_READ,
    atLeast: AT_LEAST_PER_SECOND,
    reached: Math.min(creates, updates) >= AT_LEAST_PER_SECOND,
  };
};

const usedUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

const perSecond = (allUsers: () => void): number => {
  const rounds = Array.from({ length: ROUNDS + 1 }, () => {
    const startedUs = usedUs();
    let done = 0;
    let tookUs = 0;
    while (tookUs < ROUND_US) {
      allUsers();
      done += USERS;
      tookUs = usedUs() - startedUs;
    }
    return done / (tookUs / 1e6);
  });
  // The first one warms up.
  return median(rounds.slice(1));
};

export const renderMapping = (result: MappingResult): string => {
  const { createsPerSecond, updatesPerSecond, readMs, atLeast, reached } = result;
  const rate = (users: number): string => Math.round(users).toLocaleString('en');
  return [
    `${reached ? 'reached' : 'MISSED '} mapping of ten expressions on one core: ${rate(createsPerSecond)} creates/s, ${rate(updatesPerSecond)} updates/s, at least ${rate(atLeast)}`,
    `        reading the ten lines, once for each version of a mapping: ${readMs.toFixed(2)} ms`,
  ].join('\n');
};
