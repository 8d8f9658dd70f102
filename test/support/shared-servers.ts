import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { findBroker, whatSharedKafkaMisses } from './find-broker.js';
import type { KafkaSettings } from './kafka.js';
import { startDatabaseServer } from './postgres.js';

/**
 * vitest's globalSetup. A broker takes 5 s to start on two cores and a Postgres 1 s, so the suites of a run share one
 * of each. They run in vitest's own process from the moment that the first suite asks for one until the end: a run of
 * unit tests starts neither.
 */
export default async (project: {
  provide(key: 'sharedServers', value: string): void;
}): Promise<() => Promise<void>> => {
  const ends: (() => Promise<void>)[] = [];
  const started = <T extends { stop(): Promise<void> }>(start: () => Promise<T>): (() => Promise<T>) =>
    once(async () => {
      const server = await start();
      ends.push(() => server.stop());
      return server;
    });
  const broker = started(findBroker);
  const databases = started(startDatabaseServer);
  let database: Promise<unknown> = Promise.resolve();
  const answers: Record<string, () => Promise<unknown>> = {
    'what-kafka-misses': once(whatSharedKafkaMisses),
    kafka: async (): Promise<KafkaSettings> => {
      const { settings, newTopicSuffix } = await broker();
      return { ...settings, KAFKA_TOPIC_SUFFIX: await newTopicSuffix() };
    },
    // One after the other: a template must not be in use while it is copied.
    database: () =>
      (database = database
        .catch(() => undefined)
        .then(databases)
        .then((server) => server.newDatabase())),
  };
  const server = createServer((request, response) => {
    // A suite that is busy for seconds does not see that an idle connection was closed, and would ask on it.
    response.setHeader('connection', 'close');
    answers[request.url!.slice(1)]!().then(
      (answer) => response.end(JSON.stringify(answer)),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  project.provide('sharedServers', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
    for (const end of ends) await end();
  };
};

const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
};
