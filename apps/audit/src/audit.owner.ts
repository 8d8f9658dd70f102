import { keySeal } from '#event-store';
import type { Job, OwnerDefinition, OwnerTools } from '#owner';
import type { Config } from '#runtime';
import { verifyAudit, type KeptCheckpoints } from './audit-verify.queries.js';
import { auditBehaviour } from './audit.projection.js';
import { CheckpointFiles, readKeptCheckpoint, readKeptTenants } from './checkpoint-files.job.js';
import { Integrator } from './integrator.job.js';
import { purgeAnnouncements } from './purge-announcements.job.js';
import { requestRetention } from './request-retention.job.js';
import { SIGNING_KEY_TEXT } from './tenant-log.js';

/** Owners whose events are entries of the audit log, its own among them. */
const SOURCES = ['directory', 'identity', 'group', 'audit'];

/** Owns the log of everything that has happened, and what faces were asked and answered. */
export const audit: OwnerDefinition = {
  name: 'audit',
  secrets: ['MASTER_KEY'],
  behaviour: ({ masterKey }) => auditBehaviour(masterKey()),
  keepsFilesIn: 'AUDIT_CHECKPOINT_FOLDER',
  sendsToItself: true,
  consumes: SOURCES.map((source) => ({ source, notices: true })),
  jobs: (tools) => [...integration(tools), ...retention(tools)],
  verify: (client, masterKey, progress, config, second) =>
    verifyAudit([client, second], SOURCES, masterKey, keptIn(folderOf(config)), progress),
};

/** The folder of checkpoints; null = a service of its own has no folder of the installation, and is given none. */
const folderOf = ({ AUDIT_CHECKPOINT_FOLDER, RUN, checkpointFolder }: Config): string | null =>
  RUN !== undefined && AUDIT_CHECKPOINT_FOLDER === undefined ? null : checkpointFolder;

const keptIn = (folder: string | null): KeptCheckpoints | null =>
  folder === null
    ? null
    : { tenants: () => readKeptTenants(folder), of: (tenant) => readKeptCheckpoint(folder, tenant) };

const retention = ({ pool, logger, send, config }: OwnerTools): readonly Job[] => {
  const { REQUEST_KEEP_DAYS, AUDIT_KEEP_DAYS: keepDays } = config;
  return [
    requestRetention(pool, { keepDays: REQUEST_KEEP_DAYS, logger }),
    ...(keepDays === undefined ? [] : [purgeAnnouncements(pool, { keepDays, send, logger })]),
  ];
};

const integration = ({ pool, logger, config, masterKey }: OwnerTools): readonly Job[] => {
  const folder = folderOf(config);
  const files = folder === null ? null : new CheckpointFiles(folder, logger);
  if (!files)
    logger.warn({}, 'checkpoints of the audit log are kept in the database alone: set AUDIT_CHECKPOINT_FOLDER');
  const integrator = new Integrator(pool, {
    owners: SOURCES,
    seed: keySeal(masterKey()).derive(SIGNING_KEY_TEXT),
    publicUrl: config.PUBLIC_URL ?? null,
    logger,
    keep: (tenant, note) => files?.keep(tenant, note),
    kept: async (tenant) => (await keptIn(folder)?.of(tenant)) ?? null,
    keptTenants: async () => (await keptIn(folder)?.tenants()) ?? [],
  });
  return [integrator, ...(files ? [files] : [])];
};
