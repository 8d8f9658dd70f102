/** An answer that refuses, as far as it says what is to be done. */
export interface Refusal {
  readonly status: number;
  readonly scimType: string | null;
  readonly detail: string | null;
  readonly method: string;
}

const HOLDER = /taken by the (user|group) with the id ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/;

/** The user or group that has what a refused request wanted; null = the answer names none. */
export const holderIn = (detail: string | null): { readonly type: 'user' | 'group'; readonly id: string } | null => {
  const [, type, id] = HOLDER.exec(detail ?? '') ?? [];
  return id === undefined ? null : { type: type as 'user' | 'group', id };
};

const BY_TYPE: Readonly<Record<string, string>> = {
  mutability:
    'Take the attribute out of the attribute mappings at the identity provider: it is read-only, or must not be removed.',
  invalidValue:
    'Correct the value in the source, or the attribute mapping that makes it, at the identity provider, and provision the object again.',
  invalidPath:
    'Correct the target attribute in the attribute mappings at the identity provider: schema list and the path /Schemas show those that there are.',
  noTarget:
    'The filter in the path fits no value: send the value first, or correct the target attribute in the attribute mappings.',
  invalidFilter: 'Correct the matching attribute at the identity provider: it asks by a filter that cannot be read.',
  invalidSyntax: 'The body is no SCIM that can be read: look at it with request show, and correct the client.',
  tooMany: 'Ask for less at once: the answer or the change is larger than the limit.',
  invalidCursor: 'The client must begin its list anew, without a cursor.',
  expiredCursor: 'The client must begin its list anew, without a cursor.',
};

const BY_STATUS: Readonly<Record<number, string>> = {
  401: 'Enter a token that is good at the identity provider: token list shows which have expired or were revoked, and token create makes another one.',
  403: 'If the directory is disabled, enable it with directory enable; otherwise the answer says what this token may not do.',
  404: 'Nothing is there: provision the object on demand at the identity provider, so that it is looked up and made anew.',
  409: 'Look at what is there with the same name, and send the request again when one of them was changed.',
  412: 'Somebody else has changed the object meanwhile: the client must read it again and repeat its change.',
  413: 'Send less in one request.',
  415: 'The client must send application/scim+json or application/json.',
  429: 'Nothing needs to be done if it happens seldom: the client sends it again after Retry-After. Otherwise let it send fewer at once.',
};

/**
 * Says in a sentence what an administrator does about a refused request. `nameOf` names a user or group by its id; null =
 * nobody knows it.
 */
export const whatToDo = (
  { status, scimType, detail, method }: Refusal,
  nameOf: (id: string) => string | null,
): string => {
  const holder = holderIn(detail);
  if (holder) {
    const name = nameOf(holder.id);
    const who = `the ${holder.type} ${name === null ? holder.id : `"${name}" (${holder.id})`}`;
    return method === 'POST'
      ? `Give one of the two another value at the identity provider, or rename, transfer or delete ${who}, which has it; then provision again.`
      : `Choose another value at the identity provider: ${who} has this one.`;
  }
  if (status >= 500)
    return status === 503
      ? 'The client sends it again by itself. If it goes on, see whether the database and the message log are there: muster logs say which is away.'
      : 'This is a fault of Muster: its log has the reason under the correlation id. Send the request again when it is mended.';
  const ofType = scimType === null ? undefined : BY_TYPE[scimType];
  return (
    ofType ??
    BY_STATUS[status] ??
    'Read the reason, correct what it names at the identity provider, and provision the object again.'
  );
};
