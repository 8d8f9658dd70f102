import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { INSTALLATION } from '#contracts';
import { Rejected } from '#scim';
import type { ActingKey } from '../http/acting-key.js';
import type { KeyedRequest } from '../http/api-key.guard.js';
import { askedBy, type Asked } from '../http/asked.guard.js';

/** The one who reads the audit log. */
export type Reader = Pick<Asked, 'key' | 'correlationId' | 'concerns'>;

/** The parameter of each route of the auditors' API. */
export const Reads = createParamDecorator((_data: unknown, context: ExecutionContext): Reader => {
  const request = context.switchToHttp().getRequest<KeyedRequest>();
  return askedBy(request);
});

/** The entries of the installation, and of other tenants, are not for the key of one tenant. Throws Rejected(notFound). */
export const checkTenant = (key: ActingKey, tenant: string): void => {
  if (key.tenant === null || key.tenant === tenant) return;
  throw new Rejected(
    'notFound',
    tenant === INSTALLATION
      ? `The key "${key.name}" is good for one tenant, and this is about the whole installation: use another key.`
      : 'There is no such thing in the tenant of this key.',
  );
};
