/**
 * The empty server: it answers each request of the cycle with constants, over bare sockets, and keeps nothing. What the
 * load generator reaches against it is the generator's ceiling on this machine. Tells its port to the parent.
 */
import { createServer, type AddressInfo } from 'node:net';
import { CONSTANT_DISPLAY_NAME, CONSTANT_ID } from './cycle.js';

const resource = JSON.stringify({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
  id: CONSTANT_ID,
  externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
  userName: 'constant@bench.example',
  displayName: CONSTANT_DISPLAY_NAME,
  active: true,
  name: { formatted: 'Con Stant', givenName: 'Con', familyName: 'Stant' },
  title: 'Constant',
  emails: [{ type: 'work', value: 'constant@bench.example', primary: true }],
  meta: {
    resourceType: 'User',
    created: '2026-01-01T00:00:00.000Z',
    lastModified: '2026-01-01T00:00:00.000Z',
    version: 'W/"1"',
  },
});
const emptyList = JSON.stringify({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
  totalResults: 0,
  startIndex: 1,
  itemsPerPage: 0,
  Resources: [],
});
const answer = (status: string, body: string): string =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/scim+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const LIST = answer('200 OK', emptyList);
const CREATED = answer('201 Created', resource);
const FOUND = answer('200 OK', resource);

const server = createServer({ noDelay: true }, (socket) => {
  let received = '';
  socket.on('data', (chunk) => {
    // The generator sends ASCII, so that one character is one byte.
    received += chunk.toString('latin1');
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = /\r\nContent-Length: (\d+)/.exec(received.slice(0, headEnd))?.[1] ?? '0';
    if (received.length < headEnd + 4 + Number(length)) return;
    socket.write(received.startsWith('POST') ? CREATED : received.includes('?filter=') ? LIST : FOUND);
    received = '';
  });
  socket.on('error', () => socket.destroy());
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.on('disconnect', () => process.exit());
