import type { Command } from 'commander';
import { call, listAll } from '../admin-api.sender.js';
import type { TenantView } from '../admin-views.js';
import { addCommand, AS_JSON, print, printAll, WITH_REASON } from './command.js';

const describe = ({ id, name, directories }: TenantView): string =>
  `${name}  ${id}  ${directories} ${directories === 1 ? 'directory' : 'directories'}`;

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
};
