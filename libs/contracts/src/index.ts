export * from './access.js';
export * from './directory.js';
export * from './envelope.js';
export * from './group.js';
export * from './outcome.js';
export * from './topics.js';
export * from './user.js';
export * from './views.js';
