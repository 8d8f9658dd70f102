import { randomUUID } from 'node:crypto';
import type { Expected, Row, ScimBody } from './answers.js';
import { nickNameOf } from './mapping.js';
import {
  addMembers,
  changeInCapitals,
  changeInLowerCase,
  createBody,
  DEPARTMENTS,
  groupBody,
  managerIn,
  patchBody,
  removeMember,
  removeMembers,
  setActive,
  setManager,
  setUserName,
} from './messages.js';
import { groupNameOf, renamedUpn, tombstoneOf, type Person } from './people.js';
import { eachInFlight, NotAccepted, type Requests } from './requests.sender.js';

/** Entra works on several people at a time. */
export const IN_FLIGHT = 8;

export interface CycleResult {
  readonly rows: readonly Row[];
  /** One line for each answer that Entra would not accept. */
  readonly problems: readonly string[];
  /** The ids that Muster gave, as Entra keeps them. */
  readonly ids: ReadonlyMap<Person, string>;
  /** The ids of the groups, by department. */
  readonly groups: ReadonlyMap<string, string>;
}

/** Something that happens to some of the people. */
interface Step {
  readonly people: readonly Person[];
  readonly work: (person: Person) => Promise<unknown>;
}

/**
 * An initial cycle, in which everybody is new, and the incremental one after it: what Entra would send, step by step.
 * `progress` is told after each person and step. A person with an answer that Entra would not accept is left out of the
 * later steps.
 */
export const runCycles = async (
  people: readonly Person[],
  requests: Requests,
  progress: (done: number, total: number, cycle: string) => void,
): Promise<CycleResult> => {
  const ids = new Map<Person, string>();
  const groups = new Map<string, string>();
  const cycles = {
    'Initial cycle': initialCycle(people, requests, ids, groups),
    'Incremental cycle': incrementalCycle(people, requests, ids, groups),
  };
  const total = Object.values(cycles)
    .flat()
    .reduce((sum, step) => sum + step.people.length, 0);
  const problems = new Map<Person, string>();
  let done = 0;
  for (const [cycle, steps] of Object.entries(cycles)) {
    requests.begin(cycle);
    for (const { people: concerned, work } of steps) {
      await eachInFlight(concerned, IN_FLIGHT, async (person) => {
        if (!problems.has(person)) {
          await work(person).catch((error: Error) => {
            if (!(error instanceof NotAccepted)) throw error;
            problems.set(person, error.message);
          });
        }
        progress(++done, total, cycle);
      });
    }
  }
  return { rows: requests.rows, problems: [...problems.values()], ids, groups };
};

const initialCycle = (
  people: readonly Person[],
  requests: Requests,
  ids: Map<Person, string>,
  groups: Map<string, string>,
): Step[] => [
  {
    people: people.slice(0, 1),
    work: () =>
      requests.send('Test Connection: a random GUID', 'GET', usersWith(`userName eq "${randomUUID()}"`), null, NOBODY),
  },
  { people, work: (person) => lookUpAndCreate('nobody yet', person, requests, ids) },
  { people: people.slice(0, DEPARTMENTS.length), work: (person) => lookUpAndCreateGroup(person, requests, groups) },
  {
    // Ten people of a department are added by one request, for which the first of them stands.
    people: people.filter(({ index }) => Math.floor(index / DEPARTMENTS.length) % MEMBERS_IN_PATCH === 0),
    work: (person) =>
      requests.send(
        'Group: add members, ten at a time',
        'PATCH',
        `/Groups/${groups.get(departmentOf(person))}`,
        patchBody([addMembers(colleagues(person, people, ids))]),
        { status: 204 },
      ),
  },
];

const MEMBERS_IN_PATCH = 10;
const departmentOf = ({ index }: Person): string => DEPARTMENTS[index % DEPARTMENTS.length]!;
const colleagues = ({ index }: Person, people: readonly Person[], ids: ReadonlyMap<Person, string>): string[] =>
  Array.from({ length: MEMBERS_IN_PATCH }, (_, place) => people[index + place * DEPARTMENTS.length]).flatMap(
    (person) => (person && ids.get(person)) ?? [],
  );

/** Entra never asks for the members, because there may be very many. */
const lookUpAndCreateGroup = async (person: Person, requests: Requests, groups: Map<string, string>): Promise<void> => {
  const department = departmentOf(person);
  const displayName = groupNameOf(department, person);
  const path = `/Groups?excludedAttributes=members&filter=${encodeURIComponent(`displayName eq "${displayName}"`)}`;
  await requests.send('Group: look up by displayName', 'GET', path, null, NOBODY);
  const { id } = await requests.send(
    'Group: create',
    'POST',
    '/Groups',
    groupBody(displayName, `${person.objectId.slice(1)}0`),
    {
      status: 201,
      body: [
        'the group with its displayName',
        (group) => typeof group.id === 'string' && group.displayName === displayName,
      ],
    },
  );
  groups.set(department, id!);
};

