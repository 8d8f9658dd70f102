import { Option, type Command } from 'commander';
import { call, listAll } from '../admin-api.sender.js';
import type { TenantView } from '../admin-views.js';
import { tenantOf } from '../named.sender.js';
import { addCommand, AS_JSON, print, printAll, WITH_REASON } from './command.js';

const describe = ({ id, name, directories, revealTokens }: TenantView): string =>
  `${name}  ${id}  ${directories} ${directories === 1 ? 'directory' : 'directories'}${revealTokens ? '' : ', tokens are shown once'}`;

export const addTenant = (program: Command): void => {
  const tenant = program.command('tenant').description('organisations: no user of one is ever seen by another');
  addCommand(tenant, 'list', 'list all tenants', '')
    .option(...AS_JSON)
    .action(async ({ json }: { json?: boolean }) => {
      printAll(json, await listAll<TenantView>('tenants'), describe);
    });
  addCommand(tenant, 'create', 'make a tenant, which needs a directory next', '"Contoso"')
    .argument('<name>')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (name: string, { reason, json }: { reason?: string; json?: boolean }) => {
      const made = await call<TenantView>('POST', 'tenants', { name, reason });
      print(json, made, `${describe(made)}\nNext: npm run -s cli -- directory create <name> --tenant ${made.id}`);
    });
  addCommand(tenant, 'show', 'show one tenant', 'Contoso')
    .argument('<tenant>', 'name or id of the tenant')
    .option(...AS_JSON)
    .action(async (given: string, { json }: { json?: boolean }) => {
      const found = await call<TenantView>('GET', `tenants/${await tenantOf(given)}`);
      print(json, found, describe(found));
    });
  addCommand(tenant, 'rename', 'give a tenant another name', 'Contoso "Contoso Ltd"')
    .argument('<tenant>', 'name or id of the tenant')
    .argument('<name>', 'its new name')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (given: string, name: string, { reason, json }: { reason?: string; json?: boolean }) => {
      const changed = await call<TenantView>('PATCH', `tenants/${await tenantOf(given)}`, { name, reason });
      print(json, changed, describe(changed));
    });
  addCommand(tenant, 'set', 'change the settings of a tenant', 'Contoso --reveal-tokens off')
    .argument('<tenant>', 'name or id of the tenant')
    .addOption(
      new Option('--reveal-tokens <on|off>', 'whether a token can be shown again after it was made')
        .choices(['on', 'off'])
        .makeOptionMandatory(),
    )
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(
      async (
        given: string,
        { revealTokens, reason, json }: { revealTokens: string; reason?: string; json?: boolean },
      ) => {
        const changed = await call<TenantView>('PATCH', `tenants/${await tenantOf(given)}`, {
          revealTokens: revealTokens === 'on',
          reason,
        });
        print(json, changed, describe(changed));
      },
    );
};
