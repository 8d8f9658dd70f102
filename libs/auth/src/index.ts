export * from './checks.js';
export * from './issuer-keys.js';
export * from './jwt.js';
export * from './traces.js';