const incrementalCycle = (
  people: readonly Person[],
  requests: Requests,
  ids: Map<Person, string>,
  groups: ReadonlyMap<string, string>,
): Step[] => {
  /**
   * The people whose number, divided, leaves one of these rests. Most steps take in the first one, so that there is
   * something to tell at the end.
   */
  const each = (divisor: number, ...rests: number[]): Person[] =>
    people.filter(({ index }) => rests.includes(index % divisor));
  const changing = new Set([...each(5, 0), ...each(8, 0), ...each(25, 7, 13)]);
  const patch = (
    step: string,
    concerned: readonly Person[],
    operations: (person: Person) => object[],
    words: string,
    holds: (user: ScimBody, person: Person) => boolean,
  ): Step => ({
    people: concerned,
    work: (person) =>
      requests.send(
        step,
        'PATCH',
        `/Users/${ids.get(person)}`,
        patchBody(operations(person)),
        theUser(200, words, (user) => holds(user, person)),
      ),
  });
  return [
    {
      people: people.filter((person) => !changing.has(person)),
      work: (person) => lookUpUnchanged(person, requests, ids),
    },
    patch(
      'Change, capital ops with paths',
      each(10, 0),
      changeInCapitals,
      'its userName',
      ({ userName }, { upn }) => userName === upn,
    ),
    patch(
      'Change, lower-case ops, dotted names',
      each(8, 0),
      changeInLowerCase,
      'the new displayName, and the nickName that the mapping makes of the new family name',
      ({ displayName, nickName }, person) =>
        displayName === `${person.givenName} Reed` && nickName === nickNameOf(person, 'Reed'),
    ),
    { people: each(5, 0), work: (person) => addManager(person, people, requests, ids) },
    patch(
      'Rename the UPN',
      each(20, 0),
      (person) => [setUserName(renamedUpn(person))],
      'the new userName',
      ({ userName }, person) => userName === renamedUpn(person),
    ),
    patch('Deactivate, active: "False"', each(20, 0), () => [setActive('False')], 'active false', isInactive),
    patch('Deactivate, active: false', each(20, 10), () => [setActive(false)], 'active false', isInactive),
    { people: each(40, 20, 30), work: (person) => lookUpDeactivated(person, requests, ids) },
    patch(
      'Reactivate',
      each(40, 0, 10),
      ({ index }) => [setActive(index % 40 === 0 ? 'True' : true)],
      'active true',
      isActive,
    ),
    patch(
      'Soft delete: <32 hex digits><UPN>',
      each(25, 7),
      (person) => [setUserName(tombstoneOf(person)), setActive('False')],
      'the userName of a tombstone and active false',
      (user, person) => user.userName === tombstoneOf(person) && isInactive(user),
    ),
    patch(
      'Restore after a soft delete',
      each(50, 7),
      ({ upn }) => [setUserName(upn), setActive('True')],
      'its userName again and active true',
      (user, { upn }) => user.userName === upn && isActive(user),
    ),
    {
      people: each(25, 13),
      work: (person) => requests.send('Hard delete', 'DELETE', `/Users/${ids.get(person)}`, null, { status: 204 }),
    },
    { people: each(50, 13), work: (person) => lookUpAndCreate('after a delete', person, requests, ids) },
    { people: each(20, 1, 2), work: (person) => moveToNextGroup(person, requests, ids, groups) },
    {
      people: people.slice(0, 1),
      work: (person) =>
        requests.send(
          'Group: read with all members',
          'GET',
          `/Groups/${groups.get(departmentOf(person))}`,
          null,
          groupWith(ids.get(person)!),
        ),
    },
  ];
};

/**
 * Entra looks for a person first, and creates a user when it finds none. A person who was deleted comes back as a new
 * user.
 */
const lookUpAndCreate = async (
  why: string,
  person: Person,
  requests: Requests,
  ids: Map<Person, string>,
): Promise<void> => {
  const { upn } = person;
  await requests.send(`Look up by userName: ${why}`, 'GET', usersWith(`userName eq "${upn}"`), null, NOBODY);
  const before = ids.get(person);
  const { id } = await requests.send(
    `Create: ${why}`,
    'POST',
    '/Users',
    createBody(person),
    theUser(
      201,
      'its userName, active true, the nickName of the mapping and the id that it had, if it was there before',
      (user) =>
        (before === undefined || user.id === before) &&
        user.userName === upn &&
        isActive(user) &&
        user.nickName === nickNameOf(person, person.familyName),
    ),
  );
  ids.set(person, id!);
};

