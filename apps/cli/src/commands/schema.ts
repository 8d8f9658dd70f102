import { readFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { call, listAll } from '../admin-api.sender.js';
import type { AttributeView, SchemaView } from '../admin-views.js';
import { inTenant } from '../named.sender.js';
import { addCommand, AS_JSON, OF_TENANT, print, printAll, WITH_REASON, WrongUse } from './command.js';

interface Options {
  readonly tenant?: string;
  readonly json?: boolean;
}

const ANY_TENANT = ['--tenant <tenant>', 'name or id of the tenant (default: all)'] as const;

const describeAttribute = (
  { name, type, multiValued, description, subAttributes = [] }: AttributeView,
  indent = '  ',
): string =>
  [
    `${indent}${name}  ${type}${multiValued ? '[]' : ''}${description ? `  ${description}` : ''}`,
    ...subAttributes.map((part) => describeAttribute(part, `${indent}  `)),
  ].join('\n');

const describe = ({ resourceType, tenant, version, schema: { id, name, attributes } }: SchemaView): string =>
  [
    `${name}  ${id}  of ${resourceType}, version ${version}, tenant ${tenant}`,
    ...attributes.map((attribute) => describeAttribute(attribute)),
  ].join('\n');

const list = async (tenant: string | undefined): Promise<SchemaView[]> => listAll('schemas', await inTenant(tenant));

/** Throws WrongUse for what is no schema with a URN. */
const read = (file: string): { readonly id: string } => {
  let content: { id?: unknown } | null;
  try {
    content = JSON.parse(readFileSync(file, 'utf8')) as typeof content;
  } catch (error) {
    throw new WrongUse(`${file} cannot be read as JSON: ${(error as Error).message}.`, { cause: error });
  }
  if (typeof content?.id !== 'string')
    throw new WrongUse(`${file} names no URN: it needs an "id" such as urn:example:params:hr:1.0:User.`);
  return content as { id: string };
};

export const addSchema = (program: Command): void => {
  const schema = program.command('schema').description('attributes of its own that a tenant gives its users or groups');
  addCommand(schema, 'list', 'list all schemas', '')
    .option(...ANY_TENANT)
    .option(...AS_JSON)
    .action(async ({ tenant, json }: Options) => {
      printAll(json, await list(tenant), describe, '\n\n');
    });
  addCommand(
    schema,
    'show',
    'show one schema; as JSON it can be changed and defined again',
    'urn:example:params:hr:1.0:User --json > hr.json',
  )
    .argument('<urn>')
    .option(...ANY_TENANT)
    .option(...AS_JSON)
    .action(async (urn: string, { tenant, json }: Options) => {
      const found = (await list(tenant)).find(({ schema: { id } }) => id.toLowerCase() === urn.toLowerCase());
      if (!found)
        throw new Error(`There is no schema ${urn}. List those that there are: npm run -s cli -- schema list`);
      print(json, found.schema, describe(found));
    });
  addCommand(schema, 'define', 'make a schema, or add attributes to the one of its URN', 'hr.json --for User')
    .argument('<file.json>', 'a schema as /Schemas shows it (RFC 7643 §7)')
    .addOption(new Option('--for <type>', 'whose attributes they are').choices(['User', 'Group']).default('User'))
    .option(...OF_TENANT)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(
      async (file: string, { for: resourceType, tenant, reason, json }: Options & { for: string; reason?: string }) => {
        const content = read(file);
        const defined = await call<SchemaView>('PUT', `schemas/${encodeURIComponent(content.id)}`, {
          ...content,
          resourceType,
          reason,
          ...(await inTenant(tenant)),
        });
        print(json, defined.schema, describe(defined));
      },
    );
};
