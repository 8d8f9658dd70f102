/** Names under which the module provides what is not a class of its own. */
export const DRY_RUNS = Symbol('Questions of the admin API what would be');
export const REPLAYS = Symbol('Questions that send requests again');
export const REQUEST_KEEP_DAYS = Symbol('days for which requests are kept');
export const POOL = Symbol('pg.Pool of the admin API');
export const OWNER_REQUESTS = Symbol('RequestReply of each owner');
export const MASTER_SEAL = Symbol('KeySeal of the master key');
export const TOKEN_SEAL = Symbol('TokenSeal');
export const SIGN_IN_URL = Symbol('URL of the sign-in');
export const SCIM_BASE_URL = Symbol('SCIM base URL');
export const BOOTSTRAP_KEY = Symbol('key that makes the others');
export const OWNERS_SENT_TO = Symbol('names of owners');
export const CURSOR_SEAL = Symbol('CursorSeal of the admin API');
export const DNS_SERVERS = Symbol('addresses of DNS servers');
