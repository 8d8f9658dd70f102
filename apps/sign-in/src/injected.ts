/** Names under which the module provides what is not a class of its own. */
export const POOL = Symbol('pg.Pool of the sign-in');
export const CONFIG = Symbol('Config');
export const LOGGER = Symbol('Logger of the sign-in');
export const DIRECTORY_REQUESTS = Symbol('RequestReply of directory');
export const MASTER_SEAL = Symbol('KeySeal');
