import { describe, expect, it } from 'vitest';
import type { Bearer } from './bearers.js';
import { axisEnd, chartOf, escaped } from './chart.js';
import type { RequestRow } from './asked-request.js';
import { csvCell } from './csv.js';
import { csvRow } from './report-csv.js';
import { REPORT_POLICY, reportPage } from './report-page.js';
import {
  barSeconds,
  minutesWithin,
  REPORT_ACTIONS,
  reportItem,
  totalsOf,
  type CausedEntry,
  type Group,
  type ProvisioningReport,
  type ReportAction,
} from './report.js';
import { whatToDo } from './what-to-do.js';

const ADA = '01980000-0000-7000-9000-0000000003e7';
const DIRECTORY = '01980000-0000-7000-8000-00000000000d';
const TOKEN = 'token:01980000-0000-7000-8000-0000000000ab';
const NOW = Date.parse('2026-01-31T13:00:00Z');
const NAMES: Readonly<Record<string, string>> = { [ADA]: 'ada@example.org', [DIRECTORY]: 'Contoso', [TOKEN]: 'SCIM' };
const names = { nameOf: (id: string) => NAMES[id] ?? null };

const request = (more: Partial<RequestRow> = {}): RequestRow => ({
  tenant: '01980000-0000-7000-8000-00000000000a',
  id: '01980000-0000-7000-8000-000000000001',
  at: '2026-01-31T12:00:00.000000Z',
  durationMs: 12.4,
  face: 'scim',
  directory: DIRECTORY,
  actor: TOKEN,
  method: 'PATCH',
  path: `/api/scim/v2/Users/${ADA}`,
  resourceType: 'User',
  object: ADA,
  name: null,
  status: 200,
  effect: null,
  scimType: null,
  detail: null,
  address: '192.0.2.1',
  userAgent: null,
  correlationId: 'c-1',
  bodyBytes: 10,
  ifMatch: null,
  ifNoneMatch: null,
  replayOf: null,
  ...more,
});

const rank = (action: ReportAction): number => REPORT_ACTIONS.indexOf(action);
const entry = (type: string, of: ReportAction, data: object | null, isLong = false): CausedEntry => ({
  tenant: '01980000-0000-7000-8000-00000000000a',
  number: 7,
  owner: 'identity',
  sequence: 1,
  stream: ADA,
  version: 1,
  type,
  recordedAt: '2026-01-31T12:00:00.010000Z',
  commandId: ADA,
  correlationId: 'c-1',
  actor: TOKEN,
  directory: DIRECTORY,
  data: data as CausedEntry['data'],
  personal: null,
  rank: rank(of),
  isLong,
});
const changed = entry('muster.user.changed.v1', 'update', {
  directory: DIRECTORY,
  directoryVersion: 1,
  matching: { rule: 'id', candidates: [] },
  attributes: ['active'],
});
const deactivated = entry('muster.user.deactivated.v1', 'disable', {});
const BEARER: Bearer = {
  type: 'user',
  id: ADA,
  name: 'ada@example.org',
  directory: DIRECTORY,
  isArchived: false,
  values: { userName: ['ada@example.org'] },
};
const item = (asked: Partial<RequestRow>, entries: readonly CausedEntry[] = []) =>
  reportItem(request(asked), entries, names, (id) => (id === ADA ? BEARER : null));
const step = (found: ReturnType<typeof item>, name: string) => found.steps.find((one) => one.step === name);

