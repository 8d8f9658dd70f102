import kafkajs from 'kafkajs';
import { expect, it } from 'vitest';
import { PARTITIONS, partitionOf } from './topics.js';

it('puts a tenant into the partition that a Kafka client would choose for its key', () => {
  const choose = kafkajs.Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: PARTITIONS }, (_, partitionId) => ({
    partitionId,
    leader: 0,
    replicas: [0],
    isr: [0],
    partitionErrorCode: 0,
  }));
  for (const key of ['', 'a', 'ab', 'abc', 'abcd', '0197f0a4-7a3e-7c11-9d8e-5b6f0c3a2d10', 'späße', '🙂🙂']) {
    expect(partitionOf(key), key).toBe(choose({ topic: 't', partitionMetadata, message: { key, value: null } }));
  }
});
