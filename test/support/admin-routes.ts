import { RequestMethod } from '@nestjs/common';
import { AUDIT_CONTROLLERS, CONTROLLERS } from '../../apps/admin-api/src/admin-api.module.js';
import { needOf } from '../../apps/admin-api/src/http/api-key.guard.js';
import type { Need } from '../../apps/admin-api/src/http/acting-key.js';
import { AUDIT_BASE_PATH, BASE_PATH } from '../../apps/admin-api/src/http/version.js';

export interface AdminRoute {
  readonly method: string;
  /** Without the base path: `/directories/:id`; those of the auditors' API begin with `/audit`. */
  readonly path: string;
  /** The needs that it has declared. */
  readonly need: Need | undefined;
}

const metadata = <T>(key: string, of: object): T | undefined => Reflect.getMetadata(key, of) as T | undefined;

/** Every route of the admin API, as Nest is told of them. */
export const adminRoutes = (): readonly AdminRoute[] =>
  [...CONTROLLERS, ...AUDIT_CONTROLLERS].flatMap((controller) => {
    const base = metadata<string>('path', controller)!;
    const prototype = controller.prototype as unknown as Readonly<Record<string, unknown>>;
    return Object.getOwnPropertyNames(prototype).flatMap((name) => {
      const handler = prototype[name] as () => unknown;
      const method = name === 'constructor' ? undefined : metadata<RequestMethod>('method', handler);
      if (method === undefined) return [];
      const path = `/${base}/${metadata<string>('path', handler)}`.replaceAll(/\/+/g, '/').replace(/\/$/, '');
      return [
        {
          method: RequestMethod[method],
          path: path.startsWith(BASE_PATH)
            ? path.slice(BASE_PATH.length)
            : `/audit${path.slice(AUDIT_BASE_PATH.length)}`,
          need: needOf(handler),
        },
      ];
    });
  });
