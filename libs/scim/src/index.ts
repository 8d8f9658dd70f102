export { applyPatch, comparisonsOf } from './apply-patch.js';
export { readBulkBody } from './bulk-body.js';
export { orderBulk, type BulkStep } from './bulk-order.js';
export {
  BULK_RESPONSE_URN,
  parseBulk,
  resolveBulk,
  resolveValue,
  splitBulk,
  tooLong,
  type BulkMethod,
  type BulkOperation,
  type BulkRequest,
  type BulkWrite,
} from './bulk.js';
export { readCursor, writeCursor, type CursorRequest, type CursorSeal, type Position, type Walk } from './cursor.js';
export { refuseFilter, renderResourceType, renderSchema } from './discovery.js';
export {
  ERROR_URN,
  errorBody,
  errorStatus,
  isRejection,
  orRejection,
  Rejected,
  rejection,
  type ErrorBody,
  type Rejection,
  type RejectionCode,
} from './error.js';
export {
  MAX_FILTER_CHARACTERS,
  MAX_FILTER_DEPTH_LEVELS,
  parseFilter,
  type Filter,
  type Operand,
  type Operator,
} from './filter.js';
export { fold } from './fold.js';
export { foldedAttributes } from './folded.js';
export { outlineOf, parseJson } from './json-text.js';
export { checkText, isEqual, MAX_DEPTH_LEVELS, quote, type Json, type JsonObject } from './json.js';
export { LIST_RESPONSE_URN, listResponse, parsePaging, type PagingLimits, type Place } from './list.js';
export { matches, rememberingFold, valueMatcher } from './matches.js';
export { MAX_PATCH_OPERATIONS, parsePatch, parseTarget, touchesUserName, type PatchOperation } from './patch.js';
export {
  applyChanges,
  diffResource,
  parseReplacement,
  parseResource,
  renderResource,
  type Resource,
  type ResourceEnvelope,
} from './resource.js';
export {
  assumedOf,
  COMMON_ATTRIBUTES,
  definitionsByTenant,
  definitionsOf,
  ENTERPRISE_USER_SCHEMA,
  ENTERPRISE_USER_URN,
  findAttribute,
  findPath,
  findSchema,
  findSubAttribute,
  GROUP,
  GROUP_SCHEMA,
  GROUP_URN,
  pathName,
  STANDARD,
  USER,
  USER_SCHEMA,
  USER_URN,
  type Attribute,
  type AttributePath,
  type AttributeType,
  type Definitions,
  type FoundAttribute,
  type FoundSchema,
  type ResourceDefinition,
  type Schema,
  type TenantSchema,
} from './schema.js';
export { preconditionFailed } from './precondition.js';
export { tooLarge } from './resource-size.js';
export { parseSearch, parseSearchRequest, parseShown, type Search, type Sort } from './search.js';
export { pickAttribute, type Selection } from './selection.js';
export {
  instantOf,
  MAX_KEY_CHARACTERS,
  MAX_MEMBERS_PER_REQUEST,
  MAX_TEXT_CHARACTERS,
  MAX_VALUES_PER_ATTRIBUTE,
} from './value.js';
export { keyBeside, unfitAsKey, uniqueKey } from './unique-key.js';
export { webRoleOf } from './web-role.js';
