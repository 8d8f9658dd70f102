import type { Command } from 'commander';
import { call, listAll } from '../admin-api.sender.js';
import type { AuthenticationView, ClientView, DirectoryView } from '../admin-views.js';
import { directoryOf } from '../named.sender.js';
import { addCommand, AND_YES, AS_JSON, confirm, lastUse, print, printAll, WITH_REASON, WrongUse } from './command.js';

type NewClient = ClientView & { readonly secret: string | null };

interface Options {
  readonly directory?: string;
  readonly reason?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}
interface SecretOptions extends Options {
  readonly description: string;
  readonly expiresAt?: string;
}
interface CreateOptions extends SecretOptions {
  readonly issuer?: string;
  readonly subject?: string;
  readonly audience?: readonly string[];
  readonly jwksUri?: string;
}

const IN_DIRECTORY = ['--directory <directory>', 'name or id of the directory (default: the first one)'] as const;
const DESCRIPTION = ['--description <text>', 'what the secret is for', ''] as const;
const EXPIRES_AT = [
  '--expires-at <time>',
  'a moment with its zone, such as 2030-01-31T00:00:00Z, at which the secret ends (default: never)',
] as const;
const SHOWN_ONCE = 'It is shown now and never again.';

const describe = ({ id, name, status, lastUsedAt, federation, secrets }: ClientView): string =>
  [
    `${name}  ${id}  ${status}, ${lastUse(lastUsedAt)}`,
    ...(federation
      ? [
          `  issuer    ${federation.issuer}`,
          `  subject   ${federation.subject}`,
          ...federation.audiences.map((audience) => `  audience  ${audience}`),
          ...(federation.jwksUri === null ? [] : [`  keys      ${federation.jwksUri}`]),
        ]
      : []),
    ...secrets.map(
      (secret) =>
        `  secret ${secret.id}  ${secret.status}${secret.expiresAt ? `, expires ${secret.expiresAt}` : ''}  ${secret.description}`,
    ),
  ].join('\n');

/** The token of another issuer that proves who the client is; undefined = a secret does. */
const federationIn = ({ issuer, subject, audience, jwksUri }: CreateOptions): object | undefined => {
  const given = [issuer, subject, audience].filter((value) => value !== undefined);
  if (given.length === 0 && jwksUri === undefined) return undefined;
  if (given.length < 3) throw new WrongUse('A client without a secret needs --issuer, --subject and --audience.');
  return { issuer, subject, audiences: audience, ...(jwksUri === undefined ? {} : { jwksUri }) };
};

const pathOf = (directory: string, ...more: readonly string[]): string =>
  ['directories', directory, 'clients', ...more].map(encodeURIComponent).join('/');

