import { setTimeout as delay } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { PARTITIONS } from '#contracts';
import { LOG_KEEP_DAYS, LogUnavailable } from '../log.js';
import { isNotAllowed } from './connect.js';
import { MAX_MESSAGE_BYTES } from './kafka-message.js';

const TIMEOUT_MS = 30_000;
/** Rights that were given a moment ago reach a broker within milliseconds. */
const REFUSED_TIMEOUT_MS = 5_000;
const POLL_MS = 100;
const CONFIGURATION = { 'max.message.bytes': MAX_MESSAGE_BYTES, 'retention.ms': LOG_KEEP_DAYS * 86_400_000 };

/** Topics and groups as Kafka knows them. */
export interface Wanted {
  /** Topics of this service, which makes those that are missing. */
  readonly own: readonly string[];
  /** Topics of other owners, who make them. */
  readonly heard: readonly string[];
  readonly groups: readonly string[];
}

/**
 * Makes our topics that are missing, and waits until every partition that we consume has a leader that knows it, and
 * every group of ours a coordinator: a consumer that asks too early dies of it. Throws LogUnavailable after 30 s, or
 * the last answer of the broker; after 5 s if the broker answers that we may not.
 */
export const makeTopics = async (admin: Admin, { own, heard, groups }: Wanted): Promise<void> => {
  const wanted = [...new Set([...own, ...heard])];
  const configEntries = Object.entries(CONFIGURATION).map(([name, value]) => ({ name, value: String(value) }));
  let missing: readonly string[] = wanted;
  for (const since = performance.now(); ; await delay(POLL_MS)) {
    const waitedMs = performance.now() - since;
    const isLate = waitedMs > TIMEOUT_MS;
    try {
      const existing = new Set(await admin.listTopics());
      missing = wanted.filter((topic) => !existing.has(topic));
      const topics = own.filter((topic) => !existing.has(topic));
      if (topics.length > 0) {
        await admin.createTopics({
          topics: topics.map((topic) => ({ topic, numPartitions: PARTITIONS, replicationFactor: -1, configEntries })),
        });
      }
      if (missing.length === topics.length) {
        // Asking for a coordinator makes a new cluster create the topic behind it.
        for (const groupId of groups) await admin.fetchOffsets({ groupId });
        const { topics: known } = await admin.fetchTopicMetadata({ topics: wanted });
        if (known.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))) {
          // The metadata name a leader before that broker has learnt of it; its own word counts.
          for (const topic of wanted) await admin.fetchTopicOffsets(topic);
          return;
        }
      }
    } catch (error) {
      // The broker is not done yet, or another process makes them at the same moment.
      if (isLate || (waitedMs > REFUSED_TIMEOUT_MS && isNotAllowed(error))) throw error;
    }
    if (isLate)
      throw new LogUnavailable(
        `Not all topics were there in time${missing.length > 0 ? `: their owners have not made ${missing.join(', ')}, or the user may not see them (docs/kafka-access.md)` : ''}.`,
      );
  }
};
