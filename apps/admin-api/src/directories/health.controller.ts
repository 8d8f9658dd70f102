import { Get, Param } from '@nestjs/common';
import {
  DIRECTORY_KINDS,
  DIRECTORY_STATUSES,
  EFFECTS,
  HEALTH_STATES,
  type Credential,
  type HealthFacts,
  type HealthReason,
} from '#contracts';
import { AuditNames } from '../audit/names.queries.js';
import { Bearers } from '../audit/bearers.queries.js';
import { FAILING_OBJECT, failingObject } from '../audit/failing-object.js';
import { Reads, type Reader } from '../audit/reader.guard.js';
import { Readings } from '../audit/readings.sender.js';
import type { FailingObject } from '../audit/report.js';
import { AskedRequests } from '../audit/requests.queries.js';
import { Clients, type ClientView } from '../clients/clients.queries.js';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Documented } from '../http/documented.js';
import { LEAST_ID } from '../http/pages.queries.js';
import { BOOLEAN, ID, listOf, MOMENT, nullable, NUMBER, objectOf, oneOf, TEXT } from '../http/shapes.js';
import { Directories, type DirectoryView } from './directories.queries.js';
import { FailingObjects, type StillFailing } from './failing.queries.js';
import {
  cyclesOf,
  healthView,
  type CredentialView,
  type CycleView,
  type ErrorRate,
  type HealthView,
  type LastRequest,
  type QuarantineView,
} from './health.js';
import { DirectoryRequests } from './health.queries.js';

const MAX_FAILING = 20;
const MAX_CLIENTS = 1_000;

/**
 * An object about which the last request was refused. The reason is null for a key without the scope `audit`, too,
 * because it quotes what was sent.
 */
interface StillFailingObject extends FailingObject {
  readonly action: string;
}

interface DirectoryHealth extends HealthView {
  /** The one that failed last comes first. */
  readonly failing: { readonly total: number; readonly items: readonly StillFailingObject[] };
}

const LAST = objectOf<LastRequest>({
  at: MOMENT,
  method: TEXT,
  resourceType: nullable(TEXT),
  status: NUMBER,
  scimType: nullable(TEXT),
  effect: nullable(oneOf([...EFFECTS, 'nothing'])),
});
const PERCENT = { type: 'number' };
const HEALTH = objectOf<DirectoryHealth>(
  {
    directory: objectOf<HealthView['directory']>({
      id: ID,
      tenant: ID,
      name: TEXT,
      kind: oneOf(DIRECTORY_KINDS),
      status: oneOf(DIRECTORY_STATUSES),
    }),
    at: MOMENT,
    state: oneOf(HEALTH_STATES),
    reasons: listOf(objectOf<HealthReason>({ state: oneOf(HEALTH_STATES), text: TEXT, command: nullable(TEXT) })),
    lastRequest: nullable(LAST),
    lastWrite: nullable(LAST),
    lastRead: nullable({ ...MOMENT, description: 'To a minute.' }),
    cycles: listOf(
      objectOf<CycleView>(
        {
          start: MOMENT,
          end: MOMENT,
          isRunning: BOOLEAN,
          requests: NUMBER,
          reads: NUMBER,
          created: NUMBER,
          changed: NUMBER,
          deleted: NUMBER,
          unchanged: NUMBER,
          refused: NUMBER,
        },
        'ProvisioningCycle',
      ),
    ),
    next: objectOf<HealthView['next']>({
      periodMinutes: nullable({ type: 'number' }),
      expectedAt: nullable(MOMENT),
      isLate: BOOLEAN,
      words: TEXT,
    }),
    silence: objectOf<HealthView['silence']>({ afterMinutes: nullable(NUMBER), since: nullable(MOMENT) }),
    errorRates: listOf(
      objectOf<ErrorRate>({
        of: oneOf(['last cycle', 'last hour', 'last 24 hours']),
        requests: NUMBER,
        failed: NUMBER,
        percent: PERCENT,
        answers: listOf(
          objectOf<ErrorRate['answers'][number]>({ status: NUMBER, scimType: nullable(TEXT), count: NUMBER }),
        ),
      }),
    ),
    quarantine: nullable(
      objectOf<QuarantineView>({
        state: oneOf(['far', 'near', 'likely']),
        failures: NUMBER,
        fromFailures: NUMBER,
        percent: PERCENT,
        since: nullable(MOMENT),
        nextTry: nullable(MOMENT),
        disabledAt: nullable(MOMENT),
        words: TEXT,
      }),
    ),
    credentials: listOf(
      objectOf<CredentialView>({
        kind: oneOf(['token', 'client secret', 'federated client', 'token of Entra']),
        id: nullable(ID),
        name: TEXT,
        isActive: BOOLEAN,
        expiresAt: nullable(MOMENT),
        days: nullable(NUMBER),
      }),
    ),
    failing: objectOf<DirectoryHealth['failing']>({
      total: NUMBER,
      items: listOf(objectOf<StillFailingObject>({ ...FAILING_OBJECT, action: TEXT })),
    }),
  },
  'DirectoryHealth',
);

const ACTIONS: Readonly<Record<string, string>> = { POST: 'create', DELETE: 'delete' };

/** Tells whether provisioning is alive. */
@AdminController('directories')
export class DirectoryHealthController {
  constructor(
    private readonly directories: Directories,
    private readonly clients: Clients,
    private readonly seen: DirectoryRequests,
    private readonly stillFailing: FailingObjects,
    private readonly requests: AskedRequests,
    private readonly names: AuditNames,
    private readonly bearers: Bearers,
    private readonly readings: Readings,
  ) {}

