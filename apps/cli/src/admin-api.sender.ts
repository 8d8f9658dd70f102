import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordedEvent } from './admin-views.js';

/**
 * The admin API of a running Muster, over HTTP only. MUSTER_URL and MUSTER_API_KEY, or the file that
 * MUSTER_API_KEY_FILE names, override what the running installation wrote to DATA_DIR. In a container whose environment
 * is that of the admin API, MUSTER_API_KEY is the bootstrap key, and MUSTER_CLI_KEY is ours.
 */

const givenKey = (): string | undefined => secretIn('MUSTER_CLI_KEY') ?? secretIn('MUSTER_API_KEY');

const secretIn = (name: string): string | undefined => {
  const [value, path] = [process.env[name], process.env[`${name}_FILE`]];
  if (value || !path) return value || undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new Error(`${name}_FILE names a file that cannot be read: ${(error as Error).message}.`, { cause: error });
  }
};

/** The admin API has refused a request; the message is what it says. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** Finds the admin API, its key, and the gateway where that is known. Throws one line that says what to do. */
export const findServer = (): { url: string; apiKey: string; gatewayUrl: string | null } => {
  const { MUSTER_URL, DATA_DIR } = process.env;
  const key = givenKey();
  if (MUSTER_URL && key) return { url: MUSTER_URL, apiKey: key, gatewayUrl: null };
  const path = join(DATA_DIR || './.data', 'runtime.json');
  try {
    const { url, adminUrl, apiKey } = JSON.parse(readFileSync(path, 'utf8')) as {
      url: string;
      adminUrl: string;
      apiKey: string;
    };
    return { url: MUSTER_URL || adminUrl, apiKey: key ?? apiKey, gatewayUrl: MUSTER_URL ? null : url };
  } catch {
    throw new Error(
      `Muster does not seem to run: ${path} cannot be read. Start it with npm start, or set MUSTER_URL and MUSTER_API_KEY.`,
    );
  }
};

/** The SCIM base URL as it is reached from here: the public one need not lead back to this installation. */
export const baseUrlOf = ({ scimBaseUrl }: { readonly scimBaseUrl: string }): string => {
  const { gatewayUrl } = findServer();
  return gatewayUrl ? `${gatewayUrl}/api/scim/v2` : scimBaseUrl;
};

/**
 * The token endpoint as it is reached from here: where it has the address of SCIM, it is on the port of that; otherwise
 * it is a process of its own.
 */
export const tokenEndpointOf = (directory: {
  readonly scimBaseUrl: string;
  readonly tokenEndpoint: string;
}): string => {
  const { gatewayUrl } = findServer();
  const [scim, endpoint] = [new URL(directory.scimBaseUrl), new URL(directory.tokenEndpoint)];
  return gatewayUrl && scim.origin === endpoint.origin ? `${gatewayUrl}${endpoint.pathname}` : endpoint.href;
};

/** Of DELETE, which has no body, what would be in it is sent as its query. A path that begins with `audit/` is one of the auditors' API. */
export const call = async <T>(method: string, path: string, content?: object): Promise<T> => {
  const { text, status } = await send(method, path, content);
  return (text === '' ? undefined : readJson(text, status)) as T;
};

/** An answer that is no JSON. */
export const callText = async (method: string, path: string): Promise<string> => (await send(method, path)).text;

/** An answer that is long: its pieces, as they come. One that ends before its end throws. */
export const callForStream = async (path: string): Promise<AsyncIterable<Buffer>> => {
  const { body } = await ask('GET', path, undefined, null);
  return pieces(body!);
};

async function* pieces(body: ReadableStream<Uint8Array>): AsyncGenerator<Buffer> {
  try {
    for await (const piece of body) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  } catch (error) {
    throw new Error('The answer was cut off before its end: Muster failed, or was stopped. Its log says why.', {
      cause: error,
    });
  }
}

const TIMEOUT_MS = 15_000;

const send = async (
  method: string,
  path: string,
  content?: object,
): Promise<{ readonly text: string; readonly status: number }> => {
  const response = await ask(method, path, content, AbortSignal.timeout(TIMEOUT_MS));
  return { text: await response.text(), status: response.status };
};

/** Throws Refused unless all is well. */
const ask = async (
  method: string,
  path: string,
  content: object | undefined,
  signal: AbortSignal | null,
): Promise<Response> => {
  const { url, apiKey } = findServer();
  const body = method === 'DELETE' ? undefined : content;
  const target = new URL(
    path.startsWith('audit/') ? path.replace('audit/', '/api/audit/v1/') : `/api/admin/v1/${path}`,
    url,
  );
  if (method === 'DELETE')
    for (const [name, value] of Object.entries(content ?? {}))
      if (value !== undefined) target.searchParams.set(name, String(value));
  let response: Response;
  try {
    response = await fetch(target, {
      method,
      signal,
      headers: { authorization: `Bearer ${apiKey}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  } catch {
    throw new Error(`Muster does not answer at ${url}. Start it with npm start.`);
  }
  if (response.ok) return response;
  const text = await response.text();
  const problem = (text === '' ? undefined : readJson(text, response.status)) as { detail?: string } | undefined;
  throw new Refused(problem?.detail ?? `Muster answered ${response.status}.`, response.status);
};

const readJson = (text: string, status: number): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`The answer (${status}) does not come from the admin API of Muster: check MUSTER_URL.`);
  }
};

/** All rows of a list, page by page. */
export const listAll = async <Row>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<Row[]> => {
  const all: Row[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const query = new URLSearchParams({ ...parameters, limit: '1000', ...(cursor === undefined ? {} : { cursor }) });
    const page: { items: Row[]; next: string | null } = await call('GET', `${path}?${query.toString()}`);
    all.push(...page.items);
    cursor = page.next;
  }
  return all;
};

/** All events of a user or a group. */
export const listEvents = (of: 'users' | 'groups', id: string): Promise<RecordedEvent[]> =>
  listAll(`${of}/${encodeURIComponent(id)}/events`);
