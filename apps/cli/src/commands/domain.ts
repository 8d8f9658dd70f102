import type { Command } from 'commander';
import { call, listAll } from '../admin-api.sender.js';
import type { DomainView } from '../admin-views.js';
import { domainOf, inTenant } from '../named.sender.js';
import { addCommand, AND_YES, AS_JSON, confirm, OF_TENANT, print, printAll, WITH_REASON } from './command.js';

interface Options {
  readonly tenant?: string;
  readonly reason?: string;
  readonly json?: boolean;
}

const ANY_TENANT = ['--tenant <tenant>', 'name or id of the tenant (default: all)'] as const;
const A_DOMAIN = ['<domain>', 'name or id of the domain'] as const;

const describe = ({ id, name, status, verifiedBy, record }: DomainView): string =>
  [
    `${name}  ${id}  ${status}${verifiedBy === null ? '' : ` by ${verifiedBy}`}`,
    ...(verifiedBy === null ? [`  ${record.type} record  ${record.name}  ${record.value}`] : []),
  ].join('\n');

export const addDomain = (program: Command): void => {
  const domain = program
    .command('domain')
    .description('e-mail domains of a tenant: only by an e-mail of a verified one a person is found');
  addCommand(domain, 'list', 'list all domains', '')
    .option(...ANY_TENANT)
    .option(...AS_JSON)
    .action(async ({ tenant, json }: Options) => {
      printAll(json, await listAll<DomainView>('domains', await inTenant(tenant)), describe);
    });
  addCommand(domain, 'add', 'add a domain, and show the DNS record that verifies it', 'example.org --tenant Contoso')
    .argument('<name>', 'the domain as it stands behind the @ of an e-mail')
    .option(...OF_TENANT)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (name: string, { tenant, reason, json }: Options) => {
      const made = await call<DomainView>('POST', 'domains', { name, ...(await inTenant(tenant)), reason });
      print(
        json,
        made,
        `${describe(made)}\nNext: add the record to the DNS of ${made.name}, then: npm run -s cli -- domain verify ${made.id}`,
      );
    });
  for (const [name, does] of [
    ['verify', 'look for the DNS record of a domain'],
    ['confirm', 'say that a domain is the tenant’s, where DNS cannot be asked'],
  ] as const) {
    addCommand(domain, name, does, 'example.org')
      .argument(...A_DOMAIN)
      .option(...ANY_TENANT)
      .option(...WITH_REASON)
      .option(...AS_JSON)
      .action(async (given: string, { tenant, json, ...rest }: Options) => {
        const changed = await call<DomainView>('POST', `domains/${await domainOf(given, tenant)}/${name}`, rest);
        print(json, changed, describe(changed));
      });
  }
  addCommand(domain, 'remove', 'remove a domain; people are no longer found by its e-mails', 'example.org --yes')
    .argument(...A_DOMAIN)
    .option(...ANY_TENANT)
    .option(...WITH_REASON)
    .option(...AND_YES)
    .option(...AS_JSON)
    .action(async (given: string, { tenant, reason, yes, json }: Options & { yes?: boolean }) => {
      const id = await domainOf(given, tenant);
      await confirm(`The domain ${given} will be removed, and no match by its e-mails will be made.`, yes);
      await call('DELETE', `domains/${id}`, { reason });
      print(json, { id, status: 'removed' }, `The domain ${given} is removed.`);
    });
};
