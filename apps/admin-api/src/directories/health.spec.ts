import { describe, expect, it } from 'vitest';
import type { ActiveMinute } from '#contracts';
import { cyclesOf, healthView, namedInCommands, type AnswerCount, type Seen } from './health.js';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const MINUTE = 60_000;
const minute = (minutesAgo: number): ActiveMinute => ({
  atMs: NOW - minutesAgo * MINUTE,
  reads: 2,
  created: 1,
  changed: 0,
  deleted: 0,
  unchanged: 0,
  refused: 0,
});
const answer = (more: Partial<AnswerCount>): AnswerCount => ({
  method: 'POST',
  resourceType: 'User',
  status: 201,
  scimType: null,
  inCycle: 10,
  inHour: 20,
  inDay: 100,
  ...more,
});
const CONTOSO = { id: 'd', tenant: 't', name: 'Contoso Entra', kind: 'entra', status: 'active' } as const;
const seen = (more: Partial<Seen> = {}): Seen => ({
  directory: CONTOSO,
  silentAfterMinutes: 0,
  cycles: cyclesOf((more.directory ?? CONTOSO).kind, [minute(120), minute(80), minute(40)], NOW),
  answers: [answer({})],
  lastRequest: null,
  lastWrite: null,
  lastReadMs: NOW - 40 * MINUTE,
  lastUses: [],
  refused: null,
  credentials: [{ kind: 'token', id: 'k', name: 'Entra', isActive: true, expiresMs: null }],
  unrecorded: 0,
  failing: 0,
  managed: 0,
  unmanaged: 0,
  ...more,
});

describe('error rates', () => {
  const rates = (answers: readonly AnswerCount[], more: Partial<Seen> = {}) =>
    healthView(seen({ answers, ...more }), NOW).errorRates;
  it('are by answer, the one that came most often first, and count no look-up of what is not there', () => {
    const [cycle] = rates([
      answer({ inCycle: 60 }),
      answer({ method: 'GET', status: 404, inCycle: 30 }),
      answer({ method: 'GET', status: 404, resourceType: null, inCycle: 1 }),
      answer({ status: 409, scimType: 'uniqueness', inCycle: 3 }),
      answer({ method: 'PATCH', status: 409, scimType: 'uniqueness', inCycle: 4 }),
      answer({ status: 500, inCycle: 2 }),
      answer({ status: 429, inCycle: 0 }),
    ]);
    expect(cycle).toEqual({
      of: 'last cycle',
      requests: 100,
      failed: 10,
      percent: 10,
      answers: [
        { status: 409, scimType: 'uniqueness', count: 7 },
        { status: 500, scimType: null, count: 2 },
        { status: 404, scimType: null, count: 1 },
      ],
    });
  });
  it('of a directory without cycles are those of an hour and a day', () => {
    const directory = { ...seen().directory, kind: 'okta' } as const;
    expect(rates([answer({})], { directory }).map(({ of, requests }) => [of, requests])).toEqual([
      ['last hour', 20],
      ['last 24 hours', 100],
    ]);
    expect(rates([]).map(({ percent }) => percent)).toEqual([0, 0, 0]);
  });
});

it('the newest cycles are told, though the rules look at all of them', () => {
  const minutes = Array.from({ length: 30 }, (_, n) => minute((30 - n) * 40));
  const { cycles, next, state } = healthView(seen({ cycles: cyclesOf('entra', minutes, NOW) }), NOW);
  expect(cycles).toHaveLength(20);
  expect(cycles[0]).toMatchObject({ start: '2026-01-31T11:20:00.000Z', end: '2026-01-31T11:21:00.000Z', requests: 3 });
  expect(next).toMatchObject({ expectedAt: '2026-01-31T12:00:00.000Z', isLate: false });
  expect(state).toBe('healthy');
});

it('a use of its credentials is a request, also where none was recorded', () => {
  const nothing = { cycles: [], answers: [], lastReadMs: null };
  expect(healthView(seen(nothing), NOW).state).toBe('never connected');
  const used = healthView(seen({ ...nothing, lastUses: [null, '2026-01-29T12:00:00Z'] }), NOW);
  expect(used).toMatchObject({ state: 'silent', silence: { afterMinutes: 1_440, since: '2026-01-29T12:00:00.000Z' } });
});

it('credentials that were refused since the last request put a directory of Entra into quarantine', () => {
  const refused = { atMs: NOW - 20 * MINUTE, why: 'secret.' };
  const lastReadMs = NOW - 90 * MINUTE;
  expect(healthView(seen({ refused, lastReadMs }), NOW)).toMatchObject({
    state: 'failing',
    quarantine: { state: 'likely', since: '2026-01-31T11:40:00.000Z', nextTry: '2026-01-31T17:40:00.000Z' },
  });
  expect(healthView(seen({ refused }), NOW)).toMatchObject({ state: 'healthy', quarantine: { state: 'far' } });
});

it('the credential that ends first is told first, one that has ended for a month', () => {
  const token = (name: string, days: number | null, isActive = true): Seen['credentials'][number] => ({
    kind: 'token',
    id: name,
    name,
    isActive,
    expiresMs: days === null ? null : NOW + days * 1_440 * MINUTE,
  });
  const { credentials } = healthView(
    seen({
      credentials: [
        token('for ever', null),
        token('later', 90),
        token('long over', -31, false),
        token('over', -2, false),
        token('soon', 3.5),
        token('inactive', null, false),
      ],
    }),
    NOW,
  );
  expect(credentials.map(({ name, days }) => [name, days])).toEqual([
    ['over', -2],
    ['soon', 3],
    ['later', 90],
    ['for ever', null],
  ]);
});

it.each([
  ['Contoso', 'Contoso'],
  ['Contoso Entra (Test)', '"Contoso Entra (Test)"'],
  ['Büro', 'Büro'],
  ['$(reboot)', 'd'],
  ['a"; reboot', 'd'],
  ['--yes', 'd'],
])('the directory %j is %s in a command', (name, text) => {
  expect(namedInCommands({ id: 'd', name })).toBe(text);
});
