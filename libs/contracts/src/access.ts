import { answersOf, questionsOf, type QuestionKind } from './questions.js';
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
  /** Events of a source cause commands of its own, are recorded, or only say that there is something to read. */
  readonly consumes?: readonly { readonly source: Owner; readonly record?: unknown; readonly notices?: true }[];
  /** A job of its own sends commands to its lane: a timer, for example. */
  readonly sendsToItself?: true;
  /** It says on request what it would decide. */
  readonly answersDryRuns?: true;
}
/** A face sends commands, and hears outcomes of some owners; those of others it looks up in the database. */
export interface FaceOnLog {
  readonly name: string;
  readonly sendsTo: readonly Owner[];
  readonly hears: readonly Owner[];
  /** The owner that is told what the face was asked and answered. */
  readonly tells?: Owner;
  /** The services that it asks what they would do. */
  readonly asks?: readonly string[];
  /** It is asked itself. */
  readonly answersDryRuns?: true;
  /** The face that it asks to send a request again. */
  readonly replaysThrough?: string;
  /** It is asked to itself. */
  readonly answersReplays?: true;
}

/** The kinds of questions that a service answers. */
export const kindsOf = (service: OwnerOnLog | FaceOnLog): readonly QuestionKind[] => [
  ...(service.answersDryRuns ? (['dry-run'] as const) : []),
  ...('answersReplays' in service && service.answersReplays ? (['replay'] as const) : []),
];

/** The topics of questions to a service and of its answers, which it makes. */
export const questionTopicsOf = (service: OwnerOnLog | FaceOnLog): readonly string[] => {
  const { read, write } = answering(service);
  return [...read, ...write];
};

/** An owner alone says what became of its commands. */
const ownerAccess = (owner: OwnerOnLog): TopicAccess => {
  const { name, consumes = [], sendsToItself } = owner;
  const answers = answering(owner);
  const sources = consumes.map(({ source }) => source);
  const reacts = consumes.some(({ record, notices }) => record === undefined && !notices);
  // Nothing is decided of what is only noticed, and so nothing is set aside.
  const taken = consumes.filter(({ notices }) => !notices).map(({ source }) => source);
  const written = writtenBy(name, taken);
  return {
    read: [commandsOf(name), ...sources.map(eventsOf), ...answers.read],
    write: [...written, ...(reacts || sendsToItself ? [commandsOf(name)] : []), ...answers.write],
    make: [commandsOf(name), ...written, ...questionTopicsOf(owner)],
  };
};

/** A service that is asked reads the questions and writes the answers. */
const answering = (service: OwnerOnLog | FaceOnLog): Pick<TopicAccess, 'read' | 'write'> => {
  const kinds = kindsOf(service);
  return {
    read: kinds.map((kind) => questionsOf(service.name, kind)),
    write: kinds.map((kind) => answersOf(service.name, kind)),
  };
};

/** A service that asks does the opposite. */
const asking = ({ asks = [], replaysThrough }: FaceOnLog): Pick<TopicAccess, 'read' | 'write'> => {
  const asked = [
    ...asks.map((service) => [service, 'dry-run'] as const),
    ...(replaysThrough === undefined ? [] : [[replaysThrough, 'replay'] as const]),
  ];
  return {
    read: asked.map(([service, kind]) => answersOf(service, kind)),
    write: asked.map(([service, kind]) => questionsOf(service, kind)),
  };
};

const faceAccess = (face: FaceOnLog): TopicAccess => {
  const { sendsTo, hears, tells } = face;
  const [asks, answers] = [asking(face), answering(face)];
  return {
    read: [...hears.map(outcomesOf), ...asks.read, ...answers.read],
    write: [
      ...sendsTo.map(commandsOf),
      ...(tells === undefined ? [] : [commandsOf(tells)]),
      ...asks.write,
      ...answers.write,
    ],
    make: questionTopicsOf(face),
  };
};

/** The rights of each service on each topic: the ACLs of a broker are made of this. */
export const accessOf = (
  owners: readonly OwnerOnLog[],
  faces: readonly FaceOnLog[],
): ReadonlyMap<string, TopicAccess> => {
  const topics = [...owners.map(ownerAccess), ...faces.map(faceAccess)].flatMap(({ make }) => make);
  return new Map([
    ...faces.map((face) => [face.name, faceAccess(face)] as const),
    ...owners.map((owner) => [owner.name, ownerAccess(owner)] as const),
    [EVERYTHING, { read: topics, write: topics, make: topics }],
  ]);
};
