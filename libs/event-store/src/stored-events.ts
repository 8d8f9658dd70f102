import type { ClientBase } from 'pg';
import { pageByBytes, schemaOf, type Owner } from '#contracts';
import { inPages } from './in-pages.js';

/** An event as it is stored. */
export interface StoredEvent {
  readonly tenant: string;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly recorded_at: Date;
  readonly data: unknown;
  readonly personal: string | null;
}

const MAX_PAGE_BYTES = 4 * 1_048_576;
export const LEAST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * All events behind those of a stream, in pages: stream by stream in the order of their ids, each in the order of its
 * versions.
 */
export async function* eventPages(
  client: ClientBase,
  owner: Owner,
  after = LEAST_ID,
): AsyncGenerator<readonly StoredEvent[]> {
  const sql = pageByBytes({
    table: `${schemaOf(owner)}.events`,
    key: ['stream', 'version'],
    columns: ['tenant', 'type', 'recorded_at', 'data', 'personal'],
    bytes: 'octet_length(data::text) + coalesce(octet_length(personal), 0)',
    maxRows: '$3::int',
    maxBytes: MAX_PAGE_BYTES,
  });
  // No stream has the least id.
  const first = { stream: after, version: MAX_VERSION };
  yield* inPages<Pick<StoredEvent, 'stream' | 'version'>>(
    async (last, maxRows) => (await client.query<StoredEvent>(sql, [last!.stream, last!.version, maxRows])).rows,
    first,
  ) as AsyncGenerator<readonly StoredEvent[]>;
}
/** The greatest int. */
const MAX_VERSION = 2_147_483_647;

/** The events of one stream, in the order of their versions. */
export interface Stream extends Pick<StoredEvent, 'tenant' | 'stream'> {
  readonly events: AsyncIterable<StoredEvent>;
}

/**
 * Streams in the order of their ids, for folding: a stream may be longer than the memory. Events of one that are not
 * read are skipped.
 */
export async function* streams(client: ClientBase, owner: Owner): AsyncGenerator<Stream> {
  const all = eachEvent(client, owner);
  let next = await all.next();
  while (!next.done) {
    const { tenant, stream } = next.value;
    const events = (async function* (): AsyncGenerator<StoredEvent> {
      for (; !next.done && next.value.stream === stream; next = await all.next()) yield next.value;
    })();
    yield { tenant, stream, events };
    while (!next.done && next.value.stream === stream) next = await all.next();
  }
}

async function* eachEvent(client: ClientBase, owner: Owner): AsyncGenerator<StoredEvent> {
  for await (const page of eventPages(client, owner)) yield* page;
}
