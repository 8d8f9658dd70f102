import { beforeAll, describe, expect, it } from 'vitest';
import { uuidv7 } from '#runtime';
import { runCycles } from '../../apps/cli/src/demo/cycle.sender.js';
import { MAPPING } from '../../apps/cli/src/demo/mapping.js';
import { inventPeople, isInvented, renamedUpn, tombstoneOf } from '../../apps/cli/src/demo/people.js';
import { Requests } from '../../apps/cli/src/demo/requests.sender.js';
import { startMuster, type Client } from '../support/muster.js';

const muster = startMuster();

const scim: Client = (method, path, body) => muster.scim(method, `/Users${path}`, body);
const events = (id: string, query = '', headers = {}) =>
  muster.admin('GET', `/users/${id}/events${query}`, undefined, headers);

/** A user that was created, changed, deactivated and deleted: five events, because a change of `active` is two. */
const formerUser = async (userName: string): Promise<string> => {
  const { body } = await scim('POST', '', { userName, displayName: 'Readable Name' });
  await scim('PATCH', `/${body.id}`, {
    Operations: [
      { op: 'Replace', path: 'displayName', value: 'Another Name' },
      { op: 'Add', path: 'title', value: 'Dr' },
    ],
  });
  await scim('PATCH', `/${body.id}`, { Operations: [{ op: 'Replace', path: 'active', value: 'False' }] });
  await scim('DELETE', `/${body.id}`);
  return body.id;
};

it('tells what happened to a user, by whom, also after it is deleted, and shows no personal data', async () => {
  const id = await formerUser('ada@example.org');
  const { status, body } = await events(id);
  expect(status).toBe(200);
  expect(body.next).toBeNull();
  expect(body.items.map(({ version, type }: { version: number; type: string }) => [version, type])).toEqual([
    [1, 'muster.user.created.v2'],
    [2, 'muster.user.changed.v1'],
    [3, 'muster.user.changed.v1'],
    [4, 'muster.user.deactivated.v1'],
    [5, 'muster.user.withdrawn.v1'],
  ]);
  expect(body.items[1].data.attributes.sort()).toEqual(['displayName', 'title']);
  const [token] = muster.server.directory.tokens;
  for (const event of body.items) {
    expect(event).toMatchObject({
      stream: id,
      tenant: muster.server.directory.tenant,
      directory: muster.server.directory.id,
      actor: `token:${token!.id}`,
    });
    expect(new Date(event.recordedAt).toISOString()).toBe(event.recordedAt);
  }
  expect(body.items[2].commandId).toBe(body.items[3].commandId);
  expect(body.items[3].sequence).toBe(body.items[2].sequence + 1);
  expect(JSON.stringify(body)).not.toMatch(/ada@example|Readable Name|Another Name|personal/);
});

it('gives the events by pages, each exactly once', async () => {
  const id = await formerUser('grace@example.org');
  const versions: number[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body }: { body: { items: { version: number }[]; next: string | null } } = await events(
      id,
      `?cursor=${cursor}&limit=2`,
    );
    expect(body.items.length).toBeLessThanOrEqual(2);
    versions.push(...body.items.map(({ version }) => version));
    cursor = body.next;
  }
  expect(versions).toEqual([1, 2, 3, 4, 5]);
  expect((await events(id, '?limit=1000000')).body.items).toHaveLength(5);
});

it('ends a page of long events where it is long enough', async () => {
  const { body: group } = await muster.scim('POST', '/Groups', { displayName: 'Long' });
  for (let change = 0; change < 20; change++) {
    const answer = await muster.scim('PATCH', `/Groups/${group.id}`, {
      Operations: [{ op: 'replace', path: 'displayName', value: `Long ${change}` }],
    });
    expect(answer.status).toBeLessThan(300);
  }
  await muster.owner.query('ALTER TABLE "group".events DISABLE TRIGGER append_only');
  await muster.owner.query(
    "UPDATE \"group\".events SET data = json_build_object('text', repeat('x', 400000)) WHERE stream = $1",
    [group.id],
  );
  await muster.owner.query('ALTER TABLE "group".events ENABLE TRIGGER append_only');
  const pages: number[][] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body }: { body: { items: { version: number }[]; next: string | null } } = await muster.admin(
      'GET',
      `/groups/${group.id}/events?cursor=${cursor}&limit=1000`,
    );
    pages.push(body.items.map(({ version }) => version));
    cursor = body.next;
  }
  expect(pages.map(({ length }) => length)).toEqual([11, 10]);
  expect(pages.flat()).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
});

