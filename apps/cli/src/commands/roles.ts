import type { Command } from 'commander';
import { DIRECTORY_SETTINGS, type DirectorySettings } from '#contracts';
import { call } from '../admin-api.sender.js';
import type { RoleChangeView, RolePreviewView } from '../admin-views.js';
import { directoryOf } from '../named.sender.js';
import { addCommand, AS_JSON, print, WrongUse } from './command.js';
import { flagsOf, parseSetting, repetitionOf } from './setting-notation.js';

/** The settings that give web roles. */
const GIVING = ['groupRoles', 'roleCeiling'] as const;
const PAGE = 1_000;
/** People are shown so many users; all of them are printed with --json. */
const MAX_SHOWN = 100;

type Options = Partial<Pick<DirectorySettings, (typeof GIVING)[number]>> & { readonly json?: boolean };

/** Adds the command that says who would gain or lose which web role. */
export const addRoles = (directory: Command): void => {
  const roles = addCommand(
    directory,
    'roles',
    'say who would gain or lose which web role if these settings were saved, without saving them',
    '"Contoso Entra" --group-roles Administrators=Admin --role-ceiling Admin',
  ).argument('<directory>', 'name or id of the directory');
  for (const name of GIVING) {
    const setting = DIRECTORY_SETTINGS[name];
    roles.option(flagsOf(name, setting), setting.description + repetitionOf(setting), parseSetting(setting));
  }
  roles.option(...AS_JSON).action(async (given: string, { json, ...proposed }: Options) => {
    if (Object.keys(proposed).length === 0) throw new WrongUse('Name at least one setting; --help lists them.');
    const path = `directories/${encodeURIComponent(await directoryOf(given))}/role-preview`;
    const preview = await wholePreview(path, proposed);
    print(json, preview, describe(preview));
  });
};

const wholePreview = async (path: string, proposed: object): Promise<Omit<RolePreviewView, 'next'>> => {
  const items: RoleChangeView[] = [];
  let cursor: string | null = null;
  for (;;) {
    const query = new URLSearchParams({ limit: String(PAGE), ...(cursor === null ? {} : { cursor }) });
    const part: RolePreviewView = await call('POST', `${path}?${query.toString()}`, proposed);
    items.push(...part.items);
    if (part.next === null) return { items, counts: part.counts };
    cursor = part.next;
  }
};

const step = ({ from, to }: { readonly from: string | null; readonly to: string | null }): string =>
  from === to ? `${to ?? 'none'} as before` : `${from ?? 'none'} -> ${to ?? 'none'}`;

const describe = ({ items, counts }: Omit<RolePreviewView, 'next'>): string =>
  [
    ...counts.map((count) => `${step(count)}: ${count.users} ${count.users === 1 ? 'user' : 'users'}`),
    ...items.slice(0, MAX_SHOWN).map((user) => `  ${user.userName}  ${user.id}  ${step(user)}`),
    ...(items.length > MAX_SHOWN ? [`  and ${items.length - MAX_SHOWN} more: --json prints all`] : []),
    ...(counts.length === 0 ? ['The directory has no active users.'] : []),
  ].join('\n');
