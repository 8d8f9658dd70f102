import { Inject, Injectable } from '@nestjs/common';
import { DRY_RUN_TYPE, type DryRunRequest, type DryRunResult } from '#contracts';
import type { DryRuns } from '#log';
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
    @Inject(DRY_RUNS) private readonly dryRuns: DryRuns,
    private readonly directories: Directories,
  ) {}

  /** Throws Rejected, or LogUnavailable when nobody answers. */
  async of(
    directoryId: string,
    { method, path, headers, body, correlationId }: DescribedRequest,
  ): Promise<DryRunResult> {
    const { pathname } = new URL(`http://gateway${BASE}${path}`);
    if (!pathname.startsWith(`${BASE}/`))
      throw new Rejected('invalidValue', 'path must stay below the SCIM base URL, as /Users does.');
    if (/^\/+Bulk\b/i.test(decoded(pathname.slice(BASE.length))))
      throw new Rejected('invalidValue', 'A bulk request cannot be tried as a whole: send its operations one by one.');
    const { id, tenant } = await this.directories.show(directoryId);
    const text = body === undefined ? null : withoutPasswords(body);
    return (await this.dryRuns.ask('gateway', {
      id: uuidv7(),
      type: DRY_RUN_TYPE,
      source: 'muster/admin-api',
      subject: id,
      time: new Date().toISOString(),
      tenant,
      directory: id,
      correlationId,
      causationId: null,
      data: { method, path, headers, body: text } satisfies DryRunRequest,
    })) as DryRunResult;
  }
}

/** As the router reads it: /%42ulk is /Bulk. What cannot be decoded leads nowhere. */
const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
};
