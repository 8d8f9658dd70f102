export * from './child-process.js';
export * from './free-port.js';
export * from './bounded-log.js';
export { backUpPostgres, type BackupReport } from './postgres-backup.js';
export * from './postgres.process.js';
export * from './runtime-file.js';
export * from './supervise.js';
