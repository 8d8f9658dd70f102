import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

const TXT = 16;
/** RFC 1035 §4.1.1. */
const NO_ERROR = 0;
const NO_SUCH_NAME = 3;

/** A DNS server on this machine that knows TXT records (RFC 1035 §4), or says nothing at all. */
export class DnsServer {
  /** Name, in small letters → its texts. */
  readonly texts = new Map<string, readonly string[]>();
  isSilent = false;
  private readonly socket: Socket = createSocket('udp4');

  /** Returns its address as a setting takes it. */
  async start(): Promise<string> {
    this.socket.on('message', (query, { port, address }) => {
      if (!this.isSilent) this.socket.send(this.answerTo(query), port, address);
    });
    this.socket.bind(0, '127.0.0.1');
    await once(this.socket, 'listening');
    return `127.0.0.1:${(this.socket.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.socket.close();
  }

  private answerTo(query: Buffer): Buffer {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at]!; length > 0; length = query[at]!) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const question = query.subarray(12, at + 5);
    const texts = query.readUInt16BE(at + 1) === TXT ? this.texts.get(labels.join('.').toLowerCase()) : undefined;
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    // It is an answer, and recursion was there to be asked for.
    header.writeUInt16BE(0x8180 | (texts ? NO_ERROR : NO_SUCH_NAME), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(texts?.length ?? 0, 6);
    return Buffer.concat([header, question, ...(texts ?? []).map(record)]);
  }
}

/** A TXT record of the name in the question; a long text is several pieces. */
const record = (text: string): Buffer => {
  const pieces = (text.match(/[^]{1,200}/g) ?? ['']).map((piece) =>
    Buffer.concat([Buffer.from([Buffer.byteLength(piece)]), Buffer.from(piece)]),
  );
  const data = Buffer.concat(pieces);
  const head = Buffer.alloc(12);
  // The name is at offset 12 of the message.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(TXT, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
};
