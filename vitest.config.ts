import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: { include: ['**/*.spec.ts'], exclude: ['node_modules', 'dist'], globalSetup: 'test/support/shared-servers.ts' },
});
