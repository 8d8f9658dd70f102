import type { FastifyReply, FastifyRequest } from 'fastify';
import { notesOf, type Described } from '#owner';
import { isUuid } from '#runtime';

/** Says whose a request was: of the token endpoint, or of the public keys and addresses of a directory. */
export const describeSignIn = (request: FastifyRequest, _reply: FastifyReply, url: string | undefined): Described => {
  const { tenant, directory, actor } = notesOf(request);
  const isToken = url?.endsWith('/token') === true;
  return {
    tenant: tenant ?? null,
    directory: directory !== undefined && isUuid(directory) ? directory : null,
    actor: actor ?? null,
    resourceType: isToken ? 'token' : null,
    object: null,
    name: null,
    isRead: request.method !== 'POST',
    kind: url === undefined ? 'elsewhere' : url.endsWith('/jwks.json') ? 'keys' : 'metadata',
    seen: null,
  };
};
