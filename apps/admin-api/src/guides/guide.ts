import type { DirectoryKind } from '#contracts';
import { entraGuide } from './entra.js';
import type { GuidedDirectory } from './guided.js';
import { oktaGuide } from './okta.js';
import { scimGuide } from './scim.js';
import { strictGuide } from './strict.js';

const GUIDES: { readonly [kind in DirectoryKind]: (directory: GuidedDirectory) => string } = {
  entra: entraGuide,
  okta: oktaGuide,
  scim: scimGuide,
  strict: strictGuide,
};

/**
 * How the directory is connected: Markdown without a headline, in the words and the order of the forms of its identity
 * provider.
 */
export const guideOf = (directory: GuidedDirectory): string => GUIDES[directory.kind](directory);

/** A guide as a document of its own. */
export const guideDocument = (directory: GuidedDirectory): string =>
  `# Connect ${inline(directory.name)}\n\n${guideOf(directory)}`;

/** A name that an administrator has typed is no Markdown. */
const inline = (text: string): string =>
  text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_{}[\]<>()#+!|~-]/g, String.raw`\$&`);
