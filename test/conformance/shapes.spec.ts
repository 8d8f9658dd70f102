import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DirectoryKind } from '#contracts';
import { readCases, runCase } from '../../apps/cli/src/check/cases.sender.js';
import { startMuster } from '../support/muster.js';

/**
 * Clients send these, word for word, and have to get the answers beside them: apps/cli/src/check/cases, which also
 * `directory check` sends. Each is sent to a directory of its kind.
 *
 * Not here, because it is not built: OAuth client credentials, pulling from Microsoft Graph. The question who is the
 * same person as whom, but for a rehire, stands with the rules of matching: it takes sign-ins and more than one
 * directory.
 */

/**
 * RFC 7644 §3.12, table 9, and what of it no file shows: `tooMany` takes more users than a file can make, or less time
 * (test/lists.int.spec.ts); nothing is `sensitive`, because Entra can only ask in the URI.
 */
const SCIM_TYPES = [
  'invalidFilter',
  'tooMany',
  'uniqueness',
  'mutability',
  'invalidSyntax',
  'invalidPath',
  'noTarget',
  'invalidValue',
  'invalidVers',
  'sensitive',
];
const SHOWN_ELSEWHERE: readonly string[] = ['tooMany', 'sensitive'];

const muster = startMuster();

const tokenWith = async (
  settings: Readonly<Record<string, unknown>>,
  name: string,
  kind: DirectoryKind,
): Promise<string> => {
  const { id, token } = await muster.newDirectory(`${name} ${randomUUID()}`, undefined, kind);
  expect((await muster.admin('PATCH', `/directories/${id}`, settings)).status).toBe(200);
  return token;
};

describe.each([
  ['gallery', 'entra'],
  ['validator', 'entra'],
  ['entra', 'entra'],
  ['okta', 'okta'],
  ['interop', 'scim'],
  ['rfc', 'scim'],
] as const)('%s', (folder, kind) => {
  let token: string;
  beforeAll(async () => {
    token = (await muster.newDirectory(folder, undefined, kind)).token;
  });

  it.each(readCases(folder))('%s', async (_name, shape) => {
    const bearer = shape.settings ? await tokenWith(shape.settings, folder, kind) : token;
    expect(
      await runCase({ reached: muster.scimUrl, shown: 'https://scim.example.org/api/scim/v2' }, bearer, shape),
      `${shape.says} (${shape.source})`,
    ).toBeNull();
  });
});

it('each scimType is shown by a file', () => {
  const shown = readCases('rfc').flatMap(([, { steps }]) =>
    steps.flatMap(({ answer }) => answer.exactly?.scimType ?? []),
  );
  expect([...new Set(shown)].toSorted()).toEqual(
    SCIM_TYPES.filter((scimType) => !SHOWN_ELSEWHERE.includes(scimType)).toSorted(),
  );
});
