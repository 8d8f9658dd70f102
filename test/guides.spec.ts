import { expect, it } from 'vitest';
import { DIRECTORY_KINDS } from '#contracts';
import { guideOf } from '../apps/admin-api/src/guides/guide.js';
import { newProgram } from '../apps/cli/src/commands.js';
import { guided } from './support/guides.js';

it.each(DIRECTORY_KINDS)('the guide of the kind %s names commands and options that there are', (kind) => {
  const commands = [...guideOf(guided(kind)).matchAll(/`npm run -s cli -- (\w+) ([\w-]+)([^`]*)`/g)];
  expect(commands.length).toBeGreaterThan(0);
  for (const [text, noun, name, rest] of commands) {
    const command = newProgram()
      .commands.find((one) => one.name() === noun)
      ?.commands.find((one) => one.name() === name);
    expect(command, text).toBeDefined();
    for (const [option] of rest!.matchAll(/--[\w-]+/g))
      if (option !== '--help')
        expect(
          command!.options.map(({ long }) => long),
          text,
        ).toContain(option);
  }
});
