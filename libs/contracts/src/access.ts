import { OWNERS, TOPICS, commandsOf, deadOf, eventsOf, outcomesOf, type Owner } from './topics.js';

/**
 * Each process that speaks to Kafka does so as a user of its own, and may do there what its work needs and nothing
 * else. `muster` is the process that holds all of them.
 */
export const SERVICES = ['gateway', 'admin-api', ...OWNERS, 'muster'] as const;
export type Service = (typeof SERVICES)[number];

/** The user of a service, where we name it: in `npm run stack`, docker-compose.yml and the tests. */
export const userOf = (service: Service): string => (service === 'muster' ? 'muster' : `muster-${service}`);

/** The consumer groups of a service begin with this. */
export const groupPrefixOf = (service: Service): string => (service === 'muster' ? 'muster.' : `muster.${service}.`);

export interface TopicAccess {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Topics that it makes where they are missing: an owner makes its own. */
  readonly make: readonly string[];
}

const topicsOf = (owner: Owner): readonly string[] => TOPICS.filter((topic) => topic.startsWith(`${owner}.`));

/** The rights of an owner in its own topics: it alone says what became of its commands. */
const ownerAccess = (owner: Owner, more: Partial<TopicAccess> = {}): TopicAccess => ({
  read: [commandsOf(owner), ...(more.read ?? [])],
  write: [outcomesOf(owner), eventsOf(owner), deadOf(commandsOf(owner)), ...(more.write ?? [])],
  make: topicsOf(owner),
});

/** Which service may do what with which topic: the ACLs of a broker are made of this. */
export const ACCESS: { readonly [service in Service]: TopicAccess } = {
  gateway: {
    read: [outcomesOf('identity'), outcomesOf('group')],
    write: [commandsOf('identity'), commandsOf('group')],
    make: [],
  },
  // An administrator's requests. It looks their outcomes up in the database.
  'admin-api': { read: [], write: OWNERS.map(commandsOf), make: [] },
  identity: ownerAccess('identity'),
  directory: ownerAccess('directory'),
  // A user who is deleted leaves its groups by a command.
  group: ownerAccess('group', { read: [eventsOf('identity')], write: [commandsOf('group')] }),
  muster: { read: TOPICS, write: TOPICS, make: TOPICS },
};
