import { Module, type DynamicModule } from '@nestjs/common';
import { LastUses, type FaceDefinition, type FaceTools } from '#owner';
import { Pace, WrongCredentials } from '#runtime';
import { Entries } from './audit/entries.queries.js';
import { EntriesController } from './audit/entries.controller.js';
import { ExportsController } from './audit/exports.controller.js';
import { Exports } from './audit/exports.queries.js';
import { Histories } from './audit/histories.queries.js';
import { HistoriesController } from './audit/histories.controller.js';
import { LogsController } from './audit/logs.controller.js';
import { Logs } from './audit/logs.queries.js';
import { EntryClients } from './audit/entry-clients.queries.js';
import { Bearers } from './audit/bearers.queries.js';
import { AuditNames } from './audit/names.queries.js';
import { People } from './audit/people.queries.js';
import { PersonKeys } from './audit/person-values.queries.js';
import { Readings } from './audit/readings.sender.js';
import { Replays } from './audit/replays.queries.js';
import { AskedRequests } from './audit/requests.queries.js';
import { ReportController } from './audit/report.controller.js';
import { Reports } from './audit/report.queries.js';
import { RequestsController } from './audit/requests.controller.js';
import { Streams } from './audit/streams.queries.js';
import { Totals } from './audit/totals.queries.js';
import { RunningExports } from './audit/running-exports.guard.js';
import { Where } from './audit/where.queries.js';
import { ClientsController } from './clients/clients.controller.js';
import { Clients } from './clients/clients.queries.js';
import { ChangedClients } from './clients/clients.sender.js';
import { DirectoriesController } from './directories/directories.controller.js';
import { RolePreviewsController } from './directories/role-previews.controller.js';
import { RolePreviews } from './directories/role-previews.queries.js';
import { DryRunsController } from './directories/dry-runs.controller.js';
import { DirectoryDryRuns } from './directories/dry-runs.sender.js';
import { Directories } from './directories/directories.queries.js';
import { FailingObjects } from './directories/failing.queries.js';
import { DirectoryHealthController } from './directories/health.controller.js';
import { DirectoryRequests } from './directories/health.queries.js';
import { ChangedDirectories } from './directories/directories.sender.js';
import { DomainsController } from './domains/domains.controller.js';
import { Domains } from './domains/domains.queries.js';
import { ChangedDomains } from './domains/domains.sender.js';
import { StreamEventsController } from './events/stream-events.controller.js';
import { StreamEvents } from './events/stream-events.queries.js';
import { GroupsAdminController } from './groups/groups.controller.js';
import { Groups } from './groups/groups.queries.js';
import { RoleGroups } from './groups/role-groups.queries.js';
import { LocalGroups } from './groups/groups.sender.js';
import { ApiKeyGuard, requireApiKeyFirst } from './http/api-key.guard.js';
import { ADMIN_PAGE, AUDIT_PAGE, serveApiPage } from './http/api-page.controller.js';
import { Commands, untilOwnersAnswer } from './http/commands.sender.js';
import { OneAtATime } from './http/one-at-a-time.guard.js';
import { takeJson } from './http/json-body.guard.js';
import { OneTenant } from './http/one-tenant.queries.js';
import { Pages } from './http/pages.queries.js';
import { Repeats } from './http/repeats.queries.js';
import { describeAdmin } from './http/told-requests.guard.js';
import { Problems } from './http/problem.filter.js';
import {
  BOOTSTRAP_KEY,
  CURSOR_SEAL,
  DNS_SERVERS,
  DRY_RUNS,
  MASTER_SEAL,
  OWNER_REQUESTS,
  OWNERS_SENT_TO,
  POOL,
  REPLAYS,
  REQUEST_KEEP_DAYS,
  SCIM_BASE_URL,
  SIGN_IN_URL,
  TOKEN_SEAL,
} from './injected.js';
import { KeysController } from './keys/keys.controller.js';
import { Keys } from './keys/keys.queries.js';
import { ChangedKeys } from './keys/keys.sender.js';
import { KnownKeys } from './keys/known-keys.queries.js';
import { DryReplaysController, ReplaysController } from './requests/replays.controller.js';
import { SentAgain } from './requests/replays.sender.js';
import { SchemasController } from './schemas/schemas.controller.js';
import { Schemas } from './schemas/schemas.queries.js';
import { DefinedSchemas } from './schemas/schemas.sender.js';
import { TenantsController } from './tenants/tenants.controller.js';
import { Tenants } from './tenants/tenants.queries.js';
import { ChangedTenants } from './tenants/tenants.sender.js';
import { TokensController } from './tokens/tokens.controller.js';
import { ListedTokens } from './tokens/tokens.queries.js';
import { Tokens } from './tokens/tokens.sender.js';
import { UserAttributesController } from './users/user-attributes.controller.js';
import { UserLinksController } from './users/user-links.controller.js';
import { UserLinks } from './users/user-links.sender.js';
import { UsersController } from './users/users.controller.js';
import { Users } from './users/users.queries.js';

