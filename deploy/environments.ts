import { roleOf } from '#contracts';
import { roleUrl, type RoleSettings } from '#event-store';
import { SETTINGS } from '#runtime';
import type { SERVICES } from '../apps/muster/src/owners.js';

/** An owner or a face, as a process of its own. */
export type Service = (typeof SERVICES)[number];

/** The program that starts the services knows all of this, and hands to each what it needs. */
export interface Secrets {
  readonly ownerUrl: string;
  readonly roles: RoleSettings;
  /** Base64. */
  readonly masterKey: string;
  readonly apiKey: string;
  readonly commandLineKey: string;
}

/** The variables that hold the passwords of a service where each of them is a container of its own. */
export const databasePasswordOf = (service: string): string => `${roleOf(service).toUpperCase()}_DATABASE_PASSWORD`;
export const kafkaPasswordOf = (service: string): string => `${roleOf(service).toUpperCase()}_KAFKA_PASSWORD`;

/** The system's own, which a Node needs to run and to find its time zone and certificates. */
const OF_THE_SYSTEM = ['PATH', 'HOME', 'TZ', 'LANG', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS'];
/** Settings that lead to secrets of others. */
const NOT_HANDED_ON = ['DATA_DIR', 'DATABASE_ROLE_PREFIX'];

/**
 * The environment of one service: all settings that are no secrets, the URL of its own role, and of the secrets its
 * own. The gateway, which everybody reaches, can neither open what is sealed nor use the admin API, and no service has
 * the rights of the owner.
 */
export const environmentOf = (
  { name: service, secrets: needed = [] }: Service,
  secrets: Secrets,
  settings: Readonly<Record<string, string>>,
  given: NodeJS.ProcessEnv = process.env,
): Record<string, string> => {
  const names = [
    ...OF_THE_SYSTEM,
    ...SETTINGS.flatMap(({ name, secret }) => (secret || NOT_HANDED_ON.includes(name) ? [] : [name])),
  ];
  return {
    ...Object.fromEntries(names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]]))),
    ...settings,
    RUN: service,
    DATABASE_URL: roleUrl(secrets.ownerUrl, roleOf(service), secrets.roles),
    ...(needed.includes('MASTER_KEY') ? { MASTER_KEY: secrets.masterKey } : {}),
    ...(needed.includes('MUSTER_API_KEY') ? { MUSTER_API_KEY: secrets.apiKey } : {}),
    ...(needed.includes('MUSTER_CLI_KEY') ? { MUSTER_CLI_KEY: secrets.commandLineKey } : {}),
  };
};
