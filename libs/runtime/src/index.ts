export * from './config.js';
export * from './key-file.js';
export * from './logger.js';
export * from './postgres.process.js';
export * from './start.js';
export * from './usage-error.js';
export * from './uuid.js';
