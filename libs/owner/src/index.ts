export { keepBody, note, notesOf, type Described, type FailedOperation, type Notes } from './answered-requests.js';
export * from './definition.js';
export * from './face.js';
export * from './last-uses.js';
export * from './rounds.js';
export { run, type Running } from './run.js';
