import kafkajs, { type AclEntry, type Admin } from 'kafkajs';
import { groupPrefixOf, userOf, type TopicAccess } from '#contracts';
import { kafkaClient, type KafkaConnection } from './connect.js';
import { setScramUsers } from './scram-users.js';

const { AclOperationTypes: MAY, AclPermissionTypes, AclResourceTypes: OF, ResourcePatternTypes } = kafkajs;

export interface KafkaSetUp {
  /** One listener that takes PLAIN in clear text: on this machine, or in this container. */
  readonly administrator: KafkaConnection;
  readonly passwords: ReadonlyMap<string, string>;
  /** The rights of each service. */
  readonly access: ReadonlyMap<string, TopicAccess>;
  /** Rights that were given with another suffix, or by another version, are taken away. */
  readonly topicSuffixes: readonly string[];
}

/**
 * Makes the users of these services and gives each the rights that `access` names: nobody else may do anything. May be
 * done again.
 */
export const setUpKafka = async ({ administrator, passwords, access, topicSuffixes }: KafkaSetUp): Promise<void> => {
  await setScramUsers(administrator, new Map([...passwords].map(([service, password]) => [userOf(service), password])));
  const admin = kafkaClient(administrator, 'muster-set-up').admin();
  await admin.connect();
  try {
    const wanted = [...passwords.keys()].flatMap((service) => aclsOf(service, access.get(service)!, topicSuffixes));
    const present = await presentAcls(admin);
    const missing = without(wanted, present);
    const surplus = without(present, wanted);
    if (missing.length > 0) await admin.createAcls({ acl: missing });
    if (surplus.length > 0) await admin.deleteAcls({ filters: surplus });
  } finally {
    await admin.disconnect();
  }
};

const aclsOf = (service: string, { read, write, make }: TopicAccess, topicSuffixes: readonly string[]): AclEntry[] => {
  const entry = (resourceType: number, resourceName: string, operation: number): AclEntry => ({
    resourceType,
    resourceName,
    operation,
    principal: `User:${userOf(service)}`,
    host: '*',
    permissionType: AclPermissionTypes.ALLOW,
    resourcePatternType: resourceType === OF.GROUP ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
  });
  return [
    ...topicSuffixes.flatMap((suffix) => [
      ...read.map((topic) => entry(OF.TOPIC, topic + suffix, MAY.READ)),
      ...write.map((topic) => entry(OF.TOPIC, topic + suffix, MAY.WRITE)),
      ...make.map((topic) => entry(OF.TOPIC, topic + suffix, MAY.CREATE)),
    ]),
    ...(read.length > 0 ? [entry(OF.GROUP, groupPrefixOf(service), MAY.READ)] : []),
  ];
};

const presentAcls = async (admin: Admin): Promise<AclEntry[]> => {
  const { resources } = await admin.describeAcls({
    resourceType: OF.ANY,
    resourcePatternType: ResourcePatternTypes.ANY,
    operation: MAY.ANY,
    permissionType: AclPermissionTypes.ANY,
  });
  return resources.flatMap(({ resourceType, resourceName, resourcePatternType, acls }) =>
    acls.map((acl) => ({ ...acl, resourceType, resourceName, resourcePatternType })),
  );
};

const keyOf = (acl: AclEntry): string =>
  [
    acl.resourceType,
    acl.resourceName,
    acl.resourcePatternType,
    acl.principal,
    acl.host,
    acl.operation,
    acl.permissionType,
  ].join(' ');
const without = (acls: readonly AclEntry[], others: readonly AclEntry[]): AclEntry[] => {
  const keys = new Set(others.map(keyOf));
  return acls.filter((acl) => !keys.has(keyOf(acl)));
};
