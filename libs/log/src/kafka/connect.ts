import { connect as connectSocket, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import kafkajs, { type Kafka, type SASLOptions } from 'kafkajs';

/** How a broker is reached. */
export interface KafkaConnection {
  /** `host:port`, one or more. */
  readonly brokers: readonly string[];
  /** null = no TLS. Otherwise the certificate and the host name are always verified, by `ca` (PEM) or by the authorities that Node knows. */
  readonly tls: { readonly ca?: string } | null;
  /** null = nobody asks who we are. */
  readonly sasl: { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string } | null;
}

export const kafkaClient = ({ brokers, tls, sasl }: KafkaConnection, clientId: string): Kafka =>
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
      const socket = tls
        ? connectTls({ host, port, rejectUnauthorized: true, ...(tls.ca ? { ca: tls.ca } : {}), ...(isIP(host) ? {} : { servername: host }) }, onConnect)
        : connectSocket({ host, port }, onConnect);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
      return socket;
    },
  });

/** OpenSSL's and Node's names for a certificate that is not accepted. */
const CERTIFICATE = /^(ERR_TLS_CERT_ALTNAME_INVALID|CERT_\w+|(DEPTH_ZERO_)?SELF_SIGNED_CERT\w*|UNABLE_TO_(VERIFY|GET|DECRYPT|DECODE)_\w+|ERROR_IN_CERT_\w+|HOSTNAME_MISMATCH|INVALID_CA)$/;

/** Why a broker will not have us, in one line; null = another attempt may succeed. */
export const whyRefused = (error: unknown, { brokers, sasl }: KafkaConnection): string | null => {
  for (let cause = error as (Error & { code?: unknown; type?: unknown }) | undefined; cause; cause = cause.cause as typeof cause) {
    if (cause.name === 'KafkaJSSASLAuthenticationError') {
      return `Kafka (${brokers.join(',')}) does not let ${sasl ? `the user ${sasl.username}` : 'us'} in: check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.`;
    }
    if (CERTIFICATE.test(String(cause.code))) {
      return `The certificate of Kafka (${brokers.join(',')}) is not accepted (${cause.message.replace(/^Connection error: /, '')}): `
        + 'KAFKA_SSL_CA_FILE names the authority that signed it, and KAFKA_BROKERS the hosts that it is made for.';
    }
    if (String(cause.type).endsWith('_AUTHORIZATION_FAILED')) {
      return `Kafka does not allow ${sasl ? `the user ${sasl.username}` : 'an unknown user'} what Muster has to do there (${cause.message}): docs/kafka-access.md says what each service needs.`;
    }
  }
  return null;
};
