import { MAX_DETAIL_CHARACTERS } from '#contracts';
import { uniqueKey } from '#scim';

/** How an answer relates those whom it names to the value that a request wanted. */
export type Relation = 'taken' | 'taken elsewhere' | 'several' | 'archived' | 'web role' | 'stranger’s domain';
type Kind = 'userName' | 'displayName' | 'externalId' | 'e-mail' | 'sign-in' | 'id';

/** A user or group of the tenant, as the database knows it now. */
export interface Bearer {
  readonly type: 'user' | 'group';
  readonly id: string;
  readonly name: string;
  /** The directory that manages it; null = none does. */
  readonly directory: string | null;
  readonly isArchived: boolean;
  /** All values by which it may be found, by their kinds. */
  readonly values: { readonly [kind in Kind]?: readonly string[] };
}

/** Gives the user or group with an id; null = the tenant has none. */
export type BearerOf = (id: string) => Bearer | null;

/** An answer, as far as it names anybody. */
export interface Answered {
  readonly status: number;
  readonly detail: string | null;
}

/** A sentence of an answer, which may be one of a client. */
interface Said {
  readonly relation: Relation;
  readonly type: 'user' | 'group';
  readonly kind: Kind;
  readonly value: string;
  readonly ids: readonly string[];
}

const ID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** The value that a client has sent may hold a sentence like ours: the last one counts, and it ends the answer. */
const sentence = (words: string): RegExp =>
  new RegExp(`^(userName|displayName|externalId|The e-mail|The \\w+ id|The id) (.*) ${words}$`, 's');
const OF_USER = `is that of the (user) with the id (${ID})`;
/** With the status of the answer. */
const SENTENCES: readonly (readonly [Relation, number, RegExp])[] = [
  [
    'taken elsewhere',
    409,
    sentence(
      `is taken by the (user) with the id (${ID}), whom the directory ".*" manages\\. An administrator can transfer the user\\.`,
    ),
  ],
  ['taken', 409, sentence(`is taken by the (user|group) with the id (${ID})(?:, who.*)?\\.`)],
  ['archived', 403, sentence(`${OF_USER}, who is archived\\. Reactivate the user first\\.`)],
  [
    'web role',
    409,
    sentence(`${OF_USER}, who .*is not managed by this directory\\. An administrator can transfer the user\\.`),
  ],
  ['stranger’s domain', 409, sentence(`${OF_USER}, and .*\\. Let an administrator verify the domain.*\\.`)],
  ['several', 409, sentence(`could be any of the (user)s with the ids (${ID}(?:, ${ID})+)\\. Change .*\\.`)],
];

const kindOf = (word: string): Kind =>
  word === 'The e-mail' ? 'e-mail' : word === 'The id' ? 'id' : word.startsWith('The ') ? 'sign-in' : (word as Kind);

/** The sentence that an answer seems to say; null = none. One that was cut off may have lost what we said. */
const saidIn = ({ status, detail }: Answered): Said | null => {
  if (detail === null || detail.length >= MAX_DETAIL_CHARACTERS) return null;
  for (const [relation, of, words] of SENTENCES) {
    if (of !== status) continue;
    const [, word, value, type, ids] = words.exec(detail) ?? [];
    if (ids !== undefined)
      return {
        relation,
        type: type as 'user' | 'group',
        kind: kindOf(word!),
        value: value!.replace(/, which is a login name,$/, ''),
        ids: ids.split(', '),
      };
  }
  return null;
};

/** The ids that an answer seems to name, to be looked up in the tenant: nothing else is to be done with them. */
export const idsToLookUp = (answered: Answered): readonly string[] => saidIn(answered)?.ids ?? [];

/** Those who have what a refused request wanted, each looked up. */
export interface Borne {
  readonly relation: Relation;
  readonly bearers: readonly Bearer[];
}

/**
 * Those whom an answer names, if they really are what it says; null = it names nobody, or is not believed: a client
 * writes into it what it likes.
 */
export const borneBy = (answered: Answered, bearerOf: BearerOf): Borne | null => {
  const said = saidIn(answered);
  if (!said) return null;
  const bearers = said.ids.map(bearerOf);
  const isSo = (bearer: Bearer | null): bearer is Bearer =>
    bearer !== null && bearer.type === said.type && bears(bearer, said.kind, said.value);
  if (!bearers.every(isSo) || (said.relation === 'archived' && !bearers[0]!.isArchived)) return null;
  return { relation: said.relation, bearers };
};

const bears = ({ values }: Bearer, kind: Kind, value: string): boolean =>
  (values[kind] ?? []).some((one) => one === value || uniqueKey(one) === uniqueKey(value));
