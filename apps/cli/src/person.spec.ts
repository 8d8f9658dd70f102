import { expect, it } from 'vitest';
import type { ShownUserView } from './admin-views.js';
import { describePerson } from './person.js';

const ADA: ShownUserView = {
  id: '0197-ada',
  userName: 'ada@example.org',
  state: 'archived',
  displayName: 'Ada Lovelace',
  email: null,
  externalId: null,
  directory: null,
  created: '2026-11-28T12:00:00.000Z',
  lastModified: '2026-11-28T12:00:00.000Z',
  version: 4,
  attributes: null,
  archivedBy: 'directory',
  webRole: null,
  webRoleSources: [],
  origin: null,
  withdrawnFrom: { id: '0197-entra', name: 'Entra' },
  held: { reasons: ['create', 'something new'] },
  localAttributes: ['title', 'nickName'],
  mappedBy: [
    {
      target: 'displayName',
      line: 1,
      expression: '[givenName]',
      when: 'always',
      directory: '0197',
      directoryVersion: 3,
    },
    { target: 'title', line: 2, expression: 'Left("a", 1)', when: 'create', directory: '0197', directoryVersion: 2 },
    { target: 'nickName', line: 9, expression: null, when: null, directory: '0197', directoryVersion: 2 },
  ],
  signIns: [],
  groups: [],
  lastEvents: [],
};

it('the page about a user says who deleted it, why it is held, what administrators set and what a mapping wrote', () => {
  const lines = describePerson(ADA, []).split('\n');
  const from = lines.findIndex((line) => line.startsWith('  deleted by'));
  expect(lines.slice(from, from + 3)).toEqual([
    '  deleted by  the directory Entra, which is not shown the user any more',
    '  held        the directory makes no users (--create-users off)',
    '              something new',
  ]);
  const set = lines.findIndex((line) => line.startsWith('  set here'));
  expect(lines.slice(set, set + 5)).toEqual([
    '  set here    title',
    '              nickName',
    '  mapped by   displayName = [givenName]  (line 1, settings of version 3)',
    '              title = Left("a", 1)  (line 2, on create, settings of version 2)',
    '              nickName = (a line that is not known any more)  (line 9, settings of version 2)',
  ]);
});

it('says nothing of what is not so', () => {
  const page = describePerson(
    { ...ADA, withdrawnFrom: null, held: null, localAttributes: [], mappedBy: [], state: 'active', archivedBy: null },
    [],
  );
  expect(page).not.toMatch(/deleted by|held|set here|mapped by/);
});

it('says that an administrator has let in a user whom a scope would hold', () => {
  const page = describePerson(
    { ...ADA, state: 'active', archivedBy: null, held: { reasons: ['scope'], letIn: true } },
    [],
  );
  expect(page).toMatch(/held +the user is not in the scope of the directory \(--scope\), but an administrator has let/);
});

it('the page about a user says what gives it a web role, and what a ceiling leaves of it', () => {
  const group = { id: '0197-admins', displayName: 'Admins' };
  const page = describePerson(
    {
      ...ADA,
      webRole: 'User',
      webRoleSources: [
        { group: null, role: 'EnterpriseAdmin', gives: 'User' },
        { group, role: 'ReadOnly', gives: 'ReadOnly' },
      ],
    },
    [],
  );
  expect(page.match(/^ {2}web role .*\n.*\n.*/m)?.[0].replaceAll(/ {2,}/g, '  ')).toBe(
    [
      '  web role  User',
      '  given by  the attribute roles: EnterpriseAdmin, of which the roleCeiling of the directory leaves User',
      '  the group Admins  0197-admins: ReadOnly',
    ].join('\n'),
  );
});
