import '#first';
import { fileURLToPath } from 'node:url';
import { freePort, keptPostgres, runSupervisor, RuntimeFile, startNode, urlHere, type Supervisor } from '#host';
import {
  environmentWith,
  isPerson,
  isTerminal,
  readConfig,
  refuseArguments,
  sayAsJson,
  VERSION,
  type Config,
} from '#runtime';
import { SHOW_TOKEN } from './show-token.js';

/** `npm start`: keeps the embedded Postgres and the server process running, and tells how to connect. */

interface Ready {
  readonly scimBaseUrl: string;
  readonly token: string | null;
  readonly name: string;
  readonly isNew: boolean;
}

const HELP = `npm start: everything in one process, with a Postgres of its own. Settings are environment variables: docs/configuration.md.

  ${SHOW_TOKEN}  also show the SCIM token of the first directory; in a terminal the first start shows it
  --version     show the version
  --help        show this
`;

/**
 * A token that a log holds is read by everybody who reads the log: it is shown to a person, once, or to those who ask
 * for it.
 */
const mayShowToken = (isNew: boolean): boolean => process.argv.includes(SHOW_TOKEN) || (isNew && isPerson());
const HOW_TO_GET_IT = 'npm run -s cli -- directory show';

const banner = ({ scimBaseUrl, token, name, isNew }: Ready, adminUrl: string): string => `
  Muster is ready.${isNew ? ` It made a first directory, "${name}".` : ''}

    Version         ${VERSION}
    SCIM base URL   ${scimBaseUrl}
    Token           ${token && mayShowToken(isNew) ? token : HOW_TO_GET_IT}
    Admin API       ${adminUrl}, for npm run cli; its page is ${adminUrl}/api/admin/v1/docs

  In Microsoft Entra ID: Enterprise applications > your application > Provisioning > Automatic.
  Paste the SCIM base URL as "Tenant URL" and the token as "Secret Token", then press "Test Connection".
  All steps: npm run -s cli -- directory guide${scimBaseUrl.startsWith('https:') ? '' : '\n  Entra comes over HTTPS: PUBLIC_URL is the address of the proxy that leads it here.'}
`;

/** On the port of the gateway, the admin API listens where the gateway does. */
const adminUrlOf = ({ HOST, PORT, ADMIN_HOST, ADMIN_PORT }: Config): string =>
  urlHere(ADMIN_PORT === PORT ? HOST : ADMIN_HOST, ADMIN_PORT);

const tellReady = (ready: Ready, adminUrl: string): void => {
  const { scimBaseUrl, token, name, isNew } = ready;
  if (isTerminal()) console.log(banner(ready, adminUrl));
  else
    sayAsJson('supervisor', 'info', 'Muster is ready.', {
      scimBaseUrl,
      adminUrl,
      directory: name,
      isNew,
      ...(mayShowToken(isNew) ? { token } : {}),
    });
};

const keepRunning = async (supervisor: Supervisor): Promise<void> => {
  const config = readConfig(process.env);
  // Chosen here, so that a server that is started again is found where it was.
  for (const name of ['PORT', 'ADMIN_PORT'] as const) config[name] ||= await freePort();
  const runtime = new RuntimeFile(config, { url: urlHere(config.HOST, config.PORT), adminUrl: adminUrlOf(config) });
  const databaseUrl =
    config.DATABASE_URL ?? (await supervisor.keep(runtime.telling('postgres', keptPostgres(config.DATA_DIR)))).url;
  const environment = environmentWith({
    PORT: String(config.PORT),
    ADMIN_PORT: String(config.ADMIN_PORT),
    DATABASE_URL: databaseUrl,
  });
  let told = false;
  const onMessage = (message: unknown): void => {
    if (told) return;
    told = true;
    // Not before: a second start on this folder, which finds the port taken, leaves the file of the first one alone.
    runtime.tell(databaseUrl);
    tellReady((message as { ready: Ready }).ready, adminUrlOf(config));
  };
  const start = (): ReturnType<typeof startNode> =>
    startNode({
      file: fileURLToPath(new URL('./server.js', import.meta.url)),
      // A server that is started again would record that the token was shown once more.
      args: told ? [] : process.argv.filter((argument) => argument === SHOW_TOKEN),
      environment,
      onMessage,
    });
  await supervisor.keep(runtime.telling('server', { name: 'The server', start }));
};

refuseArguments(HELP, [SHOW_TOKEN]);
// Some of the owners and faces are this process: there is no Postgres of theirs to keep, and a container restarts them.
if (process.env.RUN) await import('./server.js');
else runSupervisor(keepRunning);
