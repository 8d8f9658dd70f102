import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** These files take minutes, and one that begins last runs alone at the end. */
const LONGEST = ['test/hostile/hostile.spec.ts', 'test/fault/fault.spec.ts'];

/** The longest files first. In a clean clone vitest knows no durations: it begins with the files that have most text. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean => LONGEST.some((path) => moduleId.endsWith(`/${path}`));
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

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
    sequence: { sequencer: LongestFirst },
    // As above: the default of 1 s is too short for a busy machine.
    expect: { poll: { timeout: 30_000 } },
    globalSetup: 'test/support/shared-servers.ts',
  },
});
