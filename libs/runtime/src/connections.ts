import { readFileSync } from 'node:fs';
import { UsageError } from './usage-error.js';

/**
 * The connections to Kafka and Postgres. Traffic that leaves this machine goes through TLS, to a server whose
 * certificate and host name were verified, unless the settings say explicitly that the network between is trusted; on
 * this machine neither is asked for.
 */

/** 127.0.0.0/8 and ::1, by number or as localhost; a path is a socket in the file system. */
const isThisMachine = (host: string): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|\[?(0{0,4}:){2,7}0{0,3}1\]?|\/.*)$/i.test(host);

/**
 * The connection as the settings describe it. The log, which knows no settings, has a type of its own, which this one
 * fits.
 */
interface KafkaConnection {
  readonly brokers: readonly string[];
  readonly tls: { readonly ca?: string } | null;
  readonly sasl: {
    readonly mechanism: 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  } | null;
  /**
   * Tells whether a broker with this host name may be spoken to: KAFKA_BROKERS only says where to begin, and a broker
   * names the others.
   */
  mayReach(host: string): boolean;
}

/** The settings as they stand in Config. */
interface KafkaSettings {
  readonly KAFKA_BROKERS?: string;
  readonly KAFKA_SSL?: string;
  readonly KAFKA_SSL_CA_FILE?: string;
  readonly KAFKA_SASL_MECHANISM: string;
  readonly KAFKA_SASL_USERNAME?: string;
  readonly KAFKA_SASL_PASSWORD?: string;
}

/**
 * Throws UsageError, one line, where the settings do not fit together or would go over a network unprotected. null =
 * there is no Kafka.
 */
export const kafkaConnection = (config: KafkaSettings): KafkaConnection | null => {
  const {
    KAFKA_BROKERS,
    KAFKA_SSL,
    KAFKA_SSL_CA_FILE,
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: username,
    KAFKA_SASL_PASSWORD: password,
  } = config;
  if (!KAFKA_BROKERS) return null;
  const brokers = KAFKA_BROKERS.split(',');
  const away = brokers.find((broker) => !isThisMachine(broker.slice(0, broker.lastIndexOf(':'))));
  if ((username === undefined) !== (password === undefined)) {
    throw new UsageError(
      'KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD belong together: set both, or neither for a broker on this machine that asks for none.',
    );
  }
  if (KAFKA_SSL_CA_FILE && KAFKA_SSL !== 'on')
    throw new UsageError('KAFKA_SSL_CA_FILE is of use with KAFKA_SSL=on only: set that, or leave it out.');
  if (away && !KAFKA_SSL) {
    throw new UsageError(
      `KAFKA_BROKERS names ${away}, which is not this machine: set KAFKA_SSL=on, and KAFKA_SSL_CA_FILE where the broker has an authority of its own; ` +
        'KAFKA_SSL=off says that everybody on the network between may read the personal data of users.',
    );
  }
  if (away && !username) {
    throw new UsageError(
      `KAFKA_BROKERS names ${away}, which is not this machine: set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD (or KAFKA_SASL_PASSWORD_FILE).`,
    );
  }
  const mayLeave = Boolean(KAFKA_SSL && username);
  return {
    brokers,
    mayReach: (host) => mayLeave || isThisMachine(host),
    tls:
      KAFKA_SSL === 'on'
        ? KAFKA_SSL_CA_FILE
          ? { ca: readAuthority('KAFKA_SSL_CA_FILE', KAFKA_SSL_CA_FILE) }
          : {}
        : null,
    sasl:
      username && password ? { mechanism: mechanism as 'scram-sha-256' | 'scram-sha-512', username, password } : null,
  };
};

/**
 * Throws UsageError, one line, where `DATABASE_URL` would go over a network unprotected, or asks for a TLS that
 * verifies less than it seems to.
 */
export const checkDatabaseUrl = (databaseUrl: string): void => {
  const url = new URL(databaseUrl);
  const given = (name: string): string | undefined => url.searchParams.getAll(name).at(-1);
  const host = given('host') ?? decodeURIComponent(url.hostname);
  for (const name of ['ssl', 'uselibpqcompat', 'sslnegotiation']) {
    if (url.searchParams.has(name))
      throw new UsageError(
        `DATABASE_URL has ${name}, which changes what sslmode means: leave it out, and say sslmode=verify-full.`,
      );
  }
  const mode = given('sslmode');
  if (mode !== undefined && mode !== 'verify-full' && mode !== 'disable') {
    throw new UsageError(
      `DATABASE_URL has sslmode=${mode}, which verifies the server in some programs and not in others: say sslmode=verify-full, or sslmode=disable.`,
    );
  }
  if (mode === undefined && !isThisMachine(host)) {
    throw new UsageError(
      `DATABASE_URL names ${host}, which is not this machine: add ?sslmode=verify-full, and &sslrootcert=<file> where the server has an authority of its own; ` +
        'sslmode=disable says that everybody on the network between may read what is stored.',
    );
  }
  if (given('sslrootcert') !== undefined) {
    if (mode !== 'verify-full')
      throw new UsageError('DATABASE_URL has sslrootcert, which is of use with sslmode=verify-full only.');
    readAuthority('sslrootcert in DATABASE_URL', given('sslrootcert')!);
  }
};

const readAuthority = (setting: string, file: string): string => {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${setting} names a file that cannot be read: ${(error as Error).message}.`);
  }
  // Node takes anything for a list of authorities, and then trusts nobody.
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new UsageError(`${setting} names a file without a certificate in PEM: ${file}.`);
  return pem;
};
