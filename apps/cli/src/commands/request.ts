import type { Command } from 'commander';
import { call } from '../admin-api.sender.js';
import { describeRequest, describeRequests } from '../audit-log.js';
import type { RequestView, ShownRequestView } from '../audit-views.js';
import { inTenant } from '../named.sender.js';
import { A_TIME, filters, paint, rowsIn, search } from './audit.js';
import { addCommand, AS_JSON, print } from './command.js';

const DEFAULT_ROWS = 20;

export const addRequest = (program: Command): void => {
  const request = program
    .command('request')
    .description('writes, and requests that were refused: what was asked, and what the answer was');
  addCommand(
    request,
    'list',
    'list requests, the newest first',
    '--failed --since 24h\n  npm run -s cli -- request list --failed --json',
  )
    .option('--failed', 'only those that were refused')
    .option('--directory <directory>', 'name or id of the directory that sent them')
    .option('--object <id>', 'about this user or group')
    .option('--name <name>', 'whose body has this userName or displayName')
    .option('--status <number>', 'with this status, such as 409')
    .option('--correlation <id>', 'the X-Request-Id of the answer')
    .option('--since <time>', `not before: ${A_TIME}`)
    .option('--until <time>', 'before: a time like that')
    .option('--tenant <tenant>', 'name or id of the tenant (default: that of the directory, or the first one)')
    .option('--limit <number>', 'so many at most', rowsIn, DEFAULT_ROWS)
    .option(...AS_JSON)
    .action(
      async ({
        tenant,
        limit,
        json,
        ...rest
      }: { tenant?: string; limit: number; json?: boolean } & Record<string, string | undefined>) => {
        const found = await search<RequestView>(
          'audit/requests',
          { ...(await inTenant(tenant)), ...filters(rest) },
          limit,
        );
        print(json, found, found.length === 0 ? '(none)' : describeRequests(found, paint));
      },
    );
  addCommand(request, 'show', 'show a request with its body, in which secrets are masked', '<id>')
    .argument('<id>', 'as request list prints it')
    .option(...AS_JSON)
    .action(async (id: string, { json }: { json?: boolean }) => {
      const found = await call<ShownRequestView>('GET', `audit/requests/${encodeURIComponent(id)}`);
      print(json, found, describeRequest(found, paint));
    });
};
