import {
  idMs,
  NO_DIRECTORY,
  type CountedReads,
  type SeenObject,
  type ToldRequest,
  type ToldRequests,
} from '#contracts';

/** The content of one command. */
export interface Told extends ToldRequests {
  readonly tenant: string;
  /** The id of the command. */
  readonly toldBy: string;
}

/** A row of `audit.read_counts`. */
export interface ReadCountRow {
  readonly tenant: string;
  readonly minute: string;
  readonly face: string;
  readonly directory: string;
  readonly kind: string;
  readonly count: number;
}

/** Sums of the reads that several messages told: one statement writes a row once. */
export const countedReads = (
  told: readonly { readonly tenant: string; readonly reads: readonly CountedReads[] }[],
): readonly ReadCountRow[] => {
  const sums = new Map<string, ReadCountRow>();
  for (const { tenant, reads } of told)
    for (const { minute, face, directory, kind, count } of reads) {
      const key = [tenant, minute, face, directory, kind].join('|');
      const before = sums.get(key)?.count ?? 0;
      sums.set(key, { tenant, minute, face, directory: directory ?? NO_DIRECTORY, kind, count: before + count });
    }
  return [...sums.values()];
};

/** A row of `audit.request_counts`. */
export interface RequestCountRow {
  readonly tenant: string;
  readonly directory: string;
  readonly minute: string;
  readonly face: string;
  readonly method: string;
  readonly resource_type: string;
  readonly status: number;
  readonly scim_type: string;
  readonly effect: string;
  readonly count: number;
}

const MINUTE_MS = 60_000;
/** Stands in the place of the face. */
const REPLAYED = 'replay';

/** The minute in an id, in ms since 1970: requests are counted by it. */
export const minuteMsOf = (id: string): number => Math.floor(idMs(id) / MINUTE_MS) * MINUTE_MS;

/** Sums of the requests that identity providers sent, by the minute in their ids: one statement writes a row once. */
export const countedRequests = (
  told: readonly { readonly tenant: string; readonly requests: readonly ToldRequest[] }[],
): readonly RequestCountRow[] => {
  const sums = new Map<string, RequestCountRow & { count: number }>();
  for (const { tenant, requests } of told)
    for (const request of requests) {
      if (request.face === 'admin') continue;
      const minuteMs = minuteMsOf(request.id);
      const { method, status } = request;
      // An administrator has sent it again: it says nothing of whether the identity provider is alive.
      const face = request.replayOf === null ? request.face : REPLAYED;
      const [directory, resourceType] = [request.directory ?? NO_DIRECTORY, request.resourceType ?? ''];
      const [scimType, effect] = [request.scimType ?? '', request.effect ?? ''];
      const key = [tenant, directory, minuteMs, face, method, resourceType, status, scimType, effect].join('|');
      const known = sums.get(key);
      if (known) known.count++;
      else
        sums.set(key, {
          tenant,
          directory,
          minute: new Date(minuteMs).toISOString(),
          face,
          method,
          resource_type: resourceType,
          status,
          scim_type: scimType,
          effect,
          count: 1,
        });
    }
  return [...sums.values()];
};

/** The last moment of each object: one statement writes a row once. */
export const latestSeen = (
  told: readonly { readonly tenant: string; readonly seen: readonly SeenObject[] }[],
): readonly (SeenObject & { readonly tenant: string })[] => {
  const latest = new Map<string, SeenObject & { readonly tenant: string }>();
  for (const { tenant, seen } of told)
    for (const { id, at } of seen) {
      const key = `${tenant}|${id}`;
      const before = latest.get(key);
      if (!before || before.at < at) latest.set(key, { tenant, id, at });
    }
  return [...latest.values()];
};
