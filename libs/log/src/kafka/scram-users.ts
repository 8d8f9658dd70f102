import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { LogUnavailable } from '../log.js';
import type { KafkaConnection } from './connect.js';

/**
 * Sets the passwords of SCRAM users, which kafkajs has no call for: KIP-554, AlterUserScramCredentials. Only salted
 * passwords are sent. https://kafka.apache.org/protocol gives the layout of each request; numbers are big-endian.
 */

const TIMEOUT_MS = 10_000;
/**
 * The least that Kafka takes. A client works as long at each connection, and our passwords are random: more would
 * protect nothing.
 */
const ITERATIONS = 4_096;
const SCRAM_SHA_512 = 2;

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
/** Seven bits in a byte, the lowest first. */
const varint = (value: number): Buffer => Buffer.from(value < 0x80 ? [value] : [(value & 0x7f) | 0x80, value >> 7]);
/** A compact value has its length plus one before it. */
const compact = (bytes: Buffer | string): Buffer =>
  Buffer.concat([varint(Buffer.byteLength(bytes) + 1), Buffer.from(bytes as string)]);
const text = (value: string): Buffer => Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
/** No tagged fields. */
const NO_TAGS = varint(0);

interface Reply {
  /** Rejects when the connection ends. */
  ask(apiKey: number, version: number, body: Buffer): Promise<Buffer>;
  end(): void;
}

/**
 * One connection in clear text: to a broker of this machine, or of this container. Answers come without their
 * correlation id.
 */
const open = async (broker: string): Promise<Reply> => {
  const colon = broker.lastIndexOf(':');
  const socket = connect({
    host: broker.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(broker.slice(colon + 1)),
    timeout: TIMEOUT_MS,
  });
  let received = Buffer.alloc(0);
  let waiting: { resolve(answer: Buffer): void; reject(error: Error): void } | undefined;
  const fail = (error?: Error): void => {
    socket.destroy();
    waiting?.reject(error ?? new LogUnavailable(`Kafka (${broker}) closed the connection.`));
  };
  socket
    .on('error', fail)
    .on('close', () => fail())
    .on('timeout', () => fail(new LogUnavailable(`Kafka (${broker}) does not answer.`)));
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
    const answer = received.subarray(8, 4 + received.readInt32BE(0));
    received = received.subarray(4 + received.readInt32BE(0));
    waiting?.resolve(answer);
  });
  return {
    ask: (apiKey, version, body) => {
      const request = Buffer.concat([int16(apiKey), int16(version), int32(0), text('muster-set-up'), body]);
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        if (socket.destroyed) fail();
        else socket.write(Buffer.concat([int32(request.length), request]));
      });
    },
    end: () => socket.destroy(),
  };
};

const refuseUnless = (code: number, what: string): void => {
  if (code !== 0) throw new Error(`Kafka answers ${what} with error ${code}.`);
};

/**
 * Sets them as an administrator whom the broker takes by PLAIN in clear text. Users that exist get the new password.
 */
export const setScramUsers = async (
  { brokers, sasl }: KafkaConnection,
  passwords: ReadonlyMap<string, string>,
): Promise<void> => {
  const upsertions = [...passwords].map(([user, password]) => {
    const salt = randomBytes(32);
    const salted = pbkdf2Sync(password, salt, ITERATIONS, 64, 'sha512');
    return Buffer.concat([
      compact(user),
      Buffer.from([SCRAM_SHA_512]),
      int32(ITERATIONS),
      compact(salt),
      compact(salted),
      NO_TAGS,
    ]);
  });
  const connection = await open(brokers[0]!);
  try {
    // SaslHandshake and SaslAuthenticate
    refuseUnless((await connection.ask(17, 1, text('PLAIN'))).readInt16BE(0), 'the choice of PLAIN');
    const login = Buffer.from(`\0${sasl?.username}\0${sasl?.password}`);
    refuseUnless(
      (await connection.ask(36, 0, Buffer.concat([int32(login.length), login]))).readInt16BE(0),
      `the login of ${sasl?.username}`,
    );
    // AlterUserScramCredentials: header of version 2, no deletions.
    const answer = await connection.ask(
      51,
      0,
      Buffer.concat([NO_TAGS, varint(1), varint(upsertions.length + 1), ...upsertions, NO_TAGS]),
    );
    // Tags of the header, throttle time, then an array of user, error code, message.
    let at = 6;
    for (const user of passwords.keys()) {
      at += answer[at]!;
      refuseUnless(answer.readInt16BE(at), `the password of ${user}`);
      at += 2 + Math.max(1, answer[at + 2]!) + 1;
    }
  } finally {
    connection.end();
  }
};
