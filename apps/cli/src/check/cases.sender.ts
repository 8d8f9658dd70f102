import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { faultsOf, fill, filled, Unfilled, type Case, type Got, type Step } from './case.js';

/** Files stay where they were written: the compiler copies only what it compiles. */
const FOLDER = join(dirname(module.findPackageJSON('..', import.meta.url)!), 'apps/cli/src/check/cases');
const REQUEST_TIMEOUT_MS = 15_000;

/** The cases of one folder, by their names. */
export const readCases = (group: string): (readonly [name: string, Case])[] =>
  readdirSync(join(FOLDER, group)).map((file) => [
    file.slice(0, -'.json'.length),
    JSON.parse(readFileSync(join(FOLDER, group, file), 'utf8')) as Case,
  ]);

/** The step in which an answer was wrong, and what was wrong with it. */
export interface Fault {
  /** Counted from 1. */
  readonly step: number;
  readonly sent: string;
  readonly faults: readonly string[];
  /** The beginning of the answer. */
  readonly answer: string;
}

/** The SCIM base URL, as it ends with `/api/scim/v2`: where it is reached from here, and as clients are shown it. */
export interface BaseUrls {
  readonly reached: string;
  readonly shown: string;
}

/**
 * Sends the steps of a case, up to the first that is answered wrong; null = none is. Throws when there is no answer.
 */
export const runCase = async ({ reached, shown }: BaseUrls, token: string, { steps }: Case): Promise<Fault | null> => {
  const names = new Map<string, string>([
    ['unique', randomUUID()],
    ['base', shown],
    ['basePattern', shown.replace(/[^\w-]/g, String.raw`\$&`)],
  ]);
  let made = 0;
  for (const [index, step] of steps.entries()) {
    names.set('step', String(index + 1));
    const got = await send(reached, token, step, names).catch((error: unknown) => {
      if (error instanceof Unfilled) return error;
      throw error;
    });
    if (got instanceof Unfilled) return { step: index + 1, sent: step.send, faults: [got.message], answer: '' };
    const { id } = (got.body ?? {}) as { id?: unknown };
    if (got.status === 201 && typeof id === 'string') names.set('id', id).set(`id${++made}`, id);
    const faults = faultsOf(step, got, names);
    if (faults.length > 0) {
      const answer = `${got.status} ${JSON.stringify(got.body)?.slice(0, 2_000) ?? ''}`.trimEnd();
      return { step: index + 1, sent: filled(step.send, names).slice(0, 500), faults, answer };
    }
  }
  return null;
};

const send = async (baseUrl: string, token: string, step: Step, names: ReadonlyMap<string, string>): Promise<Got> => {
  const [, method, path, query] = /^([A-Z]+) \/?([^?]*)(?:\?(.*))?$/s.exec(filled(step.send, names))!;
  const content =
    step.raw === undefined ? step.body && JSON.stringify(fill(step.body, names)) : filled(step.raw, names);
  const headers = {
    authorization: `Bearer ${token}`,
    ...(content === undefined ? {} : { 'content-type': 'application/scim+json' }),
    ...step.headers,
  };
  const response = await fetch(new URL(`${baseUrl}/${path}${query === undefined ? '' : `?${encodeURI(query)}`}`), {
    method: method!,
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    headers: Object.entries(headers).flatMap(([name, value]): [string, string][] =>
      value === null ? [] : [[name, value]],
    ),
    ...(content === undefined ? {} : { body: content as string }),
  });
  const text = await response.text();
  return {
    status: response.status,
    header: (name) => response.headers.get(name),
    body: text === '' ? undefined : JSON.parse(text),
  };
};
