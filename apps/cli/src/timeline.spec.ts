import { expect, it } from 'vitest';
import { settingsOf } from '#contracts';
import type { DirectoryView, RecordedEvent } from './admin-views.js';
import { describeActors, renderTimeline } from './timeline.js';

const event = (version: number, type: string, attributes?: string[], actor = 'token:0197-4711abcd'): RecordedEvent => ({
  version,
  type: `muster.user.${type}.v1`,
  recordedAt: `2026-01-01T10:00:0${version}.000Z`,
  actor,
  data: attributes ? { attributes } : {},
});
const directory: DirectoryView = {
  id: 'd',
  name: 'Contoso',
  kind: 'entra',
  settings: settingsOf({}),
  status: 'active',
  deletableAt: null,
  presets: [],
  warnings: [],
  tenant: 't',
  scimBaseUrl: '',
  tokenEndpoint: '',
  issuer: '',
  userName: 'd',
  redirectUris: { publicClient: '', web: '' },
  tokens: [{ id: '0197-4711abcd', description: '', status: 'active', expiresAt: null, lastUsedAt: null }],
};

it('shows an event a line, with what changed and by whom, in 100 columns', () => {
  const changed = [
    'displayName',
    'name',
    'emails',
    'phoneNumbers',
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
  ];
  const text = renderTimeline(
    [event(1, 'created'), event(2, 'changed', changed), event(3, 'deleted', undefined, 'admin')],
    describeActors([directory]),
  );
  expect(text.split('\n')).toEqual([
    '   time (UTC)               event    attributes                          by',
    '1  2026-01-01 10:00:01.000  created                                      Contoso (token …4711abcd)',
    '2  2026-01-01 10:00:02.000  changed  displayName, name, emails,          Contoso (token …4711abcd)',
    '                                     phoneNumbers, enterprise extension',
    '3  2026-01-01 10:00:03.000  deleted                                      admin',
  ]);
});

it('tells how a user was found', () => {
  const found = (version: number, type: string, rule: string): RecordedEvent => ({
    ...event(version, type, ['title']),
    data: { attributes: ['title'], matching: { rule } },
  });
  const text = renderTimeline(
    [found(1, 'created', 'create'), found(2, 'linked', 'email'), found(3, 'linked', 'id')],
    describeActors([]),
  );
  expect(
    text
      .split('\n')
      .slice(1)
      .map((line) => line.slice(27, -20).trim()),
  ).toEqual(['created  title', 'linked   found by e-mail, title', 'linked   title']);
});

it('names a key as an actor', () => {
  expect(describeActors([], [{ id: '0197-4711abcd', name: 'Ada' }])('key:0197-4711abcd')).toBe('Ada (key …4711abcd)');
});

it('shows an actor whose token it does not know as it was recorded', () => {
  expect(describeActors([directory])('token:unknown')).toBe('token:unknown');
  expect(describeActors([directory])('client:01980000-0000-7000-8000-0000000abcde')).toBe('client …000abcde');
});

it('names the members that came and went, by the ends of their ids', () => {
  const id = (n: number): { value: string } => ({ value: `01980000-0000-7000-8000-00000000000${n}` });
  const moved: RecordedEvent = {
    ...event(2, 'x'),
    type: 'muster.group.members-changed.v1',
    data: { added: [1, 2, 3, 4, 5].map(id), removed: [id(6)] },
  };
  const changed: RecordedEvent = {
    ...event(3, 'x'),
    type: 'muster.group.changed.v1',
    data: { changes: { displayName: 'R&D' } },
  };
  const lines = renderTimeline([moved, changed], describeActors([directory]))
    .split('\n')
    .slice(1);
  expect(
    lines.map((line) =>
      line
        .replace(/ +Contoso.*/, '')
        .slice(27)
        .trim(),
    ),
  ).toEqual([
    'members-changed  added …00000001, …00000002,',
    '…00000003 and 2 more,',
    'removed …00000006',
    'changed          displayName',
  ]);
});

it('shows below a change why it was made', () => {
  const word = 'x'.repeat(40);
  const changed: RecordedEvent = {
    ...event(1, 'unlinked', undefined, 'admin'),
    data: { reason: `She works for herself now, as of the first of May; ${word}` },
  };
  expect(
    renderTimeline([changed], describeActors([]))
      .split('\n')
      .slice(1)
      .map((line) => line.slice(37).trim()),
  ).toEqual(['admin', 'because: She works for herself', 'now, as of the first of May;', 'x'.repeat(34), 'x'.repeat(6)]);
});

it('says which attributes a directory was not to change', () => {
  const changed: RecordedEvent = {
    ...event(1, 'changed'),
    data: { attributes: ['nickName'], leftOut: ['title', 'urn:a:2.0:User:department'] },
  };
  expect(renderTimeline([changed], describeActors([]))).toMatch(/nickName, left out title,.*\n.*left out department/s);
});