it.each([
  ['a user who never was', () => events(uuidv7()), 404, /never was a user/],
  ['what is no id', () => events('nobody'), 404, /never was a user/],
  ['a page that is no number', () => events(uuidv7(), '?limit=many'), 400, /limit/],
  ['a cursor that nobody gave out', () => events(uuidv7(), '?cursor=MQ'), 400, /cursor is none of this list/],
  ['a SCIM token', () => events(uuidv7(), '', { authorization: `Bearer ${muster.token}` }), 401, /MUSTER_API_KEY/],
] as const)('%s gets an error that says what is wrong', async (_name, ask, status, detail) => {
  const answer = await ask();
  expect(answer.status).toBe(status);
  expect(answer.body).toMatchObject({ status, detail: expect.stringMatching(detail) });
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json$/);
  if (status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
});

describe('the cycles of npm run demo', () => {
  const setDirectory = async (settings: object): Promise<void> => {
    const { id } = (await muster.admin('GET', '/directories/first')).body;
    expect((await muster.admin('PATCH', `/directories/${id}`, settings)).status).toBe(200);
  };
  beforeAll(() => setDirectory({ attributeMapping: MAPPING }));

  const run = (name: string) => {
    const people = inventPeople(name, 60);
    return runCycles(people, new Requests(muster.scimUrl, muster.token), () => undefined).then((result) => ({
      ...result,
      first: people[0]!,
    }));
  };

  it('get answers that Entra accepts, again and again, and leave the history of each person', async () => {
    for (const name of ['first', 'second']) {
      const { problems, rows, ids, first } = await run(name);
      expect(problems).toEqual([]);
      expect(rows.find(({ step }) => step === 'Hard delete')!.statuses).toEqual(new Map([[204, 2]]));
      const { body } = await events(ids.get(first)!);
      expect(body.items.map(({ type }: { type: string }) => type.split('.')[2])).toEqual([
        'created',
        'attributes-mapped',
        'changed',
        'attributes-mapped',
        'changed',
        'attributes-mapped',
        'changed',
        'attributes-mapped',
        'changed',
        'attributes-mapped',
        'changed',
        'deactivated',
        'attributes-mapped',
        'changed',
        'reactivated',
        'attributes-mapped',
      ]);
      expect(isInvented(renamedUpn(first)) && isInvented(tombstoneOf(first))).toBe(true);
    }
  });

  it('get nickNames that a line of the mapping wrote, and the page of a user says which', async () => {
    const { ids, first } = await run('mapped');
    expect((await muster.admin('GET', `/users/${ids.get(first)}`)).body.mappedBy).toMatchObject([
      { target: 'nickName', line: 1, expression: MAPPING[0]!.expression },
    ]);
    await setDirectory({ attributeMapping: null });
    const { problems } = await run('not mapped');
    expect(problems).toHaveLength(60);
    expect(problems[0]).toContain('the nickName of the mapping');
    await setDirectory({ attributeMapping: MAPPING });
  });

  it('tell of each person about whom Entra would not accept an answer', async () => {
    // The demo maps the objectId to externalId.
    await setDirectory({ externalIdIsProviderId: true });
    await run('taken');
    const { problems } = await run('taken');
    // Everybody is there already, or trips over what a predecessor took. But one was deleted for good and can be made
    // anew, and two were archived under another name: they come back.
    expect(problems).toHaveLength(57);
    for (const problem of problems)
      expect(problem).toMatch(
        / should be answered by 20[01] and .*, not by (\{"schemas".*"totalResults":1,|409 (userName|externalId) .* is taken)/,
      );
  });
});
