import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, keyFile, readConfig } from '#runtime';
import { startServer, type Server } from '../../apps/all-in-one/src/server.module.js';
import type { SharedKafka } from './kafka.js';
import { newDatabase } from './postgres.js';

export interface Muster {
  readonly server: Server;
  /** Where this machine reaches its SCIM endpoint. */
  readonly scimUrl: string;
  /** Of its first directory. */
  readonly token: string;
  /** URL of its database, as the owner. */
  readonly database: string;
  readonly masterKey: Buffer;
  stop(): Promise<void>;
}

/** All services in this process, on a database of their own; with `kafka` they talk over it. Clients are shown PUBLIC_URL. */
export const startMuster = async (kafka?: SharedKafka): Promise<Muster> => {
  process.env.LOG_LEVEL = 'silent';
  const dataDir = mkdtempSync(join(tmpdir(), 'muster-test-'));
  const config = readConfig({
    DATA_DIR: dataDir, PUBLIC_URL: 'https://scim.example.org',
    ...(kafka ? { KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC_SUFFIX: kafka.topicSuffix } : {}),
  });
  // Port 0 is left to the system.
  const database = await newDatabase();
  const server = await startServer(Object.assign(config, { PORT: 0 }), database, createLogger('test'));
  const { token } = server.directory;
  if (token === null) throw new Error('The first directory has no token.');
  return {
    server, token, database, masterKey: Buffer.from(keyFile(dataDir, 'master.key'), 'base64'), scimUrl: `http://127.0.0.1:${server.port}/api/scim/v2`,
    stop: async () => {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
