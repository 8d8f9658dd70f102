import { readFileSync } from 'node:fs';
import cliProgress from 'cli-progress';
import type { Command } from 'commander';
import { readVerifier, type Verifier } from '#tlog';
import { callText } from '../admin-api.sender.js';
import type { ExportHead } from '../audit-export.js';
import { plain } from '../audit-log.js';
import { describeVerified, type VerifiedExport } from '../audit-proof.js';
import { writeExport } from '../export-folder.sender.js';
import { verifyFolder } from '../verified-folder.queries.js';
import { A_TIME, filters, firstTenant, inTenantOrInstallation, paint } from './audit.js';
import { addCommand, AS_JSON, print, WrongUse } from './command.js';

const newBar = (format: string): cliProgress.SingleBar =>
  new cliProgress.SingleBar({ format, clearOnComplete: true, hideCursor: true, stream: process.stderr });

interface ExportOptions {
  readonly out: string;
  readonly csv?: boolean;
  readonly values: boolean;
  readonly absence?: boolean;
  readonly tenant?: string;
  readonly installation?: boolean;
  readonly json?: boolean;
  readonly person?: string;
  readonly from?: string;
  readonly to?: string;
  readonly since?: string;
  readonly until?: string;
}

const addExport = (audit: Command): void => {
  addCommand(
    audit,
    'export',
    'export entries with what proves them, into a new folder that audit verify reads anywhere',
    '--out ./audit-2026\n  npm run -s cli -- audit export --person ada@example.org --since 2026-01-01 --until 2026-02-01 --absence --out ./ada',
  )
    .requiredOption('--out <folder>', 'a new folder')
    .option('--person <identifier>', 'only entries of one person, by any identifier that the person has or ever had')
    .option('--absence', 'with --person: prove that nothing else happened to this person in this time')
    .option('--from <number>', 'from this entry on')
    .option('--to <number>', 'up to, but without, this entry')
    .option('--since <time>', `not before: ${A_TIME}`)
    .option('--until <time>', 'before: a time like that')
    .option('--tenant <tenant>', 'name or id of the tenant (default: that of the person, or the first one)')
    .option('--installation', 'of the installation itself: its keys')
    .option('--csv', 'write entries.csv, too')
    .option('--no-values', 'without readable values of persons: everything that is proved is there all the same')
    .option(...AS_JSON)
    .action(async ({ out, csv, values, absence, tenant, installation, json, ...rest }: ExportOptions) => {
      if (absence && rest.person === undefined) throw new WrongUse('--absence is proved of one person: add --person.');
      const asked = {
        ...(await inTenantOrInstallation({ tenant, installation })),
        ...filters({ ...rest }),
        ...(absence ? { absence: 'true' } : {}),
      };
      let bar: cliProgress.SingleBar | undefined;
      const onProgress = (file: string, entries: number, all: number | null): void => {
        if (entries > 0) return bar?.update(entries);
        bar?.stop();
        bar = newBar(`${all === null ? '{value}' : '{bar} {value}/{total}'} entries in ${file}`);
        bar.start(all ?? 0, 0);
      };
      try {
        const head = await writeExport(out, { asked, withCsv: csv === true, withValues: values, onProgress });
        bar?.stop();
        print(json, head, describeExport(out, head));
      } finally {
        bar?.stop();
      }
    });
};

const WHAT: Readonly<Record<ExportHead['kind'], string>> = {
  log: 'the whole log',
  range: 'entries in a row',
  person: 'the entries of one person',
  absence: 'the leaves of a time, and what those of one person say',
};

const describeExport = (folder: string, { kind, entries, from, to, size, files }: ExportHead): string =>
  [
    `${paint('bold', plain(folder))}: ${WHAT[kind]}, ${entries} of ${size}${kind === 'log' || kind === 'person' ? '' : ` (${from} to ${to - 1})`}`,
    ...Object.entries(files).map(([name, { bytes }]) => `  ${name.padEnd(14)}  ${bytes} bytes`),
    `Verify it on any machine, with a key that you have from elsewhere:`,
    `  npm run -s cli -- audit verify ${plain(folder)} --key <file>`,
  ].join('\n');

