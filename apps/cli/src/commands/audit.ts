import { styleText } from 'node:util';
import { InvalidArgumentError, type Command } from 'commander';
import { INSTALLATION } from '#contracts';
import { call, listAll } from '../admin-api.sender.js';
import { describeEntries, describeHistory, describeState, type Paint } from '../audit-log.js';
import type { ComparedView, EntryView, ShownEntryView } from '../audit-views.js';
import { groupOf, inTenant, UUID } from '../named.sender.js';
import { momentBefore } from '../times.js';
import { addCommand, AS_JSON, print, WrongUse } from './command.js';

/** Colours are for a terminal; NO_COLOR and a pipe have none. */
export const paint: Paint = (style, text) => styleText(style, text, { stream: process.stdout });

const DEFAULT_ROWS = 50;
const MAX_PAGE_ROWS = 1_000;

export const A_TIME = 'a moment with its zone, a day, or how long ago, such as 2026-01-31T12:00:00Z, 2026-01-31 or 24h';

export const rowsIn = (text: string): number => {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('It is a number from 1 to 9999999.');
  return Number(text);
};

/** Times as the server reads them; what was left out is left out. */
export const filters = (given: Readonly<Record<string, string | boolean | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => {
      if (value === undefined) return [];
      const isTime = ['since', 'until', 'at', 'compare'].includes(name);
      return [[name, isTime ? momentBefore(String(value), Date.now()) : String(value)]];
    }),
  );

/** The newest rows of a search, which may take several pages; `searchedTo` is told to people who wait at a terminal. */
export const search = async <Row>(path: string, given: Record<string, string>, rows: number): Promise<Row[]> => {
  const found: Row[] = [];
  for (let cursor: string | null | undefined; cursor !== null && found.length < rows;) {
    const limit = String(Math.min(rows - found.length, MAX_PAGE_ROWS));
    const query = new URLSearchParams({ ...given, limit, ...(cursor === undefined ? {} : { cursor }) });
    const page: { items: Row[]; next: string | null; searchedTo: string | null } = await call(
      'GET',
      `${path}?${query}`,
    );
    found.push(...page.items);
    cursor = page.next;
    if (cursor !== null && found.length < rows && process.stderr.isTTY)
      process.stderr.write(`searched back to ${page.searchedTo}\n`);
  }
  return found;
};

interface Filters {
  readonly tenant?: string;
  readonly installation?: boolean;
  readonly limit: number;
  readonly json?: boolean;
}

interface Whose {
  readonly group?: boolean;
  readonly tenant?: string;
  readonly json?: boolean;
}

/** The options --tenant and --installation, or nothing where both are left out. Throws WrongUse for both at once. */
export const inTenantOrInstallation = async ({
  tenant,
  installation,
}: {
  readonly tenant?: string | undefined;
  readonly installation?: boolean | undefined;
}): Promise<{ readonly tenant?: string }> => {
  if (installation && tenant !== undefined) throw new WrongUse('--installation is no tenant: leave one of them out.');
  return installation ? { tenant: INSTALLATION } : inTenant(tenant);
};

/** The path of a person, group or another thing in the auditors' API. */
const pathOf = async (who: string, { group, tenant }: Whose): Promise<string> => {
  if (UUID.test(who)) return `audit/subjects/${who.toLowerCase()}`;
  return group ? `audit/subjects/${await groupOf(who, tenant)}` : `audit/people/${encodeURIComponent(who)}`;
};
const WHO = [
  '<person>',
  'any identifier that somebody has or ever had; or the id of a group, directory, token or another thing',
] as const;
const A_GROUP = ['--group', 'it is the name of a group'] as const;