/** The routes, which docs/openapi.json is made of. */
export const CONTROLLERS = [
  KeysController,
  TenantsController,
  DirectoriesController,
  DirectoryHealthController,
  DryRunsController,
  RolePreviewsController,
  TokensController,
  ClientsController,
  DomainsController,
  SchemasController,
  StreamEventsController,
  UsersController,
  UserLinksController,
  UserAttributesController,
  GroupsAdminController,
  ReplaysController,
] as const;

/** Those of the auditors' API, which docs/audit-openapi.json is made of. */
export const AUDIT_CONTROLLERS = [
  EntriesController,
  HistoriesController,
  RequestsController,
  DryReplaysController,
  LogsController,
  ExportsController,
  ReportController,
] as const;

/** HTTP for administrators: reads what owners publish, sends them commands, and holds no state. */
@Module({})
export class AdminApiModule {
  static register({
    config,
    pool,
    pace,
    requests,
    masterSeal,
    apiKey,
    seal,
    dryRuns,
    replays,
  }: FaceTools): DynamicModule {
    return {
      module: AdminApiModule,
      controllers: [...CONTROLLERS, ...AUDIT_CONTROLLERS],
      providers: [
        Commands,
        Tenants,
        ChangedTenants,
        OneAtATime,
        ListedTokens,
        Domains,
        ChangedDomains,
        Directories,
        DirectoryRequests,
        FailingObjects,
        ChangedDirectories,
        DirectoryDryRuns,
        RolePreviews,
        Tokens,
        Clients,
        ChangedClients,
        Schemas,
        DefinedSchemas,
        StreamEvents,
        Users,
        UserLinks,
        Groups,
        LocalGroups,
        RoleGroups,
        ApiKeyGuard,
        KnownKeys,
        Keys,
        ChangedKeys,
        OneTenant,
        Pages,
        Repeats,
        Entries,
        Exports,
        Logs,
        Histories,
        Streams,
        AuditNames,
        Bearers,
        EntryClients,
        People,
        PersonKeys,
        AskedRequests,
        Replays,
        SentAgain,
        Reports,
        Totals,
        Readings,
        RunningExports,
        Where,
        { provide: POOL, useValue: pool },
        { provide: Pace, useValue: pace },
        { provide: DRY_RUNS, useValue: dryRuns },
        { provide: REPLAYS, useValue: replays },
        { provide: REQUEST_KEEP_DAYS, useValue: config.REQUEST_KEEP_DAYS },
        { provide: OWNER_REQUESTS, useValue: requests },
        { provide: TOKEN_SEAL, useValue: masterSeal() },
        { provide: MASTER_SEAL, useValue: masterSeal() },
        { provide: CURSOR_SEAL, useValue: seal('cursor') },
        { provide: BOOTSTRAP_KEY, useValue: apiKey() },
        { provide: OWNERS_SENT_TO, useValue: adminApi.sendsTo },
        { provide: LastUses, useValue: new LastUses(pool) },
        { provide: WrongCredentials, useValue: new WrongCredentials(config.MAX_WRONG_CREDENTIALS_PER_MINUTE) },
        { provide: SIGN_IN_URL, useValue: config.signInUrl },
        { provide: DNS_SERVERS, useValue: config.dnsServers },
        { provide: SCIM_BASE_URL, useValue: config.scimBaseUrl },
      ],
      exports: [ChangedDirectories, Tokens],
    };
  }
}

/** For administrators. Its commands are few among many: it looks their outcomes up. */
export const adminApi: FaceDefinition = {
  name: 'admin-api',
  secrets: ['MASTER_KEY', 'MUSTER_API_KEY', 'MUSTER_CLI_KEY'],
  sendsTo: ['directory', 'identity', 'group', 'audit'],
  tells: 'audit',
  hears: [],
  asks: ['gateway'],
  replaysThrough: 'gateway',
  address: ({ ADMIN_HOST, ADMIN_PORT, HOST, PORT }) => ({
    host: ADMIN_PORT === PORT ? HOST : ADMIN_HOST,
    port: ADMIN_PORT,
  }),
  make: (tools) => ({
    module: AdminApiModule.register(tools),
    prepare: (app) => {
      const fastify = app.getHttpAdapter().getInstance();
      if (fastify.hasContentTypeParser('text/plain')) fastify.removeContentTypeParser('text/plain');
      takeJson(app);
      requireApiKeyFirst(app);
      for (const api of [ADMIN_PAGE, AUDIT_PAGE]) serveApiPage(app, api);
    },
    basePaths: ['/api/admin', '/api/audit'],
    told: { face: 'admin', describe: describeAdmin },
    errors: new Problems(tools.logger),
    begin: async (app) => {
      const commandLineKey = tools.commandLineKey();
      if (commandLineKey !== null) await untilOwnersAnswer(() => app.get(ChangedKeys).forCommandLine(commandLineKey));
      return untilOwnersAnswer(() => app.get(ChangedDirectories).firstStart());
    },
  }),
};
