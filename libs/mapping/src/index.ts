/**
 * Entra's language of attribute mapping, without anything that touches the world. What callers need:
 *
 * - `readMapping(definition, list)` checks the mapping of a directory as somebody typed it, and gives it ready to use or
 *   every fault with its line, its place and what is expected there. Once for each version of a mapping: 0.1 ms a line.
 * - `applyMapping(mapping, current, resource, given)` for each user. It throws Rejected where an expression has
 *   no result for this user.
 * - `compileExpression(text, sources)` for a single expression, with `anySources` to try one on any object.
 */
export { compileExpression, type CompiledExpression, type Sources } from './compile.js';
export { ExpressionFault, type Position } from './fault.js';
export {
  applyMapping,
  MAX_MAPPINGS,
  readMapping,
  WHEN,
  type AttributeMapping,
  type Mapped,
  type Mapping,
  type MappingFault,
  type When,
  type Written,
} from './mapping.js';
export { parseExpression } from './parse.js';
export { printExpression, type Expression } from './syntax.js';
export { anySources, scimSources } from './sources.js';
export { MAX_EVALUATION_STEPS, type Given, type Result } from './run.js';
