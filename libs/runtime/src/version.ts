import { readFileSync } from 'node:fs';

/** The package.json of the project lies above the sources, and above `dist` as well. Throws when there is none. */
const readVersion = (folder: URL): string => {
  try {
    const { name, version } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as {
      name: string;
      version: string;
    };
    if (name === 'muster') return version;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const above = new URL('..', folder);
  if (above.href === folder.href) throw new Error('There is no package.json of Muster above its files.');
  return readVersion(above);
};

/** The version of this program. */
export const VERSION = readVersion(new URL('.', import.meta.url));