  @Get(':id/health')
  @Needs('read')
  @Documented({
    summary: 'Say whether provisioning is alive: last requests, cycles, error rates, what fails, quarantine, expiry',
    description:
      '`id` may be `first`. `state` is the worst of `reasons`. Names of people who never came to be, and reasons, which quote what was sent, are for keys that have the scope `audit`, too: that these were shown is an entry of the audit log. Silence counts from the last request; `silentAfterMinutes` of the directory says when it is an alarm.',
    answer: HEALTH,
  })
  async health(@Param('id') id: string, @Reads() reader: Reader): Promise<DirectoryHealth> {
    const directory = await this.directories.show(id === 'first' ? undefined : id);
    reader.concerns?.(directory.tenant);
    const nowMs = Date.now();
    const [minutes, lastRequest, lastWrite, lastReadMs, unrecorded, failing, clients, refused] = await Promise.all([
      this.seen.minutes(directory, nowMs),
      this.seen.last(directory, false),
      this.seen.last(directory, true),
      this.seen.lastRead(directory),
      this.seen.unrecorded(directory.tenant, nowMs),
      this.stillFailing.of(directory, nowMs),
      this.clients.page(directory.id, LEAST_ID, MAX_CLIENTS),
      this.refused(directory.id),
    ]);
    const cycles = cyclesOf(directory.kind, minutes, nowMs);
    const objects = failing.flatMap(({ object }) => object ?? []);
    const { managed, ofObjects } =
      failing.length > 0 ? await this.seen.managed(directory, objects) : { managed: 0, ofObjects: 0 };
    const { tenant, name, kind, status } = directory;
    const view = healthView(
      {
        directory: { id: directory.id, tenant, name, kind, status },
        silentAfterMinutes: directory.settings.silentAfterMinutes,
        cycles,
        answers: await this.seen.answers(directory, cycles.at(-1)?.startMs ?? null, nowMs),
        lastRequest,
        lastWrite,
        lastReadMs,
        lastUses: [...directory.tokens, ...clients].map(({ lastUsedAt }) => lastUsedAt),
        refused,
        credentials: credentialsOf(directory, clients),
        unrecorded,
        failing: failing.length,
        managed,
        unmanaged: failing.length - ofObjects,
      },
      nowMs,
    );
    const items = await this.failing(directory, failing.slice(0, MAX_FAILING), reader);
    return { ...view, failing: { total: failing.length, items } };
  }

  /** The newest refused authentication, unless one was accepted later; SCIM tokens leave no trace. */
  private async refused(directory: string): Promise<HealthFacts['refused']> {
    const [newest] = await this.clients.authentications(directory);
    if (!newest || newest.accepted) return null;
    const failed = newest.checks.find(({ passed }) => !passed);
    return {
      atMs: Date.parse(newest.at),
      why: failed
        ? `${newest.method}: ${failed.check}, expected ${failed.expected}, received ${failed.received}.`
        : `${newest.method}.`,
    };
  }

  private async failing(
    { id, tenant }: DirectoryView,
    failing: readonly StillFailing[],
    reader: Reader,
  ): Promise<readonly StillFailingObject[]> {
    if (failing.length === 0) return [];
    const maySee = reader.key.scopes.includes('audit');
    if (maySee) await this.readings.record(reader, tenant, 'health', { directory: id });
    const rows = await this.requests.byIds(
      tenant,
      failing.map(({ last }) => last),
    );
    const names = await this.names.of(
      tenant,
      [...rows.values()].map(({ object }) => object),
    );
    const bearerOf = await this.bearers.named(tenant, [...rows.values()]);
    return failing.flatMap(({ count, first, last }) => {
      const row = rows.get(last);
      // It may be deleted meanwhile, because it is old enough.
      if (!row) return [];
      const shown = maySee ? row : { ...row, name: null };
      const one = failingObject({ count, first, last: shown }, names, bearerOf);
      return [{ ...one, reason: maySee ? one.reason : null, action: ACTIONS[row.method] ?? 'update' }];
    });
  }
}

/** Everything that lets the identity provider in, or did. */
const credentialsOf = (
  { tokens, kind, settings, status }: DirectoryView,
  clients: readonly ClientView[],
): readonly Credential[] => [
  ...tokens.flatMap((token): Credential[] =>
    token.status === 'revoked'
      ? []
      : [
          {
            kind: 'token',
            id: token.id,
            name: token.description,
            isActive: token.status === 'active',
            expiresMs: token.expiresAt === null ? null : Date.parse(token.expiresAt),
          },
        ],
  ),
  ...clients.flatMap(({ id, name, federation, secrets, status: ofClient }): Credential[] =>
    ofClient !== 'active'
      ? []
      : federation
        ? [{ kind: 'federated client', id, name, isActive: true, expiresMs: null }]
        : secrets.map((secret) => ({
            kind: 'client secret',
            id,
            name,
            isActive: secret.status === 'active',
            expiresMs: secret.expiresAt === null ? null : Date.parse(secret.expiresAt),
          })),
  ),
  ...(kind === 'entra' && settings.entraTenantId !== '' && status !== 'disconnected'
    ? [
        {
          kind: 'token of Entra' as const,
          id: null,
          name: `of the tenant ${settings.entraTenantId}`,
          isActive: true,
          expiresMs: null,
        },
      ]
    : []),
];
