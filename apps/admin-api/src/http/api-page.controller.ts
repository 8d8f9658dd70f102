import { readFile } from 'node:fs/promises';
import module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { BASE_PATH } from './version.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Everybody who reaches the port may read it: it holds no secret. */
    withoutKey?: true;
  }
}

const PAGE_PATH = `${BASE_PATH}/docs`;
const DOCUMENT_PATH = `${BASE_PATH}/openapi.json`;

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Muster admin API</title>
<link rel="stylesheet" href="${PAGE_PATH}/swagger-ui.css">
<link rel="icon" href="${PAGE_PATH}/favicon-32x32.png">
<script src="${PAGE_PATH}/swagger-ui-bundle.js" defer></script>
<script src="${PAGE_PATH}/begin.js" defer></script>
</head>
<body><div id="page"></div></body>
</html>
`;
/** No other server is asked whether the document is good, and a key that is typed in is forgotten with the page. */
const BEGIN = `SwaggerUIBundle({ url: '${DOCUMENT_PATH}', dom_id: '#page', validatorUrl: null, persistAuthorization: false });
`;

/** A page that was changed on its way cannot load or send anything from or to elsewhere (CSP3). */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const CACHE_SECONDS = 3_600;

const require = createRequire(import.meta.url);
const ofSwaggerUi = (name: string): Promise<Buffer> =>
  readFile(join(dirname(require.resolve('swagger-ui-dist/package.json')), name));
const document = (): Promise<Buffer> =>
  readFile(join(dirname(module.findPackageJSON('..', import.meta.url)!), 'docs/openapi.json'));

/** The files that there are to read, by their paths. */
const FILES: Readonly<Record<string, { readonly type: string; read(): Buffer | Promise<Buffer> }>> = {
  [DOCUMENT_PATH]: { type: 'application/json', read: document },
  [PAGE_PATH]: { type: 'text/html; charset=utf-8', read: () => Buffer.from(PAGE) },
  [`${PAGE_PATH}/begin.js`]: { type: 'text/javascript; charset=utf-8', read: () => Buffer.from(BEGIN) },
  [`${PAGE_PATH}/swagger-ui-bundle.js`]: {
    type: 'text/javascript; charset=utf-8',
    read: () => ofSwaggerUi('swagger-ui-bundle.js'),
  },
  [`${PAGE_PATH}/swagger-ui.css`]: { type: 'text/css; charset=utf-8', read: () => ofSwaggerUi('swagger-ui.css') },
  [`${PAGE_PATH}/favicon-32x32.png`]: { type: 'image/png', read: () => ofSwaggerUi('favicon-32x32.png') },
};

/**
 * Serves the OpenAPI document and a page to read it, to whoever reaches the port. A file is read when it is asked for
 * the first time, so that a start does not wait for it, and is then kept: many who ask cost no more reading.
 */
export const serveApiPage = (app: NestFastifyApplication): void => {
  const fastify = app.getHttpAdapter().getInstance();
  for (const [path, { type, read }] of Object.entries(FILES)) {
    let kept: Promise<Buffer> | undefined;
    fastify.get(path, { config: { withoutKey: true } }, async (_request, reply) => {
      kept ??= Promise.resolve(read());
      const content = await kept.catch((error: Error) => {
        kept = undefined;
        throw error;
      });
      return reply
        .header('content-type', type)
        .header('content-security-policy', CONTENT_SECURITY_POLICY)
        .header('x-content-type-options', 'nosniff')
        .header('cache-control', `max-age=${CACHE_SECONDS}`)
        .send(content);
    });
  }
};
