import type { Installation } from './installation.js';

/** Asks the admin API of an installation, with the key of the command line. Throws unless it is answered with 2xx. */
export const askAdmin = <Body>(
  { adminApi: { url, key } }: Installation,
  method: string,
  path: string,
  body?: object,
): Promise<Body> => send(method, `${url}/api/admin/v1/${path}`, key, body) as Promise<Body>;

/** Sends JSON, and returns the JSON of the answer. Throws unless that is 2xx. */
export const send = async (method: string, url: string, token: string, body?: object): Promise<unknown> => {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
};