/** Entra asks whether the membership is there, takes it away in one of its dialects, and adds the other one. */
const moveToNextGroup = async (
  person: Person,
  requests: Requests,
  ids: ReadonlyMap<Person, string>,
  groups: ReadonlyMap<string, string>,
): Promise<void> => {
  const id = ids.get(person)!;
  const from = groups.get(departmentOf(person));
  const to = groups.get(DEPARTMENTS[(person.index + 1) % DEPARTMENTS.length]!);
  // There are fewer people than departments.
  if (from === undefined || to === undefined) return;
  const filter = encodeURIComponent(`id eq "${from}" and members eq "${id}"`);
  await requests.send(
    'Group: is somebody a member?',
    'GET',
    `/Groups?excludedAttributes=members&filter=${filter}`,
    null,
    {
      status: 200,
      body: [
        'the group alone',
        ({ totalResults, Resources: [group] = [] }) => totalResults === 1 && group?.id === from,
      ],
    },
  );
  const remove = person.index % 2 === 0 ? removeMembers([id]) : removeMember(id);
  await requests.send('Group: remove a member, both dialects', 'PATCH', `/Groups/${from}`, patchBody([remove]), {
    status: 204,
  });
  await requests.send('Group: add a member', 'PATCH', `/Groups/${to}`, patchBody([addMembers([id])]), { status: 204 });
};

/** Each attribute that an administrator may choose for matching finds the same user. */
const lookUpUnchanged = (person: Person, requests: Requests, ids: ReadonlyMap<Person, string>): Promise<ScimBody> => {
  const { index, upn, objectId } = person;
  const filters = [`userName eq "${upn}"`, `externalId eq "${objectId}"`, `emails[type eq "work"].value eq "${upn}"`];
  return requests.send(
    'Look up the unchanged',
    'GET',
    usersWith(filters[index % filters.length]!),
    null,
    onlyUser(ids.get(person)!, 'the user', isActive),
  );
};

/** A deactivated user is found all the same: an empty list would make Entra create a second one. */
const lookUpDeactivated = (person: Person, requests: Requests, ids: ReadonlyMap<Person, string>): Promise<ScimBody> =>
  requests.send(
    'Look up the deactivated',
    'GET',
    usersWith(`externalId eq "${person.objectId}"`),
    null,
    onlyUser(ids.get(person)!, 'the user with active false', isInactive),
  );

/** Entra asks whether the reference is there already, by both ids, and adds it when it is not. */
const addManager = async (
  person: Person,
  people: readonly Person[],
  requests: Requests,
  ids: ReadonlyMap<Person, string>,
): Promise<void> => {
  const id = ids.get(person)!;
  const managerId = ids.get(people[(person.index + 1) % people.length]!);
  // The manager is one of the people with a wrong answer, so that there is no id to refer to.
  if (managerId === undefined) return;
  await requests.send(
    'Manager: is it set already?',
    'GET',
    usersWith(`id eq "${id}" and manager eq "${managerId}"`),
    null,
    NOBODY,
  );
  await requests.send(
    'Manager: a text, an object, a list',
    'PATCH',
    `/Users/${id}`,
    patchBody(setManager(person, managerId)),
    theUser(200, 'its manager', (user) => managerIn(user) === managerId),
  );
};

const usersWith = (filter: string): string => `/Users?filter=${encodeURIComponent(filter)}`;

const isActive = ({ active }: ScimBody): boolean => active === true;
const isInactive = ({ active }: ScimBody): boolean => active === false;

const groupWith = (id: string): Expected => ({
  status: 200,
  body: ['the group with its members', ({ members = [] }) => members.some(({ value }) => value === id)],
});

const NOBODY: Expected = {
  status: 200,
  body: ['an empty list', ({ totalResults, Resources }) => totalResults === 0 && Resources?.length === 0],
};

const theUser = (status: number, words: string, holds: (user: ScimBody) => boolean): Expected => ({
  status,
  body: [`the user with ${words}`, (user) => typeof user.id === 'string' && holds(user)],
});

const onlyUser = (id: string, words: string, holds: (user: ScimBody) => boolean): Expected => ({
  status: 200,
  body: [
    `a list of ${words} alone`,
    ({ totalResults, Resources: [user] = [] }) => totalResults === 1 && user?.id === id && holds(user),
  ],
});
