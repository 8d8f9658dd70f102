/** The name of an owner: its schema and its role have it, and its topics begin with it. */
export type Owner = string;

/** The schema of an owner, as SQL: `group` is a reserved word. */
export const schemaOf = (owner: Owner): string => `"${owner}"`;

export const commandsOf = (owner: Owner): string => `${owner}.commands`;
/** The owner of a topic of events; null = it is no such topic. */
export const sourceOf = (topic: string): Owner | null =>
  topic.endsWith(eventsOf('')) ? topic.slice(0, -eventsOf('').length) : null;
export const outcomesOf = (owner: Owner): string => `${owner}.outcomes`;
export const eventsOf = (owner: Owner): string => `${owner}.events`;
export const deadOf = (topic: string): string => `${topic}.dead`;
/** Events of another owner that a consumer could not take. */
export const deadEventsOf = (owner: Owner, source: Owner): string => deadOf(`${owner}.${eventsOf(source)}`);

/** Commands are sent by others and wanted by one lane; all other topics are written by their owner. */
export const isCommandTopic = (topic: string): boolean => topic.endsWith(commandsOf(''));

/** The topics that an owner writes besides its commands. `consumes` are the other owners whose events it takes. */
export const writtenBy = (owner: Owner, consumes: readonly Owner[]): readonly string[] => [
  deadOf(commandsOf(owner)),
  outcomesOf(owner),
  eventsOf(owner),
  ...consumes.filter((source) => source !== owner).map((source) => deadEventsOf(owner, source)),
];

/**
 * Partitions of every topic on both logs. Never changed: the lane of a tenant would move while messages are under way.
 */
export const PARTITIONS = 12;

/** The partition of a tenant: murmur2 of the key as Kafka's own clients compute it, so that both logs agree. */
export const partitionOf = (tenant: string): number =>
  (murmur2(new TextEncoder().encode(tenant)) & 0x7fffffff) % PARTITIONS;

/** MurmurHash2, 32 bit, with the seed of Kafka's default partitioner. */
const murmur2 = (bytes: Uint8Array): number => {
  const multiplier = 0x5bd1e995;
  let hash = 0x9747b28c ^ bytes.length;
  const words = bytes.length >> 2;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let word = 0; word < words; word++) {
    let k = Math.imul(view.getInt32(word * 4, true), multiplier);
    k ^= k >>> 24;
    hash = Math.imul(hash, multiplier) ^ Math.imul(k, multiplier);
  }
  const rest = words * 4;
  const tail = bytes.length - rest;
  if (tail === 3) hash ^= view.getUint8(rest + 2) << 16;
  if (tail >= 2) hash ^= view.getUint8(rest + 1) << 8;
  if (tail >= 1) hash = Math.imul(hash ^ view.getUint8(rest), multiplier);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, multiplier);
  return hash ^ (hash >>> 15);
};
