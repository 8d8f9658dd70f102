export * from './definition.js';
export * from './face.js';
export { run, type Running } from './run.js';
