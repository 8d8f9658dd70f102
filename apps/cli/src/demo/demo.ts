import '#first';
import cliProgress from 'cli-progress';
import { Command, InvalidArgumentError } from 'commander';
import { baseUrlOf, call, listAll, listEvents } from '../admin-api.sender.js';
import type { DirectoryView, RevealedDirectory, ShownUserView } from '../admin-views.js';
import { run } from '../commands/command.js';
import { IN_FLIGHT, runCycles } from './cycle.sender.js';
import { MAPPING } from './mapping.js';
import { displayNameOf, inventPeople, isInvented, isInventedGroup, type Person } from './people.js';
import { formatCount, renderReport } from './report.js';
import { newDemoClient } from './oauth-client.sender.js';
import { eachInFlight, Requests } from './requests.sender.js';
import { describeLine } from '../person.js';
import { describeActors, renderTimeline } from '../timeline.js';

/** `npm run demo` does what Entra does to a running Muster, with invented people in a directory of their own. */

const DIRECTORY_NAME = 'Demo';
const MAX_USERS = 100_000;
const MAX_TOLD_PROBLEMS = 5;
const PAGE_USERS = 100;

const newBar = (): cliProgress.SingleBar =>
  new cliProgress.SingleBar({
    format: '{bar} {value}/{total} {what}',
    clearOnComplete: true,
    stopOnComplete: true,
    hideCursor: true,
  });

const findDirectory = async (): Promise<DirectoryView | undefined> =>
  (await listAll<DirectoryView>('directories')).find(({ name }) => name === DIRECTORY_NAME);

/** The directory of the demo with its attribute mapping; it is made when there is none. */
const makeDirectory = async (): Promise<DirectoryView> => {
  const { id } =
    (await findDirectory()) ??
    (await call<DirectoryView>('POST', 'directories', { name: DIRECTORY_NAME, kind: 'entra' }));
  return call<DirectoryView>('PATCH', `directories/${id}`, { attributeMapping: MAPPING });
};

/** The same with a token that works. */
const prepareDirectory = async (): Promise<RevealedDirectory> => {
  const found = await findDirectory();
  if (!found) return call<RevealedDirectory>('POST', 'directories', { name: DIRECTORY_NAME, kind: 'entra' });
  const directory = await call<RevealedDirectory>('POST', `directories/${found.id}/reveal-token`);
  if (directory.token) return directory;
  const { token } = await call<{ token: string }>('POST', `directories/${found.id}/tokens`, {
    description: 'npm run demo',
  });
  return { ...directory, token, tokenExpiresAt: null };
};

const demonstrate = async (users: number): Promise<void> => {
  const directory = await makeDirectory();
  const baseUrl = baseUrlOf(directory);
  // Every run has people of its own, because those of an earlier run are still there.
  const name = Math.floor(Date.now() / 1000).toString(36);
  const people = inventPeople(name, users);
  const client = await newDemoClient(directory, name);
  console.log(
    `\nAn OAuth client of the directory "${DIRECTORY_NAME}" has got an access token at ${client.tokenEndpoint}`,
  );
  try {
    await tellCycles(people, new Requests(baseUrl, client.accessToken), baseUrl);
  } finally {
    await client.revoke();
  }
  console.log(`\nThe people stay in the directory "${DIRECTORY_NAME}", which no other directory sees. To delete them:`);
  console.log('  npm run demo -- --clean');
};

const tellCycles = async (people: readonly Person[], sent: Requests, baseUrl: string): Promise<void> => {
  const users = people.length;
  console.log(`\n${formatCount(users)} invented people, ${IN_FLIGHT} requests at a time, to ${baseUrl}\n`);
  const bar = newBar();
  bar.start(1, 0, { what: '' });
  const { rows, problems, ids, groups } = await runCycles(people, sent, (done, total, what) => {
    bar.setTotal(total);
    bar.update(done, { what });
  }).finally(() => bar.stop());
  console.log(`${renderReport(rows)}\n`);
  tellProblems(problems);
  const id = ids.get(people[0]!);
  if (id !== undefined) await tellHistory(people[0]!, id);
  const [group] = groups;
  if (group) await tellGroup(...group);
};

