import cliProgress from 'cli-progress';
import type { Command } from 'commander';
import type { DirectoryKind } from '#contracts';
import { baseUrlOf, call } from '../admin-api.sender.js';
import type { DirectoryView } from '../admin-views.js';
import { readCases, runCase, type Fault } from '../check/cases.sender.js';
import { closeScratch, LEFT_OUT, openScratch, settingsForCases, withSettings } from '../check/scratch.sender.js';
import { directoryOf } from '../named.sender.js';
import { addCommand, AS_JSON, print } from './command.js';

/** Groups of cases in the order in which they run, and the kinds of directories that have to pass them. */
const GROUPS: readonly { readonly name: string; readonly title: string; readonly kinds: readonly DirectoryKind[] }[] = [
  { name: 'gallery', title: "Microsoft's gallery", kinds: ['entra'] },
  { name: 'validator', title: "Microsoft's validator", kinds: ['entra'] },
  { name: 'entra', title: 'Microsoft Entra ID', kinds: ['entra'] },
  { name: 'okta', title: 'Okta', kinds: ['okta'] },
  { name: 'interop', title: 'Interoperability', kinds: ['entra', 'okta', 'scim', 'strict'] },
];

interface Found {
  readonly group: string;
  readonly name: string;
  readonly says: string;
  /** True if a directory of this kind has to pass it. */
  readonly isExpected: boolean;
  readonly passed: boolean;
  readonly fault: Fault | null;
}

const describe = (title: string, kind: string, found: readonly Found[]): string => {
  const failed = found.filter(({ passed }) => !passed);
  const note = found[0]?.isExpected === false ? `, which a directory of the kind ${kind} need not pass` : '';
  return [
    `${title}: ${found.length - failed.length} of ${found.length} passed${note}`,
    ...failed.flatMap(({ name, says, fault }) => [
      `  ${name}: ${says}`,
      `    step ${fault!.step}, ${fault!.sent}`,
      ...fault!.faults.map((one) => `      ${one}`),
      `    answer: ${fault!.answer.slice(0, 300)}`,
    ]),
  ].join('\n');
};

/** A case expects the values that it has sent. */
const whereValuesChange = ({ settings }: DirectoryView): string =>
  settings.attributeMapping.length + settings.localAttributes.length === 0
    ? ''
    : '\nIts attributeMapping and localAttributes may write other values than those that were sent: cases that miss these tell what the identity provider will read.';

/** Adds `directory check`, which tells before a directory goes live what clients would run into. */
export const addCheck = (directory: Command): void => {
  addCommand(
    directory,
    'check',
    'run the published tests of Microsoft and Okta, and what interoperability asks for, against a directory like this one in the tenant "Conformance checks", where its people stay; it exits with 1 if one fails that is for its kind',
    '"Contoso Entra"',
  )
    .argument('[directory]', 'name or id of the directory (default: the first one)')
    .option(...AS_JSON)
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      const checked = await call<DirectoryView>('GET', `directories/${encodeURIComponent(await directoryOf(name))}`);
      const cases = GROUPS.flatMap((group) => readCases(group.name).map(([title, one]) => ({ group, title, one })));
      const scratch = await openScratch(checked);
      const bar = new cliProgress.SingleBar({
        format: '{bar} {value}/{total} {what}',
        clearOnComplete: true,
        hideCursor: true,
      });
      bar.start(cases.length, 0, { what: '' });
      const found: Found[] = [];
      try {
        for (const { group, title, one } of cases) {
          bar.increment(1, { what: `${group.title}: ${title}` });
          const fault = await withSettings(scratch, settingsForCases(checked), one, () =>
            runCase({ reached: baseUrlOf(scratch), shown: scratch.scimBaseUrl }, scratch.token!, one),
          );
          const isExpected = group.kinds.some((kind) => kind === checked.kind);
          found.push({ group: group.name, name: title, says: one.says, isExpected, passed: fault === null, fault });
        }
      } finally {
        bar.stop();
        await closeScratch(scratch);
      }
      const text = GROUPS.map(({ name: group, title }) =>
        describe(
          title,
          checked.kind,
          found.filter((one) => one.group === group),
        ),
      ).join('\n\n');
      print(
        json,
        found,
        `${checked.name} (${checked.kind}), with its settings but ${LEFT_OUT.slice(0, -1).join(', ')} and ${LEFT_OUT.at(-1)}, in a tenant for checks${whereValuesChange(checked)}\n\n${text}`,
      );
      if (found.some(({ isExpected, passed }) => isExpected && !passed)) process.exitCode = 1;
    });
};
