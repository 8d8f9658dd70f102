import type { Command } from 'commander';
import { call } from '../admin-api.sender.js';
import { describeRequest, describeRequests, plain } from '../audit-log.js';
import type { DryReplayView, RequestView, SentReplayView, ShownRequestView } from '../audit-views.js';
import { A_TIME, filters, inTenantOrInstallation, paint, rowsIn, search } from './audit.js';
import { shownTime } from '../times.js';
import { addCommand, AND_YES, AS_JSON, confirm, print, WITH_REASON } from './command.js';
import { describeDryRun } from './dry-run.js';

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
    .option(
      '--installation',
      'of the installation itself: those with a wrong token or key, of which nobody knows the directory',
    )
    .option('--limit <number>', 'so many at most', rowsIn, DEFAULT_ROWS)
    .option(...AS_JSON)
    .action(
      async ({
        tenant,
        installation,
        limit,
        json,
        ...rest
      }: { tenant?: string; installation?: boolean; limit: number; json?: boolean } & Record<
        string,
        string | undefined
      >) => {
        const of = await inTenantOrInstallation({ tenant, installation });
        const found = await search<RequestView>('audit/requests', { ...of, ...filters(rest) }, limit);
        print(json, found, found.length === 0 ? '(none)' : describeRequests(found, paint));
      },
    );
  addCommand(
    request,
    'show',
    'show a request with its answer, what to do about it, and its body, in which secrets are masked',
    '<id>',
  )
    .argument('<id>', 'as request list prints it')
    .option(...AS_JSON)
    .action(async (id: string, { json }: { json?: boolean }) => {
      const found = await call<ShownRequestView>('GET', `audit/requests/${encodeURIComponent(id)}`);
      print(json, found, describeRequest(found, paint));
    });
  addReplay(request);
};

interface ReplayOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly reason?: string;
  readonly json?: boolean;
}

const addReplay = (request: Command): void => {
  addCommand(
    request,
    'replay',
    'send a write that was refused once more, as the directory that sent it; it is recorded who did so',
    '<id> --dry-run\n  npm run -s cli -- request replay <id> --reason "The directory may create users now" --yes',
  )
    .argument('<id>', 'as request list prints it')
    .option('--dry-run', 'only say what would happen')
    .option(...AND_YES)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (id: string, { dryRun, yes, reason, json }: ReplayOptions) => {
      const path = `requests/${encodeURIComponent(id)}`;
      if (dryRun || (!yes && isAsked())) {
        const tried = await call<DryReplayView>('POST', `audit/${path}/dry-run`, {});
        if (dryRun) return print(json, tried, describeDryReplay(tried));
        console.error(describeDryReplay(tried));
        if (tried.refusal !== null) throw new Error('Nothing was sent.');
      }
      await confirm(`The request ${plain(id)} is sent again, as the directory that sent it.`, yes);
      const sent = await call<SentReplayView>('POST', `${path}/replay`, { reason });
      print(json, sent, describeSent(sent));
      // The directory would have been refused, too.
      if (sent.response.status >= 400) process.exitCode = 1;
    });
};

/** Tells whether somebody is there who can be asked, and so wants to see what would happen. */
const isAsked = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

const describeDryReplay = (tried: DryReplayView): string =>
  [
    describeDryRun(tried),
    ...(tried.later === null
      ? []
      : [
          `Note: it was written once more since, on ${shownTime(tried.later.at)} (request ${tried.later.id}). What that changed may be overwritten.`,
        ]),
    ...(tried.refusal === null ? [] : [`It is not sent again: ${plain(tried.refusal)}`]),
  ].join('\n');

const describeSent = ({ id, correlationId, response }: SentReplayView): string => {
  const { detail } = (response.body ?? {}) as { readonly detail?: unknown };
  return [
    response.status < 400
      ? `Done: ${response.status}.`
      : `Refused again: ${response.status}. ${plain(String(detail ?? ''))}`,
    `  request      ${id}`,
    `  correlation  ${plain(correlationId)}`,
  ].join('\n');
};
