import type { MappingLine } from '#contracts';
import { readMapping, type MappingFault } from '#mapping';
import { definitionsOf, Rejected, type TenantSchema } from '#scim';

/** An answer names so many faults, and then how many more there are. */
const MAX_TOLD_FAULTS = 10;

/**
 * Checks an attribute mapping against the attributes that users of the tenant may have. Returns warnings about lines
 * that may be saved. Throws Rejected(invalidValue) that names each line that cannot be saved, and where it is wrong.
 */
export const checkMapping = (
  lines: readonly MappingLine[],
  schemas: readonly TenantSchema[] | null,
): readonly string[] => {
  const read = readMapping(definitionsOf(schemas).user, lines);
  if ('mapping' in read) return read.mapping.warnings.map(sentence);
  const { faults } = read;
  const more = faults.length > MAX_TOLD_FAULTS ? [`and ${faults.length - MAX_TOLD_FAULTS} more`] : [];
  throw new Rejected('invalidValue', [...faults.slice(0, MAX_TOLD_FAULTS).map(sentence), ...more].join('; '));
};

const sentence = ({ index, field, detail }: MappingFault): string =>
  `attributeMapping, line ${index + 1}${field ? `, ${field}` : ''}: ${detail}`;
