export * from './definition.js';
export * from './run-owner.js';