const addList = (audit: Command): void => {
  addCommand(
    audit,
    'list',
    'list what happened, the newest first',
    '--person ada@example.org --since 24h\n  npm run -s cli -- audit list --actor "Grace" --action token.revealed\n  npm run -s cli -- audit list --installation',
  )
    .option('--person <identifier>', 'about somebody, by any identifier that the person has or ever had')
    .option('--subject <id>', 'about this user, group, directory, token or another thing')
    .option('--actor <name>', 'done by a key, client, token or directory: its name, or key:<id> and the like')
    .option('--directory <directory>', 'through a directory: its name or id')
    .option('--action <action>', 'such as user.created, user.changed, group.members-changed, token.revealed')
    .option(
      '--result <result>',
      'done; held: the user is kept archived; partly: attributes were left as administrators have set them',
    )
    .option('--correlation <id>', 'by one request: the X-Request-Id of its answer')
    .option('--since <time>', `not before: ${A_TIME}`)
    .option('--until <time>', 'before: a time like that')
    .option(
      '--tenant <tenant>',
      'name or id of the tenant (default: that of the person or directory, or the first one)',
    )
    .option('--installation', 'of the installation itself: its keys')
    .option('--limit <number>', 'so many at most', rowsIn, DEFAULT_ROWS)
    .option(...AS_JSON)
    .action(async ({ tenant, installation, limit, json, ...rest }: Filters & Record<string, string | undefined>) => {
      const of = await inTenantOrInstallation({ tenant, installation });
      const found = await search<EntryView>('audit/entries', { ...of, ...filters(rest) }, Number(limit));
      print(Boolean(json), found, found.length === 0 ? '(none)' : describeEntries(found, paint));
    });
};

export const addAudit = (program: Command): void => {
  const audit = program
    .command('audit')
    .description('the audit log: who did what, when, and what was before; that you read it is recorded, too');
  addList(audit);
  addCommand(audit, 'show', 'show one entry, with the values before and after', '42')
    .argument('<number>', 'as audit list prints it')
    .option('--tenant <tenant>', 'name or id of the tenant (default: the first one)')
    .option('--installation', 'of the installation itself')
    .option(...AS_JSON)
    .action(async (number: string, { json, ...options }: Omit<Filters, 'limit'>) => {
      const id = (await inTenantOrInstallation(options)).tenant ?? (await firstTenant());
      const entry = await call<ShownEntryView>('GET', `audit/entries/${id}/${encodeURIComponent(number)}`);
      print(json, entry, describeHistory([entry], paint));
    });
  addCommand(
    audit,
    'history',
    'show everything that happened to one person or group, with values, the oldest first',
    'ada@example.org\n  npm run -s cli -- audit history --group "Works council"',
  )
    .argument(...WHO)
    .option(...A_GROUP)
    .option('--tenant <tenant>', 'name or id of the tenant (default: any; of a group the first one)')
    .option(...AS_JSON)
    .action(async (who: string, options: Whose) => {
      const given = options.group || UUID.test(who) ? {} : await inTenant(options.tenant);
      const all = await listAll<ShownEntryView>(`${await pathOf(who, options)}/history`, given);
      print(options.json, all, describeHistory(all, paint));
    });
  addCommand(
    audit,
    'state',
    'show a person or group as it was at a moment, and what is different at another one',
    'ada@example.org --at 2026-01-31T12:00:00Z\n  npm run -s cli -- audit state ada@example.org --at 7d --compare 1h',
  )
    .argument(...WHO)
    .option('--at <time>', `${A_TIME} (default: now)`)
    .option('--compare <time>', 'another such time: what is different then')
    .option(...A_GROUP)
    .option('--tenant <tenant>', 'name or id of the tenant (default: any; of a group the first one)')
    .option(...AS_JSON)
    .action(async (who: string, { at, compare, ...options }: Whose & { at?: string; compare?: string }) => {
      const of = options.group || UUID.test(who) ? {} : await inTenant(options.tenant);
      const query = new URLSearchParams({ ...of, ...filters({ at, compare }) });
      const state = await call<ComparedView>('GET', `${await pathOf(who, options)}/state?${query}`);
      print(options.json, state, describeState(state, paint));
    });
};

/** The one that a list without a tenant is of; a key that may only read the audit log may not list tenants. */
export const firstTenant = async (): Promise<string> => {
  const { items } = await call<{ items: readonly EntryView[] }>('GET', 'audit/entries?limit=1');
  if (!items[0]) throw new Error('There are no entries yet.');
  return items[0].tenant;
};
