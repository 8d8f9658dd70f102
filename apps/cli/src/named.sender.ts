import { call, listAll } from './admin-api.sender.js';
import type { DirectoryView, DomainView, FoundUserView, GroupView, KeyView, TenantView } from './admin-views.js';

/** Names are accepted wherever an id is: one thing has it, or the error lists those that were meant perhaps. */

interface Named {
  readonly id: string;
  readonly name: string;
}

export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MAX_TOLD = 10;

const told = (rows: readonly Named[]): string => {
  const lines = rows.slice(0, MAX_TOLD).map(({ id, name }) => `\n  ${id}  ${name}`);
  return lines.join('') + (rows.length > MAX_TOLD ? `\n  and ${rows.length - MAX_TOLD} more` : '');
};

const sameName = (a: string, b: string): boolean => a.trim().toLowerCase() === b.trim().toLowerCase();

/** The only one that has this name. `noun` is the word for one of the rows. Throws an error that lists what there is. */
export const onlyOne = (noun: string, name: string, rows: readonly Named[]): Named => {
  const found = rows.filter((row) => sameName(row.name, name));
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    throw new Error(`There are ${found.length} of the name "${name}"; give the id of one:${told(found)}`);
  throw new Error(`There is no ${noun} "${name}".${rows.length > 0 ? ` There are:${told(rows)}` : ''}`);
};

/** Gives the id that was typed, or that of the only one of the name that was typed. */
const idOf = async (noun: string, given: string, list: () => Promise<readonly Named[]>): Promise<string> =>
  UUID.test(given) ? given.toLowerCase() : onlyOne(noun, given, await list()).id;

/** The option --tenant, or nothing where it is left out. */
export const inTenant = async (given: string | undefined): Promise<{ readonly tenant?: string }> =>
  given === undefined ? {} : { tenant: await tenantOf(given) };

/** Without a name or an id: the first one. */
export const directoryOf = async (given: string | undefined): Promise<string> =>
  given === undefined
    ? (await call<DirectoryView>('GET', 'directories/first')).id
    : idOf('directory', given, () => listAll<DirectoryView>('directories'));

/** A name is that of the key that is not revoked. */
export const keyOf = (given: string): Promise<string> =>
  idOf('key', given, async () => (await listAll<KeyView>('keys')).filter(({ status }) => status !== 'revoked'));

export const tenantOf = (given: string): Promise<string> => idOf('tenant', given, () => listAll<TenantView>('tenants'));

/** Names of e-mail domains are looked for in one tenant, or in all. */
export const domainOf = (given: string, tenant: string | undefined): Promise<string> =>
  idOf('domain', given, async () => listAll<DomainView>('domains', await inTenant(tenant)));

/** Names of groups are looked for in one tenant. */
export const groupOf = (given: string, tenant: string | undefined): Promise<string> =>
  idOf('group', given, async () =>
    (await listAll<GroupView>('groups', await inTenant(tenant))).map(({ id, displayName: name }) => ({ id, name })),
  );

/** The users who have an identifier, or had it. */
export const findUsers = async (text: string, tenant?: string): Promise<readonly FoundUserView[]> => {
  const query = new URLSearchParams({ text, ...(await inTenant(tenant)) });
  return (await call<{ items: readonly FoundUserView[] }>('GET', `users/find?${query.toString()}`)).items;
};

/** The id that was typed, or that of the only user who has this user name, e-mail, name or other identifier, or had it. */
export const userOf = async (given: string): Promise<string> => {
  if (UUID.test(given)) return given.toLowerCase();
  if (given.endsWith('*')) throw new Error(`"${given}" stands for all who begin so; name one of them.`);
  const found = await findUsers(given);
  const [only] = found;
  if (!only) throw new Error(`Nobody is called "${given}", and nobody was.`);
  if (found.length === 1) return only.id;
  // The user who has the name is meant, not those who had it.
  const named = found.filter(({ matchedBy }) => matchedBy === 'userName');
  if (named.length === 1) return named[0]!.id;
  const rows = found.map(({ id, userName: name }) => ({ id, name }));
  throw new Error(`There are ${found.length} of whom "${given}" is said; give the id of one:${told(rows)}`);
};
