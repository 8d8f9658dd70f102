import { setTimeout as delay } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { PARTITIONS, TOPICS } from '#contracts';
import { LOG_KEEP_DAYS, LogUnavailable } from '../log.js';

const TIMEOUT_MS = 30_000;
const POLL_MS = 100;
/** One message holds what came of a body of MAX_BODY_BYTES. */
const MAX_MESSAGE_BYTES = 16 * 1_048_576;
const CONFIGURATION = {
  'max.message.bytes': MAX_MESSAGE_BYTES,
  'retention.ms': LOG_KEEP_DAYS * 86_400_000,
};

/**
 * Makes the topics that are missing, and waits until every partition has a leader that knows it: a consumer that asks too early dies of it.
 * Throws LogUnavailable after 30 s, or what the broker said last.
 */
export const makeTopics = async (admin: Admin, named: (topic: string) => string): Promise<void> => {
  const wanted = TOPICS.map(named);
  const configEntries = Object.entries(CONFIGURATION).map(([name, value]) => ({ name, value: String(value) }));
  for (const since = performance.now(); ; await delay(POLL_MS)) {
    const isLate = performance.now() - since > TIMEOUT_MS;
    try {
      const existing = new Set(await admin.listTopics());
      const topics = wanted.filter((topic) => !existing.has(topic));
      if (topics.length > 0) {
        await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: PARTITIONS, replicationFactor: -1, configEntries })) });
      }
      // Asking for a coordinator makes a new cluster create the topic behind it.
      await admin.fetchOffsets({ groupId: 'muster.probe' });
      const { topics: known } = await admin.fetchTopicMetadata({ topics: [...wanted, '__consumer_offsets'] });
      if (known.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))) {
        // The metadata name a leader before that broker has learnt of it; its own word counts.
        for (const topic of wanted) await admin.fetchTopicOffsets(topic);
        return;
      }
    } catch (error) {
      // Another process makes them at the same moment, or the broker is not done yet.
      if (isLate) throw error;
    }
    if (isLate) throw new LogUnavailable('The topics did not get their leaders in time.');
  }
};