describe('a request and what it changed', () => {
  it('is told by its steps, and its action is what says most of its entries', () => {
    const found = item({}, [changed, deactivated]);
    expect(found).toMatchObject({
      action: 'disable',
      result: 'success',
      reason: null,
      whatToDo: null,
      object: { type: 'User', id: ADA, name: 'ada@example.org' },
      directory: { name: 'Contoso' },
    });
    expect(found.steps.map(({ step: name, isDone }) => [name, isDone])).toEqual([
      ['received', true],
      ['authenticated', true],
      ['matched', true],
      ['decided', true],
      ['answered', true],
    ]);
    expect(step(found, 'authenticated')!.text).toBe('as SCIM');
    expect(step(found, 'decided')!.text).toMatch(/changed: active\.?; .*was deactivated/i);
    expect(step(found, 'answered')!.text).toBe('200 after 12 ms');
  });

  it('that changed nothing is skipped', () => {
    const idle = item({ effect: 'nothing' });
    expect(idle).toMatchObject({ action: 'update', result: 'skipped' });
    expect(step(idle, 'decided')!.text).toMatch(/so already/);
    // Answers of these say themselves that something was done.
    expect(item({ method: 'DELETE', status: 204, effect: 'nothing' })).toMatchObject({
      action: 'delete',
      result: 'success',
    });
    expect(item({ method: 'POST', status: 201 })).toMatchObject({ action: 'create', result: 'success' });
  });

  it('has the effect that its face knows, otherwise that of its entries, and none that nobody knows', () => {
    expect(item({ effect: 'enable' }, [changed])).toMatchObject({ action: 'enable', result: 'success' });
    expect(item({}, [changed, deactivated]).action).toBe('disable');
    expect(item({})).toMatchObject({ action: 'update', result: 'success' });
  });

  it('that was refused says why, where it ended and what to do', () => {
    const detail = `userName ada@example.org is taken by the user with the id ${ADA}.`;
    const refused = item({
      method: 'POST',
      object: null,
      name: 'Ada@example.org',
      status: 409,
      scimType: 'uniqueness',
      detail,
    });
    expect(refused).toMatchObject({
      action: 'create',
      result: 'failure',
      reason: detail,
      object: { id: null, name: 'Ada@example.org' },
      whatToDo: expect.stringContaining(`the user "ada@example.org" (${ADA})`),
    });
    expect(step(refused, 'decided')).toMatchObject({ isDone: false, text: detail });
    expect(step(refused, 'answered')).toMatchObject({ isDone: false, text: '409 uniqueness after 12 ms' });
    const unknown = item({ status: 401, detail: 'The token has expired.', actor: null });
    expect(unknown.steps.map(({ step: name }) => name)).toEqual(['received', 'authenticated', 'answered']);
    expect(step(unknown, 'authenticated')).toMatchObject({ isDone: false, text: 'The token has expired.' });
  });

  it('that was answered too late, and was done all the same, needs nothing', () => {
    const late = item({ status: 503, detail: 'No answer in time.' }, [changed]);
    expect(late.result).toBe('failure');
    expect(late.whatToDo).toMatch(/^Nothing: .*was made/);
  });

  it('is told without a change that is long, whose entry is named', () => {
    const found = item({}, [entry('muster.group.members-changed.v1', 'add members', null, true)]);
    expect(found.action).toBe('add members');
    expect(step(found, 'decided')!.text).toMatch(/group\.members-changed: .*audit show 7/);
  });
});

it.each([
  [400, 'mutability', /attribute mappings/],
  [400, 'invalidValue', /Correct the value/],
  [400, 'invalidPath', /target attribute/],
  [401, null, /token create/],
  [403, null, /directory enable/],
  [404, null, /on demand/],
  [409, 'uniqueness', /same name/],
  [412, null, /read it again/],
  [418, null, /Read the reason/],
  [429, null, /Retry-After/],
  [500, null, /fault of Muster/],
  [503, null, /sends it again/],
])('of an answer %s %s it says what to do', (status, scimType, words) => {
  expect(whatToDo({ status, scimType, detail: null, method: 'PATCH' }, () => null)).toMatch(words);
});

describe('totals', () => {
  const group = (more: Partial<Group>): Group => ({
    method: 'PATCH',
    resourceType: 'User',
    status: 200,
    effect: 'update',
    second: NOW / 1_000,
    count: 1,
    ...more,
  });
  it('are by result, by action and by bar; a bar of nothing is there, and nothing falls outside', () => {
    const sinceMs = NOW - 3 * 3_600_000;
    const { results, actions, bars } = totalsOf(
      [
        group({ count: 5, second: sinceMs / 1_000 }),
        group({ effect: 'nothing', count: 2, second: NOW / 1_000 - 3_600 }),
        group({ status: 409, effect: null, method: 'POST', count: 3, second: NOW / 1_000 + 3_600 }),
      ],
      { sinceMs, untilMs: NOW, seconds: 3_600 },
    );
    expect(results).toEqual({ success: 5, failure: 3, skipped: 2 });
    expect(actions).toEqual([
      { action: 'create', success: 0, failure: 3, skipped: 0 },
      { action: 'update', success: 5, failure: 0, skipped: 2 },
    ]);
    expect(bars.map(({ success, failure, skipped }) => [success, failure, skipped])).toEqual([
      [5, 0, 0],
      [0, 0, 0],
      [0, 3, 2],
    ]);
  });
  it.each([
    ['12:00:00', '12:05:00', ['12:00:00', '12:05:00']],
    ['12:00:01', '12:05:59', ['12:01:00', '12:05:00']],
    ['12:00:01', '12:01:59', null],
    ['12:00:01', '12:00:02', null],
  ])('of %s to %s count the whole minutes %s', (since, until, found) => {
    const [ms, text] = [
      (time: string) => Date.parse(`2026-01-31T${time}Z`),
      (at: number) => new Date(at).toISOString().slice(11, 19),
    ];
    const minutes = minutesWithin(ms(since), ms(until));
    expect(minutes && [text(minutes.sinceMs), text(minutes.untilMs)]).toEqual(found);
  });
  it.each([
    [1, 900],
    [6, 900],
    [24, 3_600],
    [100, 3_600],
    [24 * 14, 21_600],
    [24 * 90, 86_400],
    [24 * 365 * 8_000, 315_360_000],
  ])('of %s hours have bars of %s seconds', (hours, seconds) => {
    expect(barSeconds(NOW - hours * 3_600_000, NOW)).toBe(seconds);
  });
});

