import { readFile } from 'node:fs/promises';
import module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AUDIT_BASE_PATH, BASE_PATH } from './version.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Everybody who reaches the port may read it: it holds no secret. */
    withoutKey?: true;
  }
}

/** A document of OpenAPI, and the page that shows it. */
interface ApiPage {
  readonly title: string;
  readonly basePath: string;
  /** Below the folder of the package. */
  readonly document: string;
}
export const ADMIN_PAGE: ApiPage = { title: 'Muster admin API', basePath: BASE_PATH, document: 'docs/openapi.json' };
export const AUDIT_PAGE: ApiPage = {
  title: "Muster auditors' API",
  basePath: AUDIT_BASE_PATH,
  document: 'docs/audit-openapi.json',
};

const pageOf = (title: string, pagePath: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title}</title>
<link rel="stylesheet" href="${pagePath}/swagger-ui.css">
<link rel="icon" href="${pagePath}/favicon-32x32.png">
<script src="${pagePath}/swagger-ui-bundle.js" defer></script>
<script src="${pagePath}/begin.js" defer></script>
</head>
<body><div id="page"></div></body>
</html>
`;
/** No other server is asked whether the document is good, and a key that is typed in is forgotten with the page. */
const beginOf = (documentPath: string): string =>
  `SwaggerUIBundle({ url: '${documentPath}', dom_id: '#page', validatorUrl: null, persistAuthorization: false });
`;

/** A page that was changed on its way cannot load or send anything from or to elsewhere (CSP3). */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const CACHE_SECONDS = 3_600;

const require = createRequire(import.meta.url);
const ofSwaggerUi = (name: string): Promise<Buffer> =>
  readFile(join(dirname(require.resolve('swagger-ui-dist/package.json')), name));
const ofPackage = (path: string): Promise<Buffer> =>
  readFile(join(dirname(module.findPackageJSON('..', import.meta.url)!), path));

interface ServedFile {
  readonly type: string;
  read(): Buffer | Promise<Buffer>;
}

/** The files that there are to read, by their paths. */
const filesOf = ({ title, basePath, document }: ApiPage): Readonly<Record<string, ServedFile>> => {
  const [pagePath, documentPath] = [`${basePath}/docs`, `${basePath}/openapi.json`];
  return {
    [documentPath]: { type: 'application/json', read: () => ofPackage(document) },
    [pagePath]: { type: 'text/html; charset=utf-8', read: () => Buffer.from(pageOf(title, pagePath)) },
    [`${pagePath}/begin.js`]: {
      type: 'text/javascript; charset=utf-8',
      read: () => Buffer.from(beginOf(documentPath)),
    },
    [`${pagePath}/swagger-ui-bundle.js`]: {
      type: 'text/javascript; charset=utf-8',
      read: () => ofSwaggerUi('swagger-ui-bundle.js'),
    },
    [`${pagePath}/swagger-ui.css`]: { type: 'text/css; charset=utf-8', read: () => ofSwaggerUi('swagger-ui.css') },
    [`${pagePath}/favicon-32x32.png`]: { type: 'image/png', read: () => ofSwaggerUi('favicon-32x32.png') },
  };
};

/**
 * Serves the OpenAPI document and a page to read it, to whoever reaches the port. A file is read when it is asked for
 * the first time, so that a start does not wait for it, and is then kept: many who ask cost no more reading.
 */
export const serveApiPage = (app: NestFastifyApplication, page: ApiPage): void => {
  const fastify = app.getHttpAdapter().getInstance();
  for (const [path, { type, read }] of Object.entries(filesOf(page))) {
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
