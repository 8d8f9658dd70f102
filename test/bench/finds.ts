import type { SingleBar } from 'cli-progress';
import pg from 'pg';
import { askAdmin, send } from './admin-requests.js';
import type { LoadProcess } from './child.js';
import { userNameOf } from './cycle.js';
import type { Installation } from './installation.js';
import type { Get, Job } from './load.js';

const AT_MOST_MS = 20;
const CHANGES_IN_FLIGHT = 64;
const REQUESTS = 500;
const BROAD_REQUESTS = 100;
const WALKS = 5;
const NAMESAKE = 'Anna Schmidt';
const TOMBSTONE = '0123456789abcdef'.repeat(2);

interface Found {
  readonly by: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of a request, in ms, of the server and of Postgres: it holds on a machine that is not quiet. */
  readonly processorMs: number;
  readonly reached: boolean;
}

export interface FindsResult {
  readonly found: readonly Found[];
  readonly counts: Readonly<Record<keyof Parts, number>>;
  readonly atMostMs: number;
  readonly reached: boolean;
}

/** Users by what becomes of them before anybody is looked for; each is the index of a user that was created. */
interface Parts {
  /** Everything by which they are found is another now. */
  readonly renamed: readonly number[];
  readonly deactivated: readonly number[];
  readonly softDeleted: readonly number[];
  readonly deleted: readonly number[];
  readonly signedIn: readonly number[];
  /** They all have one name. */
  readonly namesakes: readonly number[];
  /** The one that has had many names. */
  readonly ofManyNames: readonly number[];
  readonly untouched: readonly number[];
}

/** Of 200,000: 10,000 renamed, 5,000 archived, 2,000 deleted, 2,000 signed in, 5,000 of one name. */
const partsOf = (users: number): Parts => {
  let from = 0;
  const next = (count: number): number[] => {
    const part = Array.from({ length: count }, (_, n) => from + n);
    from += count;
    return part;
  };
  return {
    renamed: next(users / 20),
    deactivated: next(users / 80),
    softDeleted: next(users / 80),
    deleted: next(users / 100),
    signedIn: next(users / 100),
    namesakes: next(users / 40),
    ofManyNames: next(1),
    untouched: next(users - from),
  };
};

const namesOfOne = (users: number): number => users / 100;

/**
 * Measures how long the admin API takes to find one of many users, whatever became of it, and to read pages of those who
 * are archived. The users are there already, as the load generator has created them.
 */
export const measureFinds = async (
  muster: Installation,
  load: LoadProcess,
  prefix: string,
  users: number,
  bar: SingleBar,
): Promise<FindsResult> => {
  const parts = partsOf(users);
  const ids = await idsByIndex(muster, prefix);
  const { id: directory, tenant } = await askAdmin<{ id: string; tenant: string }>(muster, 'GET', 'directories/first');
  await change(muster, prefix, users, parts, ids, bar);
  await muster.idle();

  const { url, key } = muster.adminApi;
  const target = { host: '127.0.0.1', port: Number(new URL(url).port), usersPath: '/api/admin/v1/users', token: key };
  const job = { target, inFlight: 1, prefix };
  const find = (text: string, contains: string): Get => ({
    path: `${target.usersPath}/find?text=${encodeURIComponent(text)}`,
    contains,
  });
  const some = (of: readonly number[], textOf: (index: number) => string): Get[] =>
    Array.from({ length: REQUESTS }, () => {
      const index = of[Math.floor(Math.random() * of.length)]!;
      return find(textOf(index), `"id":"${ids.get(index)}"`);
    });
  const often = (text: string, contains: string): Get[] =>
    Array.from({ length: BROAD_REQUESTS }, () => find(text, contains));
  const { renamed, deactivated, softDeleted, deleted, signedIn, untouched } = parts;
  const userName = (index: number): string => userNameOf(prefix, index);
  const externalId = (index: number): string => `${prefix}-${index}`;
  const idOf = (index: number): string => ids.get(index)!;
  const searches: readonly [by: string, gets: readonly Get[]][] = [
    ['userName, which is the e-mail, too', some(untouched, userName)],
    ['e-mail', some(renamed, emailNow)],
    ['externalId', some(untouched, externalId)],
    ['provider id', some(signedIn, providerId)],
    ['displayName', some(untouched, displayName)],
    ['id', some(untouched, idOf)],
    ['userName and e-mail of before', some(renamed, userName)],
    ['externalId of before', some(renamed, externalId)],
    ['displayName of before', some(renamed, displayName)],
    ['userName of somebody deactivated', some(deactivated, userName)],
    ['UPN of somebody soft-deleted', some(softDeleted, userName)],
    ['userName of somebody deleted', some(deleted, userName)],
    ['externalId of somebody deleted', some(deleted, externalId)],
    ['displayName of somebody deleted', some(deleted, displayName)],
    ['id of somebody deleted', some(deleted, idOf)],
    ['a text that nobody has', often('nobody@bench.example', '"items":[]')],
    [`a name that ${parts.namesakes.length.toLocaleString('en')} have`, often(NAMESAKE, '"items":[{')],
    ['a beginning that nearly all names have', often('user *', '"items":[{')],
    ['a beginning that nearly all user names have', often(`${prefix}-*`, '"items":[{')],
    [
      `one of ${namesOfOne(users).toLocaleString('en')} names of a user`,
      often(nameOfMany(namesOfOne(users) >> 1), `"id":"${ids.get(parts.ofManyNames[0]!)}"`),
    ],
  ];
  const archived = deactivated.length + softDeleted.length;
  const lists: readonly [what: string, query: string, rows: number][] = [
    ['archived', 'state=archived', archived],
    ['archived, of a tenant', `state=archived&tenant=${tenant}`, archived],
    ['archived, of a directory', `state=archived&directory=${directory}`, archived],
    ['deleted', 'state=deleted', deleted.length],
  ];
  bar.start(searches.length + lists.length, 0, { what: 'ways to find users' });
  const found: Found[] = [];
  const measure = async (by: string, warmUp: Job, measured: Job): Promise<void> => {
    await load.run(warmUp);
    const before = processorMs(muster);
    const { completed, operations } = await load.run(measured);
    const { p50Ms, p99Ms } = operations.get!;
    const spent = (processorMs(muster) - before) / completed;
    found.push({ by, p50Ms, p99Ms, processorMs: spent, reached: p99Ms <= AT_MOST_MS });
    bar.increment();
  };
  for (const [by, gets] of searches) {
    const all = { ...job, kind: 'gets', gets } as const;
    await measure(by, { ...all, gets: gets.slice(0, BROAD_REQUESTS) }, all);
  }
  for (const [what, query, rows] of lists) {
    const walk = { ...job, kind: 'walk', path: `${target.usersPath}?${query}`, rows } as const;
    await measure(
      `a page of 100 of the list of users who are ${what}`,
      { ...walk, times: 1 },
      { ...walk, times: WALKS },
    );
  }
  bar.stop();
  return {
    found,
    counts: Object.fromEntries(
      Object.entries(parts).map(([name, part]) => [name, part.length]),
    ) as FindsResult['counts'],
    atMostMs: AT_MOST_MS,
    reached: found.every(({ reached }) => reached),
  };
};

