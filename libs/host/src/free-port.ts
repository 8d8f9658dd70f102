import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/**
 * Below the ports that systems lend to outgoing connections (Linux from 32768, RFC 6335 §6 from 49152): a server that
 * is restarted on its port must not find it lent to a client, nor may clients that dial it meanwhile connect to
 * themselves.
 */
const LOWEST_PORT = 20_000;
const HIGHEST_PORT = 32_000;
const ATTEMPTS = 100;

const isFree = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const server = createServer().once('error', () => done(false));
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });

/**
 * Holds the UDP port of the same number until this process ends, which the servers here never use. Seconds may pass
 * before the server of a chosen port listens; until then another installation on this machine would find it free.
 */
const isReserved = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = createSocket('udp4').unref();
    socket.once('error', () => {
      socket.close();
      done(false);
    });
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => done(true));
  });

/**
 * A loopback port that nobody listens on now, and that no other process gets here for as long as this one lives.
 * Throws when 100 of them are taken.
 */
export const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT);
    if ((await isReserved(port)) && (await isFree(port))) return port;
  }
  throw new Error(`No free port on 127.0.0.1 between ${LOWEST_PORT} and ${HIGHEST_PORT}.`);
};
