import { expect, it } from 'vitest';
import type { Paint } from './audit-log.js';
import { describeHealth, type HealthView } from './health-views.js';

const plainly: Paint = (_style, text) => text;
const AT = '2026-01-31T12:00:00.000Z';
const health = (more: Partial<HealthView> = {}): HealthView => ({
  directory: { id: 'd', name: 'Contoso', kind: 'entra' },
  at: AT,
  state: 'healthy',
  reasons: [],
  lastRequest: null,
  lastWrite: null,
  lastRead: null,
  cycles: [],
  next: { expectedAt: null, isLate: false, words: 'No cycle has been seen.' },
  silence: { afterMinutes: null, since: null },
  errorRates: [{ of: 'last hour', requests: 0, failed: 0, percent: 0, answers: [] }],
  quarantine: null,
  credentials: [],
  failing: { total: 0, items: [] },
  ...more,
});
const said = (more: Partial<HealthView>): string => describeHealth(health(more), plainly);
const failing = (name: string | null): HealthView['failing']['items'][number] => ({
  object: { type: 'User', id: null, name },
  action: 'create',
  count: 1,
  first: '2026-01-31T11:00:00.000000Z',
  last: '2026-01-31T11:00:00.000000Z',
  status: 409,
  scimType: 'uniqueness',
  reason: null,
  whatToDo: 'Look.',
  request: 'r',
});

it.each([
  [
    'a state with its reasons, each with its command',
    { state: 'silent', reasons: [{ state: 'silent', text: 'Nothing has come.', command: 'directory set Contoso' }] },
    /^Contoso \(entra\): silent\n {2}● Nothing has come\.\n {4}npm run -s cli -- directory set Contoso\n\n/,
  ],
  ['that nobody came yet, and no tables of nothing', { state: 'never connected' }, /never connected$/],
  [
    'a cycle that is late',
    { next: { expectedAt: '2026-01-31T11:00:00.000Z', isLate: true, words: 'It is late.' } },
    /next cycle {4}about 2026-01-31 11:00, 60 minutes ago\. It is late\./,
  ],
  [
    'a silence',
    { silence: { afterMinutes: 120, since: '2026-01-30T12:00:00.000Z' } },
    /silence {7}silent since 2026-01-30 12:00\n/,
  ],
  ['that there is no alarm', {}, /silence {7}no alarm/],
  [
    'a quarantine, with the next try and the end',
    {
      quarantine: {
        state: 'likely',
        words: 'Likely in quarantine.',
        since: '2026-01-31T11:00:00.000Z',
        nextTry: '2026-01-31T17:00:00.000Z',
        disabledAt: '2026-02-28T11:00:00.000Z',
      },
    },
    /quarantine {4}Likely in quarantine\. Since 2026-01-31 11:00, next try about 2026-01-31 17:00, disabled on 2026-02-28 11:00\./,
  ],
  [
    'names that a key may not see, and how many more there are',
    { failing: { total: 7, items: Array.from({ length: 7 }, () => failing(null)) } },
    /create User \(its name needs the scope audit\), on 2026-01-31 11:00\n[^]*\n {2}and 2 more/,
  ],
  [
    'credentials by their end',
    {
      credentials: [
        { kind: 'token', name: 'old', isActive: false, expiresAt: '2026-01-30T12:00:00.000Z', days: -1 },
        { kind: 'token', name: 'new', isActive: true, expiresAt: '2026-02-01T13:00:00.000Z', days: 1 },
        { kind: 'client secret', name: 'Entra', isActive: true, expiresAt: null, days: null },
      ],
    },
    /token old: expired on 2026-01-30 12:00\n {2}token new: expires on 2026-02-01 13:00, in 1 day\n {2}client secret Entra: never expires$/,
  ],
] as const)('tells %s', (_what, more, words) => {
  expect(said(more as Partial<HealthView>)).toMatch(words);
});

it('shows what a client has sent as text alone', () => {
  expect(said({ failing: { total: 1, items: [failing('\u001b[2J\u202e')] } })).toContain(String.raw`\u001b[2J\u202e`);
});
