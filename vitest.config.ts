import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  // Where vitest runs globalSetup: without this it would take the compiled files, of whatever was compiled last.
  environments: { __vitest__: { resolve: { conditions: ['source', 'node'] } } },
  // Two files at a time: tests wait for servers most of the time, and on two cores vitest would run one.
  test: {
    maxWorkers: 2,
    // Properties compute for seconds: on a busy machine the default of 5 s would end them.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    include: ['**/*.spec.ts'],
    exclude: ['node_modules', 'dist'],
    globalSetup: 'test/support/shared-servers.ts',
  },
});
