export * from './database.js';
export * from './handle-batch.js';
export * from './migrate.js';
export { OutcomeRetention, type OutcomeRetentionOptions } from './outcome-retention.job.js';
export * from './outcomes.js';
export * from './seal.js';
export * from './upcast.js';
export * from './verify.js';
