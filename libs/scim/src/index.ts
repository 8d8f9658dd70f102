export * from './error.js';
export * from './filter.js';
export * from './fold.js';
export * from './list.js';
export * from './patch.js';
export * from './resource.js';
export * from './schema.js';
