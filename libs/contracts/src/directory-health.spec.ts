import { describe, expect, it } from 'vitest';
import {
  HEALTH_STATES,
  healthOf,
  minutesInWords,
  silentSince,
  type Credential,
  type HealthFacts,
} from './directory-health.js';
import { quarantineOf } from './quarantine.js';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
const token = (days: number | null, more: Partial<Credential> = {}): Credential => ({
  kind: 'token',
  id: 't',
  name: 'Entra',
  isActive: true,
  expiresMs: days === null ? null : NOW + days * DAY,
  ...more,
});
const facts = (more: Partial<HealthFacts> = {}): HealthFacts => ({
  directory: 'Contoso',
  status: 'active',
  lastMs: NOW - 5 * MINUTE,
  silentAfterMinutes: 120,
  recent: { of: 'the last cycle', writes: 100, faults: 0 },
  faults: 0,
  unrecorded: 0,
  failing: 0,
  managed: 100,
  quarantine: null,
  refused: null,
  credentials: [token(null)],
  ...more,
});
const refusedAgo = (minutes: number): HealthFacts['refused'] => ({
  atMs: NOW - minutes * MINUTE,
  why: 'audience, expected a, received b.',
});
const quarantine = (failing: number): HealthFacts['quarantine'] =>
  quarantineOf({ failing, managed: 100, unmanaged: failing, lastCycleMs: NOW, credentialsRefusedMs: null }, NOW);

describe('the state of a directory', () => {
  it.each([
    ['that works', {}, 'healthy', null],
    ['that is disabled', { status: 'disabled' }, 'disabled', /answered 403/],
    ['that is disconnected', { status: 'disconnected' }, 'disabled', /were revoked/],
    ['that is disabled and silent', { status: 'disabled', lastMs: NOW - DAY }, 'disabled', /answered 403/],
    ['to which nobody came', { lastMs: null, credentials: [] }, 'never connected', /No request has come yet/],
    ['into which nobody gets', { credentials: [token(-1, { isActive: false })] }, 'failing', /nobody gets in/],
    [
      'of which more fail than there are',
      { failing: 101 },
      'failing',
      /101 users and groups fail: more than it manages/,
    ],
    ['of which all fail', { failing: 1, managed: 0 }, 'failing', /1 user or group fails, and it manages nobody yet/],
    ['of which some fail', { failing: 1 }, 'warning', /1 user or group fails: the last request/],
    [
      'that is in quarantine',
      { quarantine: quarantine(6_000), managed: 9_999, failing: 6_000 },
      'failing',
      /Likely in quarantine/,
    ],
    [
      'that is near to it',
      { quarantine: quarantine(3_000), managed: 9_999, failing: 3_000 },
      'warning',
      /Quarantine is near/,
    ],
    [
      'whose writes end in 5xx',
      { recent: { of: 'the last hour', writes: 10, faults: 6 }, faults: 6 },
      'failing',
      /6 writes of 10 in the last hour/,
    ],
    [
      'of which some end in 5xx',
      { recent: { of: 'the last hour', writes: 10, faults: 5 }, faults: 5 },
      'warning',
      /5 requests of the last 24 hours/,
    ],
    ['of which not all is known', { unrecorded: 1 }, 'warning', /1 request .* too many at once/],
    ['that is silent', { lastMs: NOW - 121 * MINUTE }, 'silent', /Nothing has come for 2 hours; after 2 hours/],
    ['that was silent for less', { lastMs: NOW - 120 * MINUTE }, 'healthy', null],
    ['that is never silent', { lastMs: NOW - 90 * DAY, silentAfterMinutes: null }, 'healthy', null],
    [
      'whose token ends soon',
      { credentials: [token(29), token(null)] },
      'warning',
      /The token "Entra" expires in 29 days/,
    ],
    ['whose token ends later', { credentials: [token(30)] }, 'healthy', null],
    ['whose token of before has ended', { credentials: [token(-1, { isActive: false }), token(90)] }, 'healthy', null],
    [
      'whose credentials were refused for an hour',
      { lastMs: NOW - 61 * MINUTE, refused: refusedAgo(30) },
      'failing',
      /refused: audience, expected a/,
    ],
    ['at which a stranger knocks', { lastMs: NOW - 5 * MINUTE, refused: refusedAgo(1) }, 'healthy', null],
    ['whose credentials were refused once', { lastMs: NOW - 61 * MINUTE, refused: refusedAgo(90) }, 'healthy', null],
  ] as const)('%s', (_what, more, state, words) => {
    const health = healthOf(facts(more as Partial<HealthFacts>), NOW);
    expect(health.state).toBe(state);
    if (words === null) expect(health.reasons).toEqual([]);
    else expect(health.reasons[0]!.text).toMatch(words);
    // Each state is the worst of the reasons, and they are in this order.
    const ranks = health.reasons.map((reason) => HEALTH_STATES.indexOf(reason.state));
    expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
  });

  it('has all reasons, the token that ends first before others, each with a command', () => {
    const { state, reasons } = healthOf(
      facts({ lastMs: NOW - DAY, failing: 2, credentials: [token(20), token(3, { kind: 'client secret', id: 'c' })] }),
      NOW,
    );
    expect(state).toBe('silent');
    expect(reasons.map(({ state: of, command }) => [of, command])).toEqual([
      ['silent', 'directory set Contoso --silent-after-minutes <number>'],
      ['warning', 'report --directory Contoso --result failure --since 14d'],
      ['warning', 'client add-secret c --directory Contoso'],
      ['warning', 'token rotate t'],
    ]);
  });
});

it('silence counts from the last request', () => {
  const lastMs = NOW - 200 * MINUTE;
  expect(silentSince({ lastMs, silentAfterMinutes: 120 }, NOW)).toBe(lastMs);
  expect(silentSince({ lastMs: null, silentAfterMinutes: 120 }, NOW)).toBeNull();
});

it.each([
  [1, '1 minute'],
  [119, '119 minutes'],
  [120, '2 hours'],
  [1_440, '24 hours'],
  [2_880, '2 days'],
  [525_600, '365 days'],
])('%s minutes are %s', (minutes, words) => expect(minutesInWords(minutes)).toBe(words));
