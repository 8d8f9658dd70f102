import { InvalidArgumentError, type Command } from 'commander';
import { KEY_SCOPES, type KeyScope } from '#contracts';
import { call, listAll } from '../admin-api.sender.js';
import type { KeyView } from '../admin-views.js';
import { inTenant, keyOf } from '../named.sender.js';
import { addCommand, AND_YES, AS_JSON, confirm, lastUse, print, printAll, WITH_REASON } from './command.js';

const scopesIn = (text: string): KeyScope[] => {
  const scopes = text.split(',').map((one) => one.trim());
  if (scopes.every((one): one is KeyScope => (KEY_SCOPES as readonly string[]).includes(one)))
    return [...new Set(scopes)];
  throw new InvalidArgumentError(`It takes ${KEY_SCOPES.join(', ')}, with commas between.`);
};

const describe = ({ id, name, scopes, tenant, status, expiresAt, lastUsedAt }: KeyView): string =>
  [
    `${name}  ${id}  ${status}`,
    scopes.join(','),
    tenant === null ? 'whole installation' : `tenant ${tenant}`,
    `expires ${expiresAt ?? 'never'}`,
    lastUse(lastUsedAt),
  ].join('  ');

interface Options {
  readonly reason?: string;
  readonly json?: boolean;
}

export const addKey = (program: Command): void => {
  const key = program
    .command('key')
    .description('keys of the admin API: each administrator and each program has one of its own, and is named by it');
  addCommand(key, 'list', 'list all keys, with their scopes and their last use', '')
    .option(...AS_JSON)
    .action(async ({ json }: { json?: boolean }) => printAll(json, await listAll<KeyView>('keys'), describe));
  addCommand(key, 'show', 'show one key, but not its text', '"Ada"')
    .argument('<key>', 'name or id of the key')
    .option(...AS_JSON)
    .action(async (given: string, { json }: { json?: boolean }) => {
      const found = await call<KeyView>('GET', `keys/${encodeURIComponent(await keyOf(given))}`);
      print(json, found, describe(found));
    });
  addCommand(key, 'create', 'make a key, which is shown this once', '"Ada" --scopes read,manage --tenant "Contoso"')
    .argument('<name>')
    .requiredOption(
      '--scopes <scopes>',
      'read: see; manage: change, and make tokens; reveal: be shown a token again; audit: read the audit log. Commas between',
      scopesIn,
    )
    .option('--tenant <tenant>', 'name or id of the only tenant that it sees (default: the whole installation)')
    .option('--expires-at <time>', 'a moment with its zone, such as 2030-01-31T00:00:00Z (default: never)')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(
      async (
        name: string,
        { json, tenant, ...rest }: Options & { scopes: KeyScope[]; tenant?: string; expiresAt?: string },
      ) => {
        const made = await call<KeyView & { key: string }>('POST', 'keys', {
          name,
          ...rest,
          ...(await inTenant(tenant)),
        });
        print(json, made, `${describe(made)}\n${made.key}\nKeep it now: nobody can be shown it again.`);
      },
    );
  addCommand(key, 'revoke', 'make a key useless, within a second', '"Ada" --yes')
    .argument('<key>', 'name or id of the key')
    .option(...WITH_REASON)
    .option(...AND_YES)
    .option(...AS_JSON)
    .action(async (given: string, { reason, yes, json }: Options & { yes?: boolean }) => {
      const id = await keyOf(given);
      await confirm(`The key ${given} will be useless, for good.`, yes);
      await call('DELETE', `keys/${encodeURIComponent(id)}`, { reason });
      print(json, { id, status: 'revoked' }, `The key ${id} is revoked.`);
    });
};
