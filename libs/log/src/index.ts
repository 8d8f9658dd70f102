export * from './log.js';
export * from './questions.js';
export * from './request-reply.js';
export * from './postgres/postgres-log.js';
export * from './kafka/kafka-log.js';
export type { KafkaConnection } from './kafka/connect.js';
export * from './kafka/set-up.js';
