import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';

/** `npm run cli`: speaks HTTP only. MUSTER_URL and MUSTER_API_KEY override what the running installation wrote to DATA_DIR. */

interface DirectoryView {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly scimBaseUrl: string;
  readonly token: string | null;
  readonly tokens: readonly { readonly id: string; readonly description: string; readonly status: string; readonly expiresAt: string | null }[];
}

const findServer = (): { url: string; apiKey: string } => {
  const { MUSTER_URL, MUSTER_API_KEY, DATA_DIR = './.data' } = process.env;
  if (MUSTER_URL && MUSTER_API_KEY) return { url: MUSTER_URL, apiKey: MUSTER_API_KEY };
  const path = join(DATA_DIR, 'runtime.json');
  try {
    const { adminUrl, apiKey } = JSON.parse(readFileSync(path, 'utf8')) as { adminUrl: string; apiKey: string };
    return { url: MUSTER_URL ?? adminUrl, apiKey: MUSTER_API_KEY ?? apiKey };
  } catch {
    throw new Error(`Muster does not seem to run: ${path} cannot be read. Start it with npm start, or set MUSTER_URL and MUSTER_API_KEY.`);
  }
};

const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
  const { url, apiKey } = findServer();
  let response: Response;
  try {
    response = await fetch(new URL(`/api/admin/${path}`, url), {
      method, signal: AbortSignal.timeout(15_000),
      headers: { authorization: `Bearer ${apiKey}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  } catch {
    throw new Error(`Muster does not answer at ${url}. Start it with npm start.`);
  }
  const text = await response.text();
  if (!response.ok) throw new Error(JSON.parse(text || '{}').detail ?? `Muster answered ${response.status}.`);
  return (text ? JSON.parse(text) : undefined) as T;
};

const print = (json: boolean | undefined, value: unknown, text: string): void => console.log(json ? JSON.stringify(value) : text);

const describe = (directory: DirectoryView): string =>
  [
    `${directory.name} (${directory.kind})  ${directory.id}`, `  SCIM base URL  ${directory.scimBaseUrl}`,
    `  Token          ${directory.token ?? '(none that is active)'}`,
    ...directory.tokens.map(({ id, status, expiresAt, description }) => `  ${id}  ${status}${expiresAt ? `, expires ${expiresAt}` : ''}  ${description}`),
  ].join('\n');

const program = new Command('muster').description('Directories and tokens of a running Muster');
const directory = program.command('directory').description('connections to identity providers');
directory.command('list').description('list all').option('--json', 'as JSON').action(async ({ json }: { json?: boolean }) => {
  const all = await call<DirectoryView[]>('GET', 'directories');
  print(json, all, all.map(describe).join('\n\n'));
});
directory.command('show').description('SCIM base URL and token of one directory; the first without an id').argument('[id]').option('--json', 'as JSON')
  .action(async (id: string | undefined, { json }: { json?: boolean }) => {
    const found = await call<DirectoryView>('GET', `directories/${encodeURIComponent(id ?? 'first')}`);
    print(json, { scimBaseUrl: found.scimBaseUrl, token: found.token }, describe(found));
  });
directory.command('create').description('make a directory and its first token').argument('<name>').option('--kind <kind>', 'entra, okta or scim', 'entra')
  .option('--json', 'as JSON').action(async (name: string, { kind, json }: { kind: string; json?: boolean }) => {
    const made = await call<DirectoryView>('POST', 'directories', { name, kind });
    print(json, made, describe(made));
  });
const token = program.command('token').description('SCIM bearer tokens of a directory');
token.command('create').description('make a token').argument('[directory]', 'id; the first directory without one')
  .option('--description <text>', 'what it is for', '').option('--expires-at <time>', 'ISO 8601').option('--json', 'as JSON')
  .action(async (id: string | undefined, options: { description: string; expiresAt?: string; json?: boolean }) => {
    const target = id ?? (await call<DirectoryView>('GET', 'directories/first') as DirectoryView & { id: string }).id;
    const made = await call<{ id: string; token: string }>('POST', `directories/${encodeURIComponent(target)}/tokens`, {
      description: options.description, ...(options.expiresAt ? { expiresAt: options.expiresAt } : {}),
    });
    print(options.json, made, `${made.id}\n${made.token}`);
  });
token.command('revoke').description('make a token useless, within a second').argument('<id>').action(async (id: string) => {
  await call('DELETE', `tokens/${encodeURIComponent(id)}`);
  console.log(`Token ${id} is revoked.`);
});

program.parseAsync().catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
