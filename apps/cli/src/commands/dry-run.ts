import { readFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import type { DryRunResult } from '#contracts';
import { call } from '../admin-api.sender.js';
import { plain } from '../audit-log.js';
import { directoryOf } from '../named.sender.js';
import { addCommand, AS_JSON, print } from './command.js';

interface Options {
  readonly body?: unknown;
  readonly json?: boolean;
}

/** `POST /Users` */
const REQUEST = /^(GET|POST|PUT|PATCH|DELETE) (\/\S*(?: \S+)*)$/i;

const bodyIn = (text: string): unknown => {
  try {
    return JSON.parse(text.startsWith('@') ? readFileSync(text.slice(1), 'utf8') : text);
  } catch (error) {
    throw new InvalidArgumentError(`It must be JSON, or @ and the name of a file of JSON: ${(error as Error).message}`);
  }
};

/** Says line by line what would become of a request, which a client may have written to deceive a terminal. */
export const describeDryRun = ({ decisions, response }: DryRunResult): string =>
  [
    ...decisions.flatMap(({ command, outcome, events, explanation }) => {
      const {
        mapped,
        rules = [],
        holds = [],
        cutRole,
      } = (explanation ?? {}) as {
        mapped?: { lines: readonly { target: string; line: number }[] } | null;
        rules?: readonly { rule: string; candidates: readonly { id: string; userName: string }[] }[];
        holds?: readonly { reason: string; detail: string }[];
        cutRole?: { detail: string } | null;
      };
      return [
        (command as { type: string }).type,
        ...(mapped?.lines ?? []).map(({ target, line }) => `  mapped    ${target}, by line ${line}`),
        ...rules.map(
          ({ rule, candidates }) =>
            `  rule      ${rule}: ${candidates.map(({ id, userName }) => `${userName} (${id})`).join(', ') || 'nobody'}`,
        ),
        ...holds.map(({ reason, detail }) => `  held      ${reason}: ${detail}`),
        ...(cutRole ? [`  web role  ${cutRole.detail}`] : []),
        ...events.map(({ event }) => `  event     ${JSON.stringify(event)}`),
        ...(outcome.status === 'rejected' ? [`  refused   ${outcome.detail}`] : []),
        ...(outcome.status === 'done' && events.length === 0 ? ['  nothing would change'] : []),
      ];
    }),
    `Response ${response.status}`,
    ...(response.body === null ? [] : JSON.stringify(response.body, null, 2).split('\n')),
  ]
    .map(plain)
    .join('\n');

/** Adds `directory dry-run`, which says what would become of a request without doing it. */
export const addDryRun = (directory: Command): void => {
  addCommand(
    directory,
    'dry-run',
    'say what would become of a request of the identity provider, without doing it',
    `"Contoso Entra" "POST /Users" --body '{"userName": "ada@contoso.com"}'`,
  )
    .argument('<directory>', 'name or id of the directory')
    .argument('<request>', 'method and path below the SCIM base URL, such as "GET /Users?count=1"', (text) => {
      const [, method, path] = REQUEST.exec(text) ?? [];
      if (!method || !path) throw new InvalidArgumentError('It is a method and a path, such as "POST /Users".');
      return { method: method.toUpperCase(), path: encodeURI(path) };
    })
    .option('--body <json|@file>', 'the body of the request', bodyIn)
    .option(...AS_JSON)
    .action(async (name: string, request: object, { body, json }: Options) => {
      const path = `directories/${encodeURIComponent(await directoryOf(name))}/dry-run`;
      const result = await call<DryRunResult>('POST', path, { ...request, ...(body === undefined ? {} : { body }) });
      print(json, result, describeDryRun(result));
    });
};
