import { connect as connectSocket, isIP, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import kafkajs, { type Kafka, type SASLOptions } from 'kafkajs';

/** The address of a broker, and the way to connect to it. */
export interface KafkaConnection {
  /** `host:port`, one or more. */
  readonly brokers: readonly string[];
  /**
   * null = no TLS. Otherwise the certificate and the host name are always verified, by `ca` (PEM) or by the authorities
   * that Node knows.
   */
  readonly tls: { readonly ca?: string } | null;
  /** null = the broker asks nobody for a user. */
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  } | null;
  /** Tells whether a broker with this host name may be spoken to; left out = any. */
  mayReach?(host: string): boolean;
}

export const kafkaClient = ({ brokers, tls, sasl, mayReach = () => true }: KafkaConnection, clientId: string): Kafka =>
  new kafkajs.Kafka({
    clientId,
    brokers: [...brokers],
    ...(sasl ? { sasl: sasl as SASLOptions } : {}),
    ssl: tls !== null,
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    // A broker that is away is given up after 4 s, and after 8 s by publish().
    retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 8 },
    socketFactory: ({ host, port, onConnect }) => {
      if (!mayReach(host)) return refusedSocket(host, port);
      const socket = tls
        ? connectTls(
            {
              host,
              port,
              rejectUnauthorized: true,
              ...(tls.ca ? { ca: tls.ca } : {}),
              ...(isIP(host) ? {} : { servername: host }),
            },
            onConnect,
          )
        : connectSocket({ host, port }, onConnect);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
      return socket;
    },
  });

/**
 * A broker on this machine may name others that are elsewhere. Messages to them could be read on the network between.
 */
const refusedSocket = (host: string, port: number): Socket => {
  const socket = new Socket();
  socket.destroy(
    new Error(
      `The broker at KAFKA_BROKERS names ${host}:${port}, which is not this machine: set KAFKA_SSL, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.`,
    ),
  );
  return socket;
};

/** OpenSSL's and Node's names for a certificate that is not accepted. */
const CERTIFICATE =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|CERT_\w+|(DEPTH_ZERO_)?SELF_SIGNED_CERT\w*|UNABLE_TO_(VERIFY|GET|DECRYPT|DECODE)_\w+|ERROR_IN_CERT_\w+|HOSTNAME_MISMATCH|INVALID_CA)$/;

/** An error, its cause, the cause of that, and so on. */
const causesOf = (error: unknown): (Error & { readonly code?: unknown; readonly type?: unknown })[] => {
  if (!(error instanceof Error)) return [];
  const { errors = [] } = error as { errors?: readonly unknown[] };
  return [error, ...[error.cause, ...errors].flatMap(causesOf)];
};

const AUTHORIZATION = /_AUTHORIZATION_FAILED$/;
export const isNotAllowed = (error: unknown): boolean =>
  causesOf(error).some(({ type }) => AUTHORIZATION.test(String(type)));

const isStranger = (error: unknown): boolean =>
  causesOf(error).some((cause) => cause instanceof kafkajs.KafkaJSSASLAuthenticationError);
/** A broker that was made anew may be without its users for so long after its start. */
const USERS_TIMEOUT_MS = 5_000;
const ASK_AGAIN_AFTER_MS = 250;

/**
 * Asks a broker again that does not know the user, until it has had the time to be given its users. Throws its last
 * answer.
 */
export const untilKnown = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (const since = performance.now(); ; await delay(ASK_AGAIN_AFTER_MS)) {
    try {
      return await ask();
    } catch (error) {
      if (!isStranger(error) || performance.now() - since > USERS_TIMEOUT_MS) throw error;
    }
  }
};

/** The reason why a broker refuses this client, in one line; null = another attempt may succeed. */
export const whyRefused = (error: unknown, { brokers, sasl }: KafkaConnection): string | null => {
  for (const cause of causesOf(error)) {
    const { code, type, message } = cause;
    if (cause instanceof kafkajs.KafkaJSSASLAuthenticationError) {
      return `Kafka (${brokers.join(',')}) does not let ${sasl ? `the user ${sasl.username}` : 'us'} in: check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.`;
    }
    if (CERTIFICATE.test(String(code))) {
      return (
        `The certificate of Kafka (${brokers.join(',')}) is not accepted (${message.replace(/^Connection error: /, '')}): ` +
        'KAFKA_SSL_CA_FILE names the authority that signed it, and KAFKA_BROKERS the hosts that it is made for.'
      );
    }
    if (AUTHORIZATION.test(String(type))) {
      return `Kafka does not allow ${sasl ? `the user ${sasl.username}` : 'an unknown user'} what Muster has to do there (${message}): docs/kafka-access.md says what each service needs.`;
    }
  }
  return null;
};
