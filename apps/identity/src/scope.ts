import {
  isRejection,
  matches,
  orRejection,
  parseScope,
  rejection,
  type Filter,
  type Rejection,
  type Resource,
  type ResourceDefinition,
} from '#scim';
import type { SettingsReadBy } from '#contracts';

/** A directory, as far as its scope is concerned. */
type Scoped = Pick<SettingsReadBy<'identity'>, 'scope'> & { readonly name: string };

/** Filters by the directory that has them: a directory as it was loaded is one object, and never changes. */
const READ = new WeakMap<Scoped, { readonly definition: ResourceDefinition; readonly filter: Filter | Rejection }>();

/** Tells whether the directory may let in a user who is stored so. */
export const isInScope = (user: Resource, directory: Scoped, definition: ResourceDefinition): boolean | Rejection => {
  if (directory.scope === '') return true;
  const filter = filterOf(directory, definition);
  return isRejection(filter) ? filter : matches(filter, user);
};

const filterOf = (directory: Scoped, definition: ResourceDefinition): Filter | Rejection => {
  const known = READ.get(directory);
  if (known?.definition === definition) return known.filter;
  const read = orRejection(() => parseScope(definition, directory.scope));
  const filter = isRejection(read)
    ? rejection('conflict', `The scope of the directory "${directory.name}" cannot be used: ${read.detail}`)
    : read;
  READ.set(directory, { definition, filter });
  return filter;
};
