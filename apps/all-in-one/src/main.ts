import '#first';
import { fileURLToPath } from 'node:url';
import { environmentWith, freePort, keptPostgres, readConfig, runSupervisor, RuntimeFile, startNode, urlHere, type Config } from '#runtime';

/** `npm start`: keeps the embedded Postgres and the server process running, and tells how to connect. */

interface Ready {
  readonly scimBaseUrl: string;
  readonly token: string | null;
  readonly name: string;
  readonly isNew: boolean;
}

const banner = ({ scimBaseUrl, token, name, isNew }: Ready, adminUrl: string): string => `
  Muster is ready.${isNew ? ` It made a first directory, "${name}".` : ''}

    SCIM base URL   ${scimBaseUrl}
    Token           ${token ?? '(none that is active: make one with npm run cli -- token create)'}
    Admin API       ${adminUrl}, for npm run cli

  In Microsoft Entra ID: Enterprise applications > your application > Provisioning > Automatic.
  Paste the SCIM base URL as "Tenant URL" and the token as "Secret Token", then press "Test Connection".
`;

/** On the port of the gateway, the admin API listens where the gateway does. */
const adminUrlOf = ({ HOST, PORT, ADMIN_HOST, ADMIN_PORT }: Config): string => urlHere(ADMIN_PORT === PORT ? HOST : ADMIN_HOST, ADMIN_PORT);

runSupervisor(async (supervisor) => {
  const config = readConfig(process.env);
  // Chosen here, so that a server that is started again is found where it was.
  for (const name of ['PORT', 'ADMIN_PORT'] as const) config[name] ||= await freePort();
  const runtime = new RuntimeFile(config, { url: urlHere(config.HOST, config.PORT), adminUrl: adminUrlOf(config) });
  const databaseUrl = config.DATABASE_URL ?? (await supervisor.keep(runtime.telling('postgres', keptPostgres(config.DATA_DIR)))).url;
  const environment = environmentWith({ PORT: String(config.PORT), ADMIN_PORT: String(config.ADMIN_PORT), DATABASE_URL: databaseUrl });
  let told = false;
  const onMessage = (message: unknown): void => {
    if (told) return;
    told = true;
    // Not before: a second start on this folder, which finds the port taken, leaves the file of the first one alone.
    runtime.tell(databaseUrl);
    console.log(banner((message as { ready: Ready }).ready, adminUrlOf(config)));
  };
  const start = (): ReturnType<typeof startNode> => startNode({ file: fileURLToPath(new URL('./server.js', import.meta.url)), environment, onMessage });
  await supervisor.keep(runtime.telling('server', { name: 'The server', start }));
});
