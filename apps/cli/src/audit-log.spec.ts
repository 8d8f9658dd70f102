import { expect, it } from 'vitest';
import { describeEntries, describeHistory, describeRequest, describeState, plain, type Paint } from './audit-log.js';
import type { ComparedView, EntryView, ShownEntryView, ShownRequestView } from './audit-views.js';
import { momentBefore, shownTime } from './times.js';

const paint: Paint = (_style, text) => text;
const ENTRY: EntryView = {
  tenant: 't',
  number: 7,
  at: '2026-01-02T03:04:05.678901Z',
  action: 'user.changed',
  sentence: 'The user "ada" changed: title.',
  subject: { type: 'user', id: 'u', name: 'ada' },
  actor: { id: 'key:01980000-0000-7000-8000-0000000000aa', name: 'Grace' },
  directory: null,
  result: 'done',
  reason: null,
  matching: null,
  correlationId: 'c',
};
const SHOWN: ShownEntryView = {
  ...ENTRY,
  values: 'shown',
  changes: [],
  members: { added: [], removed: [] },
  received: null,
  client: null,
};

it('what would move the cursor, or turn a line around, is shown as JSON writes it', () => {
  expect(plain('a\u001b[2Jb\nc\u202ed')).toBe(String.raw`a\u001b[2Jb\u000ac\u202ed`);
  const hostile = describeHistory(
    [
      {
        ...SHOWN,
        sentence: 'x\u001b]0;title\u0007',
        reason: 'y\u009b31m',
        actor: { id: 'key:k', name: 'z\u001b[1A' },
        changes: [
          { attribute: 'a\u001b', before: 'b\u001b', after: ['c\u001b'], added: ['c\u001b\u202e'], removed: [] },
        ],
        members: { added: [{ id: 'u', name: 'm\u001b' }], removed: [] },
      },
    ],
    paint,
  );
  // oxlint-disable-next-line no-control-regex -- they are what must not be there
  expect(hostile).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
});

it('a list has one line for each entry, with who did it and why', () => {
  const text = describeEntries(
    [ENTRY, { ...ENTRY, number: 12, reason: 'asked for', matching: 'named by its id' }],
    paint,
  );
  expect(text.split('\n')).toEqual([
    'number  time (UTC)               by                     what happened',
    '7       2026-01-02 03:04:05.678  Grace (key …000000aa)  The user "ada" changed: title.',
    '12      2026-01-02 03:04:05.678  Grace (key …000000aa)  The user "ada" changed: title. (named by its id) Because: asked for',
  ]);
});

it('a history has each value before and after, what came and went, and what nobody can read any more', () => {
  const changes = [
    { attribute: 'title', before: null, after: 'Countess' },
    { attribute: 'nickName', after: 'Ada' },
    { attribute: 'emails', before: [1], after: [2], added: [{ value: 'b' }], removed: [{ value: 'a' }] },
    { attribute: 'gone' },
  ];
  expect(
    describeHistory([{ ...SHOWN, values: 'erased', changes }], paint)
      .split('\n')
      .slice(2),
  ).toEqual([
    '  The person was erased: nobody can read the values any more.',
    '    title     - → Countess',
    '    nickName  ? → Ada',
    '    emails    - {"value":"a"}',
    '              + {"value":"b"}',
    '    gone      (cannot be read any more)',
  ]);
});

it('a state says what there was, and what is different at the other moment', () => {
  const state = {
    subject: { type: 'group', id: 'g', name: 'Analysts' },
    at: '2026-01-02T00:00:00.000Z',
    state: 'active',
    version: 2,
    since: '2026-01-01T00:00:00.000001Z',
    isComplete: false,
    purgedUntil: null,
    attributes: { displayName: 'Analysts' },
    memberCount: 3,
    members: [{ id: 'u', name: 'ada' }],
  };
  const compared = { ...state, version: 3, changes: [], added: [], removed: [{ id: 'u', name: 'ada' }] };
  const text = describeState({ ...state, compared } satisfies ComparedView, paint);
  expect(text.split('\n')).toEqual([
    'group Analysts, on 2026-01-02 00:00:00.000 UTC: there, version 2 since 2026-01-01 00:00:00.000',
    '  Something was erased, or this version cannot read it: there may have been more than this.',
    '  displayName  Analysts',
    '  3 members:',
    '    ada',
    '    and 2 more',
    '',
    'On 2026-01-02 00:00:00.000 UTC: there, version 3. Different is:',
    '    - ada',
  ]);
});

