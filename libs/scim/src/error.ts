/** The faults that a request can have, in SCIM's words where it has one. */
export type RejectionCode =
  | 'invalidSyntax'
  | 'invalidFilter'
  | 'invalidPath'
  | 'noTarget'
  | 'invalidValue'
  | 'mutability'
  | 'uniqueness'
  | 'tooMany'
  | 'sensitive'
  | 'invalidVers'
  | 'invalidCursor'
  | 'expiredCursor'
  | 'invalidCount'
  | 'unauthorized'
  | 'forbidden'
  | 'notFound'
  | 'methodNotAllowed'
  | 'conflict'
  | 'preconditionFailed'
  | 'requestTimeout'
  | 'tooLarge'
  | 'unsupportedMediaType'
  | 'headersTooLarge'
  | 'keyReused'
  | 'tooManyRequests'
  | 'internal'
  | 'notImplemented'
  | 'unavailable';

/** A fault of a request, as a decision returns it. `detail` tells an administrator what to do. */
export interface Rejection {
  readonly status: 'rejected';
  readonly code: RejectionCode;
  readonly detail: string;
}

export const rejection = (code: RejectionCode, detail: string): Rejection => ({ status: 'rejected', code, detail });

export const isRejection = (value: unknown): value is Rejection =>
  (value as Partial<Rejection> | null | undefined)?.status === 'rejected';

/** Returns what `read` returns, or the rejection that it throws. Other errors are thrown on. */
export const orRejection = <T>(read: () => T): T | Rejection => {
  try {
    return read();
  } catch (error) {
    if (error instanceof Rejected) return rejection(error.code, error.detail);
    throw error;
  }
};

/** A rejection on its way out of a parser or a face, which have nobody to return it to. */
export class Rejected extends Error {
  override readonly name = 'Rejected';

  constructor(
    readonly code: RejectionCode,
    readonly detail: string,
  ) {
    super(detail);
  }
}

export const ERROR_URN = 'urn:ietf:params:scim:api:messages:2.0:Error';

/** The body of an error answer (RFC 7644 §3.12). `status` is a string there. */
export interface ErrorBody {
  readonly schemas: readonly string[];
  readonly status: string;
  readonly scimType?: RejectionCode;
  readonly detail: string;
}

/**
 * RFC 7644 §3.12, tables 8 and 9, and RFC 9865 §2.1: the HTTP status of each code, and whether the code is a scimType.
 */
const ERRORS: { readonly [code in RejectionCode]: readonly [status: number, isScimType: boolean] } = {
  invalidSyntax: [400, true],
  invalidFilter: [400, true],
  invalidPath: [400, true],
  noTarget: [400, true],
  invalidValue: [400, true],
  mutability: [400, true],
  tooMany: [400, true],
  sensitive: [400, true],
  invalidVers: [400, true],
  invalidCursor: [400, true],
  expiredCursor: [400, true],
  invalidCount: [400, true],
  uniqueness: [409, true],
  unauthorized: [401, false],
  forbidden: [403, false],
  notFound: [404, false],
  methodNotAllowed: [405, false],
  conflict: [409, false],
  requestTimeout: [408, false],
  preconditionFailed: [412, false],
  tooLarge: [413, false],
  unsupportedMediaType: [415, false],
  keyReused: [422, false],
  tooManyRequests: [429, false],
  headersTooLarge: [431, false],
  internal: [500, false],
  notImplemented: [501, false],
  unavailable: [503, false],
};

/** The HTTP status of a code. */
export const errorStatus = (code: RejectionCode): number => ERRORS[code][0];

/** The body of the error answer for a code. */
export const errorBody = (code: RejectionCode, detail: string): ErrorBody => {
  const [status, isScimType] = ERRORS[code];
  return { schemas: [ERROR_URN], status: String(status), ...(isScimType ? { scimType: code } : {}), detail };
};
