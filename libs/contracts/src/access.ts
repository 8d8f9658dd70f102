import { commandsOf, eventsOf, outcomesOf, writtenBy, type Owner } from './topics.js';

/**
 * Each process that speaks to Kafka does so as a user of its own, and may do there what its work needs and nothing
 * else. `muster` is the process that holds all of them.
 */
export const EVERYTHING = 'muster';

/** The user of a service, where we name it: in `npm run stack`, docker-compose.yml and the tests. */
export const userOf = (service: string): string => (service === EVERYTHING ? EVERYTHING : `muster-${service}`);

/** The role of a service in the database, behind the prefix of the installation: its name needs no quotes in SQL. */
export const roleOf = (service: string): string => service.replaceAll('-', '_');

/** The consumer groups of a service begin with this. */
export const groupPrefixOf = (service: string): string => (service === EVERYTHING ? 'muster.' : `muster.${service}.`);

export interface TopicAccess {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Topics that it makes where they are missing: an owner makes its own. */
  readonly make: readonly string[];
}

/** An owner, as far as it concerns others. */
export interface OwnerOnLog {
  readonly name: Owner;
  /** Events of a source cause commands of its own, or are recorded. */
  readonly consumes?: readonly { readonly source: Owner; readonly record?: unknown }[];
  /** A job of its own sends commands to its lane: a timer, for example. */
  readonly sendsToItself?: true;
}
/** A face sends commands, and hears outcomes of some owners; those of others it looks up in the database. */
export interface FaceOnLog {
  readonly name: string;
  readonly sendsTo: readonly Owner[];
  readonly hears: readonly Owner[];
}

/** An owner alone says what became of its commands. */
const ownerAccess = ({ name, consumes = [], sendsToItself }: OwnerOnLog): TopicAccess => {
  const sources = consumes.map(({ source }) => source);
  const reacts = consumes.some(({ record }) => record === undefined);
  const written = writtenBy(name, sources);
  return {
    read: [commandsOf(name), ...sources.map(eventsOf)],
    write: [...written, ...(reacts || sendsToItself ? [commandsOf(name)] : [])],
    make: [commandsOf(name), ...written],
  };
};

const faceAccess = ({ sendsTo, hears }: FaceOnLog): TopicAccess => ({
  read: hears.map(outcomesOf),
  write: sendsTo.map(commandsOf),
  make: [],
});

/** The rights of each service on each topic: the ACLs of a broker are made of this. */
export const accessOf = (
  owners: readonly OwnerOnLog[],
  faces: readonly FaceOnLog[],
): ReadonlyMap<string, TopicAccess> => {
  const topics = owners.flatMap((owner) => ownerAccess(owner).make);
  return new Map([
    ...faces.map((face) => [face.name, faceAccess(face)] as const),
    ...owners.map((owner) => [owner.name, ownerAccess(owner)] as const),
    [EVERYTHING, { read: topics, write: topics, make: topics }],
  ]);
};
