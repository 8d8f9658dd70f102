export * from './log.js';
export * from './handler-fault.filter.js';
export * from './log-transport.js';
export * from './request-reply.js';
export * from './postgres/postgres-log.js';
export * from './kafka/kafka-log.js';
export type { KafkaConnection } from './kafka/connect.js';
export * from './kafka/set-up.js';
