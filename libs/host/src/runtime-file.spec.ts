import { expect, it } from 'vitest';
import { urlHere } from './runtime-file.js';

it.each([
  ['127.0.0.1', 'http://127.0.0.1:80'],
  ['0.0.0.0', 'http://127.0.0.1:80'],
  ['::', 'http://127.0.0.1:80'],
  ['localhost', 'http://127.0.0.1:80'],
  ['::1', 'http://[::1]:80'],
  ['192.0.2.1', 'http://192.0.2.1:80'],
  ['muster.example.org', 'http://muster.example.org:80'],
])('what listens on %s is found at %s', (host, url) => {
  expect(urlHere(host, 80)).toBe(url);
});
