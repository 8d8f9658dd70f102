import type { Duplex } from 'node:stream';
import pg from 'pg';

/** The part of the driver's connection that its types leave out. */
interface Connection {
  attachListeners(stream: Duplex): void;
}

/**
 * The driver reads an answer in a handler of its socket, where nobody catches its errors: one of them, as for a text of
 * more than 512 MiB (ERR_STRING_TOO_LONG), ends the process. Here it ends the connection, and the query that is under
 * way fails with it.
 */
export class ReadingClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const { connection } = this as unknown as { readonly connection: Connection };
    const attach = connection.attachListeners.bind(connection);
    connection.attachListeners = (stream) => {
      const others = new Set(stream.listeners('data'));
      attach(stream);
      for (const read of stream.listeners('data') as ((bytes: Buffer) => void)[]) {
        if (others.has(read)) continue;
        stream.off('data', read);
        stream.on('data', (bytes: Buffer) => {
          try {
            read(bytes);
          } catch (error) {
            stream.destroy(error as Error);
          }
        });
      }
    };
  }
}