interface VerifyOptions {
  readonly key: string;
  readonly checkpoint?: readonly string[];
  readonly witnessKey?: readonly string[];
  readonly quorum?: string;
  readonly json?: boolean;
}

const readKey = (path: string): Verifier => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new WrongUse(`${path} cannot be read: ${(error as Error).message}.`);
  }
  try {
    return readVerifier(text.trim());
  } catch (error) {
    throw new WrongUse(`${path} has no public key: ${(error as Error).message}`);
  }
};

/** Throws WrongUse: a text that is no number would be a quorum that nothing falls short of. */
const quorumIn = (text: string, witnesses: readonly Verifier[]): number => {
  const known = new Set(witnesses.map(({ name, keyId }) => `${name}+${keyId}`)).size;
  if (known === 0)
    throw new WrongUse('--quorum counts witnesses: add the --witness-key of each, from 1 to all of them.');
  if (!/^[1-9]\d{0,8}$/.test(text) || Number(text) > known)
    throw new WrongUse(`--quorum is a number from 1 to ${known}, of the witnesses whose keys are given.`);
  return Number(text);
};

/** Reads a folder, and says what of it is proved. Throws an error where nothing can be said. */
const verified = async (
  folder: string,
  { key, checkpoint: kept = [], witnessKey = [], quorum }: VerifyOptions,
): Promise<VerifiedExport> => {
  const witnesses = witnessKey.map(readKey);
  const bar = newBar('{bar} {percentage}%');
  try {
    return await verifyFolder(folder, {
      key: { file: key, verifier: readKey(key) },
      kept,
      witnesses,
      quorum: quorum === undefined ? undefined : quorumIn(quorum, witnesses),
      onBytes: (read, total) => (read === 0 ? bar.start(total, 0) : bar.update(read)),
    });
  } finally {
    bar.stop();
  }
};

const several = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

const addVerify = (audit: Command): void => {
  addCommand(
    audit,
    'verify',
    'verify an export offline: with the folder and a public key alone, on any machine',
    './audit-2026 --key ./muster.key --checkpoint ./kept/checkpoint',
  )
    .argument('<folder>', 'as audit export has written it')
    .requiredOption(
      '--key <file>',
      'the public key of the log, as audit key shows it: from elsewhere, not from the folder',
    )
    .option(
      '--checkpoint <file>',
      'an earlier or a witnessed checkpoint that was kept elsewhere; may be given again',
      several,
    )
    .option(
      '--witness-key <file>',
      'the public key of a witness, whose cosignature has to be there; may be given again',
      several,
    )
    .option('--quorum <number>', 'so many witnesses have to have cosigned (default: one)')
    .option(...AS_JSON)
    .action(async (folder: string, options: VerifyOptions) => {
      const found = await verified(folder, options);
      print(options.json, found, describeVerified(found, paint));
      if (found.findingCount > 0) process.exitCode = 1;
    });
};

/** The commands that export and prove, beside those that read. */
export const addProof = (program: Command): void => {
  const audit = program.commands.find((noun) => noun.name() === 'audit')!;
  addCommand(
    audit,
    'key',
    'show the public key of the audit log of a tenant, which verifies exports: keep it elsewhere',
    '> muster.key',
  )
    .option('--tenant <tenant>', 'name or id of the tenant (default: the first one)')
    .option('--installation', 'of the installation itself')
    .action(async (options: { tenant?: string; installation?: boolean }) => {
      const tenant = (await inTenantOrInstallation(options)).tenant ?? (await firstTenant());
      process.stdout.write(await callText('GET', `audit/logs/${tenant}/key`));
    });
  addExport(audit);
  addVerify(audit);
};