describe('the chart', () => {
  const bars = [
    { at: '2026-01-31T12:00:00.000Z', success: 5, failure: 1, skipped: 0 },
    { at: '2026-01-31T13:00:00.000Z', success: 0, failure: 0, skipped: 0 },
  ];
  it('has a bar of each result, an axis, and words for those who hear it', () => {
    const svg = chartOf(bars, 3_600);
    expect(svg.match(/<rect class="(success|failure)"/g)).toEqual(['<rect class="success"', '<rect class="failure"']);
    expect(svg).toContain('<title>01-31 12:00: 5 done, 1 failed, 0 skipped</title>');
    expect(svg).toMatch(/<desc id="chart-words">6 requests in 2 bars .* 1 failed\.<\/desc>/);
    expect(svg).toMatch(/<text class="number"[^>]*>10<\/text>/);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
  it('of nothing is an axis', () => {
    expect(chartOf([], 3_600)).not.toMatch(/<rect|NaN|Infinity/);
    expect(chartOf(bars.slice(1), 3_600)).not.toMatch(/<rect|NaN|Infinity/);
  });
  it.each([
    [0, 1],
    [1, 1],
    [3, 5],
    [6, 10],
    [10, 10],
    [101, 200],
    [86_400, 100_000],
  ])('with %s at most ends at %s', (most, end) => expect(axisEnd(most)).toBe(end));
});

it.each([
  ['=cmd()', `'=cmd()`],
  ['  +1', `'  +1`],
  ['-1', `'-1`],
  ['@sum', `'@sum`],
  ['\uff1d1', `'\uff1d1`],
  ['\t=1', `"'\t=1"`],
  ['a "b", c', '"a ""b"", c"'],
  ['two\nlines', '"two\nlines"'],
  ['plain', 'plain'],
  [null, ''],
  [-5, '-5'],
])('the cell %j of CSV is %j: no spreadsheet carries it out', (value, text) => {
  expect(csvCell(value)).toBe(text);
});

describe('the page', () => {
  const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(2)'>\u202e`;
  const page = reportPage({
    tenant: '01980000-0000-7000-8000-00000000000a',
    since: '2026-01-30T13:00:00.000Z',
    until: '2026-01-31T13:00:00.000Z',
    asked: { person: HOSTILE },
    message: null,
    totals: null,
    chart: { seconds: 3_600, bars: [] },
    failing: [
      {
        object: { type: HOSTILE, id: null, name: HOSTILE },
        count: 2,
        first: '2026-01-31T12:00:00Z',
        last: '2026-01-31T12:00:00Z',
        status: 409,
        scimType: HOSTILE,
        reason: HOSTILE,
        whatToDo: HOSTILE,
        request: ADA,
      },
    ],
    items: [
      item({
        method: HOSTILE,
        path: HOSTILE,
        name: HOSTILE,
        object: null,
        status: 400,
        detail: HOSTILE,
        userAgent: HOSTILE,
      }),
    ],
    next: null,
    searchedTo: null,
  } satisfies ProvisioningReport);
  it('shows what clients have sent as text, and nothing of it is a tag', () => {
    expect(page.match(/<script|<img|\u202e/g)).toBeNull();
    expect(page).toContain(escaped(HOSTILE));
    expect([...page.matchAll(/<[^>]*\son\w+=/g)]).toEqual([]);
  });
  it('lets nothing run and nothing be loaded', () => {
    expect(REPORT_POLICY).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; /);
    expect(page).not.toMatch(/ style="|<link|src=(?!x)/);
  });
});

it('a row of CSV ends with a line break and has a field for each column', () => {
  const row = csvRow(item({ name: '=1+1', object: null, status: 400, detail: 'no' }));
  expect(row).toContain(`'=1+1`);
  expect(row).toMatch(/\r\n$/);
});