it('a state says what was purged, and that nobody knows what that had set', () => {
  const state = {
    subject: { type: 'user', id: 'u', name: 'ada' },
    at: '2026-01-02T00:00:00.000Z',
    state: 'unknown',
    version: 2,
    since: '2026-01-01T00:00:00.000001Z',
    isComplete: false,
    purgedUntil: '2025-12-31T10:00:00.000001Z',
    attributes: {},
    memberCount: 0,
    members: [],
    compared: null,
  };
  expect(describeState(state, paint).split('\n')).toEqual([
    'user ada, on 2026-01-02 00:00:00.000 UTC: there, and nobody can say any more whether archived or not, version 2 since 2026-01-01 00:00:00.000',
    '  What happened until 2025-12-31 10:00:00.000 UTC was purged. What it had set, and who was a member then, nobody can say any more.',
  ]);
  const group = { ...state, state: 'active', subject: { type: 'group', id: 'g', name: 'Analysts' } };
  expect(describeState(group, paint)).toMatch(/UTC: there, version 2(.|\n)*\n {2}0 members that are known$/);
});

it('a request shows its body, or says why there is none', () => {
  const request: ShownRequestView = {
    id: 'r',
    at: '2026-01-02T03:04:05.678Z',
    durationMs: 12.3,
    face: 'scim',
    directory: null,
    actor: null,
    method: 'POST',
    path: '/Users',
    object: null,
    name: 'ada',
    status: 409,
    effect: null,
    scimType: 'uniqueness',
    detail: 'taken',
    address: '::1',
    userAgent: null,
    correlationId: 'c',
    bodyBytes: 0,
    ifMatch: null,
    ifNoneMatch: null,
    replayOf: null,
    body: null,
    whatToDo: 'Change it.',
    commands: ['user show a', 'user transfer a b'],
    notReplayable: null,
    replays: [{ id: 's', at: '2026-01-03T00:00:00.000Z', status: 409, replayOf: 'r' }],
  };
  expect(describeRequest(request, paint)).toMatch(
    /^2026-01-02 03:04:05.678 {2}409 uniqueness {2}POST \/Users {2}ada\n {2}taken\n/,
  );
  expect(describeRequest(request, paint)).toMatch(/no body$/);
  expect(describeRequest(request, paint)).toContain(
    [
      '  repeated     409 on 2026-01-03 00:00:00.000, s',
      '  to do        Change it.',
      '  look         npm run -s cli -- user show a',
      '               npm run -s cli -- user transfer a b',
      '  again        npm run -s cli -- request replay r --dry-run',
    ].join('\n'),
  );
  expect(describeRequest({ ...request, notReplayable: 'It only reads.' }, paint)).toContain(
    'again        No. It only reads.',
  );
  expect(describeRequest({ ...request, bodyBytes: 9 }, paint)).toMatch(/a body of 9 bytes, which is kept nowhere$/);
  expect(describeRequest({ ...request, body: '{"a":1}' }, paint)).toMatch(/\n\n\{\n {2}"a": 1\n\}$/);
  expect(describeRequest({ ...request, body: '{"a":\u001b' }, paint)).toMatch(/\n\n\{"a":\\u001b$/);
});

it('a time may be how long ago it was', () => {
  expect(momentBefore('24h', Date.parse('2026-01-02T00:00:00Z'))).toBe('2026-01-01T00:00:00.000Z');
  expect(momentBefore('2026-01-02', 0)).toBe('2026-01-02');
  expect(shownTime('2026-01-02T03:04:05Z')).toBe('2026-01-02 03:04:05');
});
