import { readdirSync, readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DirectoryKind } from '#contracts';
import { startMuster, type Answer } from '../support/muster.js';

/**
 * Clients send these, word for word, and have to get the answers beside them: a JSON file for each shape. `entra/` is
 * Microsoft Entra ID, `okta/` is Okta, `rfc/` is what RFC 7644 says and what no client should send. Each is sent to a
 * directory of its kind.
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

interface Step {
  /** Method and path, the query as it reads before it is encoded. */
  readonly send: string;
  /** Besides those that every request has; null takes one away. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: unknown;
  /** Instead of a body: text that need not be JSON. */
  readonly raw?: string;
  readonly answer: {
    readonly status: number;
    readonly headers?: Readonly<Record<string, string>>;
    /** Parts of the body. */
    readonly body?: object;
    /** Attributes of the body with all that they have; null: it has none of that name. */
    readonly exactly?: Readonly<Record<string, unknown>>;
  };
}

interface Shape {
  readonly says: string;
  readonly source: string;
  /** Settings of a directory that is made for this file. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly steps: readonly Step[];
}

/**
 * Fills a text: {{unique}} is new for each file, {{id}} the last user or group that was made, {{id1}} the first,
 * {{step}} counts, and {{x*400}} is an x 400 times.
 */
const filled = (text: string, names: ReadonlyMap<string, string>): string =>
  text.replace(
    /\{\{(?:(\w+)|(.)\*(\d+))\}\}/gs,
    (place, name: string | undefined, character: string, times: string) => {
      if (name === undefined) return character.repeat(Number(times));
      const value = names.get(name);
      if (value === undefined) throw new Error(`${place} stands for nothing`);
      return value;
    },
  );

/**
 * The same in whatever holds texts. `{"$times": 3, "$of": "v{{n}}"}` is a list of three; /…/ in an expectation is a
 * pattern.
 */
const fill = (value: unknown, names: ReadonlyMap<string, string>, isExpected = false): unknown => {
  if (typeof value === 'string') {
    const text = filled(value, names);
    return isExpected && /^\/.*\/$/s.test(text) ? expect.stringMatching(new RegExp(text.slice(1, -1), 's')) : text;
  }
  if (Array.isArray(value)) return value.map((element: unknown) => fill(element, names, isExpected));
  if (typeof value !== 'object' || value === null) return value;
  if ('$times' in value && '$of' in value) {
    return Array.from({ length: value.$times as number }, (_, index) =>
      fill(value.$of, new Map([...names, ['n', String(index)]]), isExpected),
    );
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, element]) => [filled(name, names), fill(element, names, isExpected)]),
  );
};

const muster = startMuster();

const send = async (token: string, step: Step, names: ReadonlyMap<string, string>): Promise<Answer> => {
  const [, method, path, query] = /^([A-Z]+) \/?([^?]*)(?:\?(.*))?$/s.exec(filled(step.send, names))!;
  const content =
    step.raw === undefined ? step.body && JSON.stringify(fill(step.body, names)) : filled(step.raw, names);
  const headers = {
    authorization: `Bearer ${token}`,
    ...(content === undefined ? {} : { 'content-type': 'application/scim+json' }),
    ...step.headers,
  };
  const response = await fetch(
    new URL(`${muster.scimUrl}/${path}${query === undefined ? '' : `?${encodeURI(query)}`}`),
    {
      method: method!,
      headers: Object.entries(headers).flatMap(([name, value]): [string, string][] =>
        value === null ? [] : [[name, value]],
      ),
      ...(content === undefined ? {} : { body: content as string }),
    },
  );
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
};

const check = (title: string, { headers, answer }: Step, got: Answer, names: ReadonlyMap<string, string>): void => {
  const context = `${title}\nanswered ${got.status} ${JSON.stringify(got.body)?.slice(0, 2_000)}\n`;
  expect(got.status, context).toBe(answer.status);
  // RFC 7644 §8.1: without parameters, whatever is answered.
  if (got.body !== undefined && !headers?.accept)
    expect(got.headers.get('content-type'), context).toBe('application/scim+json');
  for (const [name, value] of Object.entries(fill(answer.headers ?? {}, names, true) as Record<string, unknown>)) {
    expect(got.headers.get(name), `${context}${name}`).toEqual(value);
  }
  if (answer.body) expect(got.body, context).toMatchObject(fill(answer.body, names, true) as object);
  for (const [name, value] of Object.entries(answer.exactly ?? {})) {
    if (value === null) expect(got.body, context).not.toHaveProperty([name]);
    else
      expect((got.body as Readonly<Record<string, unknown>>)[name], `${context}${name}`).toEqual(
        fill(value, names, true),
      );
  }
};

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
  ['entra', 'entra'],
  ['okta', 'okta'],
  ['rfc', 'scim'],
] as const)('%s', (folder, kind) => {
  let token: string;
  beforeAll(async () => {
    token = (await muster.newDirectory(folder, undefined, kind)).token;
  });

  const files = readdirSync(`${import.meta.dirname}/${folder}`).map(
    (name) => `${import.meta.dirname}/${folder}/${name}`,
  );
  const shapes = files.map(
    (file) =>
      [
        file.slice(file.lastIndexOf('/') + 1, -'.json'.length),
        JSON.parse(readFileSync(file, 'utf8')) as Shape,
      ] as const,
  );

  it.each(shapes)('%s', async (_name, shape) => {
    const names = new Map<string, string>([['unique', randomUUID()]]);
    const bearer = shape.settings ? await tokenWith(shape.settings, folder, kind) : token;
    let made = 0;
    for (const [index, step] of shape.steps.entries()) {
      names.set('step', String(index + 1));
      const got = await send(bearer, step, names);
      const { id } = (got.body ?? {}) as { id?: unknown };
      if (got.status === 201 && typeof id === 'string') names.set('id', id).set(`id${++made}`, id);
      check(`${shape.says} (${shape.source})\nstep ${index + 1}: ${step.send.slice(0, 200)}`, step, got, names);
    }
  });
});

it('each scimType is shown by a file', () => {
  const files = readdirSync(`${import.meta.dirname}/rfc`).map((name) =>
    readFileSync(`${import.meta.dirname}/rfc/${name}`, 'utf8'),
  );
  const shown = files.flatMap((text) =>
    (JSON.parse(text) as Shape).steps.flatMap(({ answer }) => answer.exactly?.scimType ?? []),
  );
  expect([...new Set(shown)].toSorted()).toEqual(
    SCIM_TYPES.filter((scimType) => !SHOWN_ELSEWHERE.includes(scimType)).toSorted(),
  );
});