const processorMs = (muster: Installation): number =>
  Object.values(muster.processorMs()).reduce((sum, ms) => sum + ms, 0);

export const renderFinds = ({ found, atMostMs }: FindsResult): string =>
  [
    `users found over the admin API, one request in flight, p50/p99 in ms (p99 at most ${atMostMs}), and processor time in ms:`,
    ...found.map(({ by, p50Ms, p99Ms, processorMs: spent, reached }) => {
      const times = `${p50Ms.toFixed(2)}/${p99Ms.toFixed(2)}`.padStart(13);
      return `  ${reached ? 'reached' : 'MISSED '} ${times}  ${spent.toFixed(1).padStart(5)}  ${by}`;
    }),
  ].join('\n');

const displayName = (index: number): string => `User ${index}`;
const emailNow = (index: number): string => `mail-${index}@now.example`;
const providerId = (index: number): string => `oid-${index}`;
const nameOfMany = (n: number): string => `Known as ${n}`;

const idsByIndex = async (muster: Installation, prefix: string): Promise<ReadonlyMap<number, string>> => {
  const database = new pg.Client({ connectionString: muster.databaseUrl });
  await database.connect();
  try {
    const { rows } = await database.query<{ id: string; name: string }>(
      'SELECT id, user_name_folded AS name FROM identity.users',
    );
    return new Map(rows.map(({ id, name }) => [Number(name.slice(prefix.length + 1, name.indexOf('@'))), id]));
  } finally {
    await database.end();
  }
};

const change = async (
  muster: Installation,
  prefix: string,
  users: number,
  parts: Parts,
  ids: ReadonlyMap<number, string>,
  bar: SingleBar,
): Promise<void> => {
  const { host, port, usersPath, token } = muster.target;
  const scim = (method: string, index: number, changes?: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const Operations = Object.entries(changes ?? {}).map(([path, value]) => ({ op: 'Replace', path, value }));
    return send(method, `http://${host}:${port}${usersPath}/${ids.get(index)}`, token, changes && { Operations });
  };
  const changes: (() => Promise<unknown>)[] = [
    ...parts.renamed.map(
      (index) => () =>
        scim('PATCH', index, {
          userName: `now-${index}@bench.example`,
          displayName: `Renamed ${index}`,
          externalId: `now-${index}`,
          'emails[type eq "work"].value': emailNow(index),
        }),
    ),
    ...parts.deactivated.map((index) => () => scim('PATCH', index, { active: 'False' })),
    ...parts.softDeleted.map(
      (index) => () => scim('PATCH', index, { userName: `${TOMBSTONE}${userNameOf(prefix, index)}`, active: 'False' }),
    ),
    ...parts.signedIn.map(
      (index) => () =>
        askAdmin(muster, 'POST', 'sign-ins', {
          loginType: 'oidc',
          providerId: providerId(index),
          upn: userNameOf(prefix, index),
        }),
    ),
    ...parts.namesakes.map((index) => () => scim('PATCH', index, { displayName: NAMESAKE })),
    ...Array.from(
      { length: namesOfOne(users) },
      (_, n) => () => scim('PATCH', parts.ofManyNames[0]!, { displayName: nameOfMany(n) }),
    ),
  ];
  const deletions = parts.deleted.map((index) => () => scim('DELETE', index));
  bar.start(changes.length + deletions.length, 0, { what: 'changes of users' });
  await atOnce(changes, bar);
  const { id: directory } = await askAdmin<{ id: string }>(muster, 'GET', 'directories/first');
  // Before this, those who are deleted would be kept as archived, and from then on nobody is.
  await askAdmin(muster, 'PATCH', `directories/${directory}`, { deleteDeactivated: true });
  await atOnce(deletions, bar);
  bar.stop();
};

const atOnce = async (changes: readonly (() => Promise<unknown>)[], bar: SingleBar): Promise<void> => {
  const left = changes.values();
  await Promise.all(
    Array.from({ length: CHANGES_IN_FLIGHT }, async () => {
      for (const one of left) {
        await one();
        bar.increment();
      }
    }),
  );
};
