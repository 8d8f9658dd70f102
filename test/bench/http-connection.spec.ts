import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpConnection, NoAnswer, NotSent } from './http-connection.js';

const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const TEXT = '{"displayName":"Zoë"}';
const BYTES = Buffer.from(TEXT);
/** The letter of two bytes is in two chunks. */
const CUT = BYTES.indexOf(0xc3) + 1;
const chunk = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
const CHUNKED = Buffer.concat([
  Buffer.from(HEAD),
  chunk(BYTES.subarray(0, CUT)),
  chunk(BYTES.subarray(CUT)),
  Buffer.from('0\r\n\r\n'),
]);

let server: Server | undefined;
let connection: HttpConnection | undefined;
afterEach(async () => {
  connection?.close();
  await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  server = undefined;
});

/** A connection to a server that does this with every request. */
const connectTo = async (answer: (socket: Socket) => void): Promise<HttpConnection> => {
  server = createServer((socket) =>
    socket
      .setNoDelay(true)
      .on('data', () => answer(socket))
      .on('error', () => {}),
  );
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  connection = new HttpConnection('127.0.0.1', (server.address() as AddressInfo).port, 10_000);
  return connection;
};
const sendByteByByte = (socket: Socket, at = 0): void => {
  if (at < CHUNKED.length)
    socket.write(CHUNKED.subarray(at, at + 1), () => setImmediate(() => sendByteByByte(socket, at + 1)));
};

describe('an answer in chunks', () => {
  it('is read however it is cut, one after the other on the same connection', async () => {
    const http = await connectTo((socket) => sendByteByByte(socket));
    expect(await http.send('GET / HTTP/1.1\r\n\r\n')).toMatchObject({ status: 200, body: TEXT });
    expect(await http.send('GET / HTTP/1.1\r\n\r\n')).toMatchObject({ status: 200, body: TEXT });
  });

  it('that breaks off is no answer', async () => {
    const http = await connectTo((socket) => socket.end(CHUNKED.subarray(0, -5)));
    await expect(http.send('GET / HTTP/1.1\r\n\r\n')).rejects.toBeInstanceOf(NoAnswer);
  });

  it.each(['x\r\n', `${HEAD.length.toString(16)}\r\n${HEAD}--`])('that is none is no answer: %j', async (body) => {
    const http = await connectTo((socket) => socket.write(HEAD + body));
    await expect(http.send('GET / HTTP/1.1\r\n\r\n')).rejects.toBeInstanceOf(NoAnswer);
  });
});

it('a request to nobody was not sent', async () => {
  const http = await connectTo(() => {});
  await new Promise<void>((resolve) => server!.close(() => resolve()));
  server = undefined;
  await expect(http.send('GET / HTTP/1.1\r\n\r\n')).rejects.toBeInstanceOf(NotSent);
});