const tellProblems = (problems: readonly string[]): void => {
  if (problems.length === 0) return console.log('Every answer is one that Entra accepts.');
  process.exitCode = 1;
  for (const problem of problems.slice(0, MAX_TOLD_PROBLEMS)) console.log(problem);
  if (problems.length > MAX_TOLD_PROBLEMS) console.log('…');
  console.log(`\nEntra would not accept the answers about ${formatCount(problems.length)} of the people.`);
};

const tellHistory = async (person: Person, id: string): Promise<void> => {
  console.log(`\nWhat Muster recorded of ${displayNameOf(person)}, ${person.upn}:\n`);
  console.log(
    renderTimeline(await listEvents('users', id), describeActors(await listAll<DirectoryView>('directories'))),
  );
  const { mappedBy } = await call<ShownUserView>('GET', `users/${id}`);
  console.log(`\nThe attribute mapping of the directory wrote\n  ${mappedBy.map(describeLine).join('\n  ')}`);
  console.log('\nThe values are in the events too, encrypted with a key of that person. See it again:');
  console.log(`  npm run -s cli -- user events ${id}`);
};

const tellGroup = async (department: string, id: string): Promise<void> => {
  const events = await listEvents('groups', id);
  console.log(
    `\nWhat Muster recorded of the group ${department}: its first and last events of ${formatCount(events.length)}\n`,
  );
  console.log(
    renderTimeline(
      [...events.slice(0, 3), ...events.slice(3).slice(-3)],
      describeActors(await listAll<DirectoryView>('directories')),
    ),
  );
  console.log('\nSee all of it, or who is in it:');
  console.log(`  npm run -s cli -- group events ${id}\n  npm run -s cli -- group members ${id}`);
};

/** Deletes the people and groups of all runs, and nobody else who may have come into their directory. */
const clean = async (): Promise<void> => {
  const directory = await findDirectory();
  if (!directory) return console.log(`There is no directory "${DIRECTORY_NAME}", so there is nothing to delete.`);
  const requests = new Requests(baseUrlOf(directory), (await prepareDirectory()).token!);
  const ids: string[] = [];
  for (let startIndex = 1, total = 1; startIndex <= total; startIndex += PAGE_USERS) {
    const path = `/Users?startIndex=${startIndex}&count=${PAGE_USERS}&attributes=userName`;
    const page = await requests.send('List', 'GET', path, null, { status: 200 });
    total = page.totalResults ?? 0;
    ids.push(...(page.Resources ?? []).filter(({ userName }) => isInvented(userName!)).map(({ id }) => id!));
  }
  const bar = newBar();
  bar.start(ids.length, 0, { what: 'deleted' });
  await eachInFlight(ids, IN_FLIGHT, async (id) => {
    await requests.send('Delete', 'DELETE', `/Users/${id}`, null, { status: 204 });
    bar.increment();
  }).finally(() => bar.stop());
  const groups =
    (await requests.send('List', 'GET', `/Groups?count=${PAGE_USERS}&attributes=displayName`, null, { status: 200 }))
      .Resources ?? [];
  for (const { id, displayName } of groups)
    if (isInventedGroup(displayName!)) await requests.send('Delete', 'DELETE', `/Groups/${id}`, null, { status: 204 });
  console.log(
    `${formatCount(ids.length)} people of the demo, and its groups, are deleted. Their events stay: history is not rewritten.`,
  );
};

const toUsers = (text: string): number => {
  const users = Number(text);
  if (!Number.isInteger(users) || users < 1 || users > MAX_USERS)
    throw new InvalidArgumentError(`It is a whole number from 1 to ${formatCount(MAX_USERS)}.`);
  return users;
};

const program = new Command('npm run demo --')
  .description(
    'Sends a running Muster what Microsoft Entra ID sends in an initial and an incremental cycle, for invented people in a directory ' +
      'of their own; checks every answer, and shows what Muster recorded.',
  )
  .option('--users <n>', 'how many people', toUsers, 1_000)
  .option('--clean', 'instead: delete the people of all earlier runs')
  .addHelpText(
    'after',
    `
It finds the Muster that npm start or npm run stack started in DATA_DIR (./.data).
MUSTER_URL (of the admin API) and MUSTER_API_KEY name another one.

Exit codes:
  0  every answer is one that Entra accepts
  1  one is not, or Muster does not answer
  2  the command line is wrong: nothing was sent`,
  )
  .exitOverride()
  .action((options: { users: number; clean?: boolean }) => (options.clean ? clean() : demonstrate(options.users)));

await run(program);