export const addClient = (program: Command): void => {
  const client = program
    .command('client')
    .description('OAuth clients of a directory, which get access tokens for SCIM');
  addCommand(
    client,
    'create',
    'make a client with a secret, or with --issuer one that another issuer vouches for',
    'Entra --expires-at 2027-12-31T00:00:00Z',
  )
    .argument('<name>')
    .option(...IN_DIRECTORY)
    .option(...DESCRIPTION)
    .option(...EXPIRES_AT)
    .option('--issuer <url>', 'the issuer of its tokens, such as https://login.microsoftonline.com/<tenant id>/v2.0')
    .option('--subject <text>', 'their subject (sub), exactly')
    .option(
      '--audience <text>',
      'their audience (aud), exactly; repeat the option for several',
      (value, before: string[] = []) => [...before, value],
    )
    .option('--jwks-uri <url>', "the issuer's keys (default: its discovery document says where they are)")
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (name: string, options: CreateOptions) => {
      const { directory, description, expiresAt, reason, json } = options;
      const federation = federationIn(options);
      const id = await directoryOf(directory);
      const made = await call<NewClient>('POST', pathOf(id), { name, description, expiresAt, federation, reason });
      const { tokenEndpoint, issuer } = await call<DirectoryView>('GET', `directories/${id}`);
      const text = [
        `  Token endpoint  ${tokenEndpoint}`,
        `  Client id       ${made.id}`,
        ...(made.secret === null ? [] : [`  Client secret   ${made.secret}   ${SHOWN_ONCE}`]),
        '  Scope           scim',
      ];
      print(json, { ...made, tokenEndpoint, issuer }, text.join('\n'));
    });
  addCommand(client, 'list', 'list the clients of a directory', '--json')
    .option(...IN_DIRECTORY)
    .option(...AS_JSON)
    .action(async ({ directory, json }: Options) => {
      printAll(json, await listAll<ClientView>(pathOf(await directoryOf(directory))), describe);
    });
  addCommand(client, 'show', 'show a client and what its secrets are', 'Entra')
    .argument('<client>', 'name or id of the client')
    .option(...IN_DIRECTORY)
    .option(...AS_JSON)
    .action(async (which: string, { directory, json }: Options) => {
      const found = await call<ClientView>('GET', pathOf(await directoryOf(directory), which));
      print(json, found, describe(found));
    });
  addCommand(client, 'revoke', 'make a client and its access tokens useless, within a second', 'Entra --yes')
    .argument('<client>', 'name or id of the client')
    .option(...IN_DIRECTORY)
    .option(...WITH_REASON)
    .option(...AND_YES)
    .option(...AS_JSON)
    .action(async (which: string, { directory, reason, yes, json }: Options) => {
      await confirm(`The client ${which} and its access tokens will be useless, for good.`, yes);
      const id = await directoryOf(directory);
      const found = await call<ClientView>('GET', pathOf(id, which));
      await call('DELETE', pathOf(id, found.id), { reason });
      print(json, { id: found.id, status: 'revoked' }, `The client ${found.name} is revoked.`);
    });
  addCommand(client, 'add-secret', 'make another secret, so that one can follow the other without a gap', 'Entra')
    .argument('<client>', 'name or id of the client')
    .option(...IN_DIRECTORY)
    .option(...DESCRIPTION)
    .option(...EXPIRES_AT)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (which: string, { directory, json, ...rest }: SecretOptions) => {
      const path = pathOf(await directoryOf(directory), which, 'secrets');
      const made = await call<{ id: string; secret: string }>('POST', path, rest);
      print(json, made, `${made.id}\n${made.secret}   ${SHOWN_ONCE}`);
    });
  addCommand(
    client,
    'remove-secret',
    'make one secret of a client useless',
    'Entra 01980000-0000-7000-8000-00000000000a --yes',
  )
    .argument('<client>', 'name or id of the client')
    .argument('<secret>', 'id of the secret, as client show lists it')
    .option(...IN_DIRECTORY)
    .option(...WITH_REASON)
    .option(...AND_YES)
    .option(...AS_JSON)
    .action(async (which: string, secret: string, { directory, reason, yes, json }: Options) => {
      await confirm(`The secret ${secret} will be useless, for good.`, yes);
      await call('DELETE', pathOf(await directoryOf(directory), which, 'secrets', secret), { reason });
      print(json, { id: secret, status: 'removed' }, `The secret ${secret} is removed.`);
    });
};

const describeTrace = ({ accepted, at, method, client, checks }: AuthenticationView): string => {
  const width = Math.max(...checks.map(({ check }) => check.length), 0);
  return [
    `${accepted ? 'Accepted' : 'REFUSED'} at ${at}, by ${method}${client === null ? '' : `, client ${client}`}`,
    ...checks.flatMap(({ check, expected, received, passed }) => [
      `  ${passed ? 'ok  ' : 'FAIL'}  ${check.padEnd(width)}  received  ${received}`,
      ...(passed ? [] : [`        ${''.padEnd(width)}  expected  ${expected}`]),
    ]),
  ].join('\n');
};

/** `directory trace-auth`: it is a command of the noun directory, and shows what the tokens of its clients were. */
export const addTraceAuth = (directory: Command): void => {
  addCommand(
    directory,
    'trace-auth',
    'show the last accepted and the last refused authentication of an OAuth client, or by a token of Entra: what was expected, and what came; SCIM tokens leave no trace, their use is in token list',
    '<id>',
  )
    .argument('[id]', 'name or id of the directory (default: the first one)')
    .option(...AS_JSON)
    .action(async (id: string | undefined, { json }: { json?: boolean }) => {
      const path = `directories/${await directoryOf(id)}/authentications`;
      printAll(json, await listAll<AuthenticationView>(path), describeTrace, '\n\n');
    });
};
