/** Names under which the module provides what is not a class of its own. */
export const CONFIG = Symbol('Config');
export const GATEWAY_POOL = Symbol('pg.Pool of the gateway');
export const USER_QUERIES = Symbol('ResourceQueries<UserRow>');
export const GROUP_QUERIES = Symbol('ResourceQueries<GroupRow>');
export const IDENTITY_REQUESTS = Symbol('RequestReply of identity');
export const GROUP_REQUESTS = Symbol('RequestReply of group');
