import { Inject, Injectable } from '@nestjs/common';
import { QUESTION_TYPES, type DryRunRequest, type DryRunResult } from '#contracts';
import type { Questions } from '#log';
import { uuidv7 } from '#runtime';
import { Rejected } from '#scim';
import { DRY_RUNS } from '../injected.js';
import { Directories } from './directories.queries.js';
import { withoutPasswords } from './passwords.js';

const BASE = '/api/scim/v2';

/** A request as an administrator describes it. */
export interface DescribedRequest extends Omit<DryRunRequest, 'body'> {
  /** JSON; undefined = it has none. */
  readonly body?: unknown;
  readonly correlationId: string;
}

/** Asks the gateway what would become of a request of an identity provider. */
@Injectable()
export class DirectoryDryRuns {
  constructor(
    @Inject(DRY_RUNS) private readonly dryRuns: Questions,
    private readonly directories: Directories,
  ) {}

  /** Throws Rejected, or LogUnavailable when nobody answers. */
  async of(directoryId: string, { body, ...request }: DescribedRequest): Promise<DryRunResult> {
    requireBelowBase(request.path);
    const { id, tenant } = await this.directories.show(directoryId);
    return this.send(id, tenant, { ...request, body: body === undefined ? null : withoutPasswords(body) });
  }

  /** The same of a request as it was sent once, which has no password in it. */
  async send(
    id: string,
    tenant: string,
    { correlationId, ...request }: DryRunRequest & { readonly correlationId: string },
  ): Promise<DryRunResult> {
    requireBelowBase(request.path);
    return (await this.dryRuns.ask('gateway', {
      id: uuidv7(),
      type: QUESTION_TYPES['dry-run'],
      source: 'muster/admin-api',
      subject: id,
      time: new Date().toISOString(),
      tenant,
      directory: id,
      correlationId,
      causationId: null,
      data: request satisfies DryRunRequest,
    })) as DryRunResult;
  }
}

/** Throws Rejected(invalidValue). */
const requireBelowBase = (path: string): void => {
  const { pathname } = new URL(`http://gateway${BASE}${path}`);
  if (!pathname.startsWith(`${BASE}/`))
    throw new Rejected('invalidValue', 'path must stay below the SCIM base URL, as /Users does.');
  if (/^\/+Bulk\b/i.test(decoded(pathname.slice(BASE.length))))
    throw new Rejected('invalidValue', 'A bulk request cannot be tried as a whole: send its operations one by one.');
};

/** As the router reads it: /%42ulk is /Bulk. What cannot be decoded leads nowhere. */
const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
};
