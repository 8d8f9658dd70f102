export { applyPatch, comparisonsOf } from './apply-patch.js';
export { readBulkBody } from './bulk-body.js';
export { orderBulk } from './bulk-order.js';
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
export { readCursor, writeCursor, type CursorSeal, type Position } from './cursor.js';
export { refuseFilter, renderResourceType, renderSchema } from './discovery.js';
export {
  errorBody,
  errorStatus,
  isRejection,
  orRejection,
  Rejected,
  rejection,
  type Rejection,
  type RejectionCode,
} from './error.js';
export { parseFilter, parseScope, type Filter, type Operator } from './filter.js';
export { fold } from './fold.js';
export { foldedAttributes } from './folded.js';
export { outlineOf, parseJson } from './json-text.js';
export { checkText, isEqual, isJsonObject, isObject, quote, type Json, type JsonObject } from './json.js';
export { listResponse, type PagingLimits, type Place } from './list.js';
export { isWithin, localTarget, valueAt, withValueAt } from './local-attributes.js';
export { matches, rememberingFold, valueMatcher } from './matches.js';
export { isReadOnly, parsePatch, parseTarget, touchesUserName, type PatchOperation, type Target } from './patch.js';
export {
  applyChanges,
  attributeValue,
  diffResource,
  parseReplacement,
  parseResource,
  readOnlyOf,
  renderResource,
  type Resource,
} from './resource.js';
export {
  assumedOf,
  COMMON_ATTRIBUTES,
  definitionsByTenant,
  definitionsOf,
  ENTERPRISE_USER_URN,
  findPath,
  findSchema,
  GROUP,
  STANDARD,
  USER,
  USER_URN,
  WEB_ROLES,
  type Attribute,
  type AttributePath,
  type AttributeType,
  type Definitions,
  type FoundAttribute,
  type ResourceDefinition,
  type Schema,
  type TenantSchema,
  type WebRole,
} from './schema.js';
export { parseRequired, type RequiredAttribute } from './required-attributes.js';
export { preconditionFailed } from './precondition.js';
export { tooLarge } from './resource-size.js';
export { parseSearch, parseSearchRequest, parseShown, type Search, type Sort } from './search.js';
export { pickAttribute, type Selection } from './selection.js';
export { instantOf, MAX_KEY_CHARACTERS, MAX_MEMBERS_PER_REQUEST, MAX_TEXT_CHARACTERS } from './value.js';
export { displayedNameOf } from './displayed-name.js';
export { keyBeside, nameKey, unfitAsKey, uniqueKey } from './unique-key.js';
export {
  effectiveRoleOf,
  lowerOf,
  roleSourcesOf,
  unknownRolesOf,
  webRoleOf,
  withRolesWithin,
  type RoleRules,
  type RoleSource,
} from './web-role.js';
export { writerOf, Writing, type Writer } from './writer.js';
