import type { SignIn } from '#contracts';
import type { Json } from '#scim';
import type { AdmittingTenant } from '../../apps/identity/src/admission.js';
import { keysOf } from '../../apps/identity/src/identifiers.js';
import type { BearersOf, Candidate, Person } from '../../apps/identity/src/matching.js';

/** The prefix that a soft deletion puts before a name. */
export const DIGITS = '0123456789abcdef'.repeat(2);
export const oidc = (providerId: string, directory = 'entra'): SignIn => ({ directory, loginType: 'oidc', providerId });
export const saml = (providerId: string): SignIn => ({ directory: 'entra', loginType: 'saml', providerId });

/** Somebody who is there already: managed by Entra, unless it says otherwise. */
export const user = (
  id: string,
  userName: string,
  rest: Partial<Candidate> & { email?: string; externalId?: string; active?: boolean; roles?: Json } = {},
): Candidate => {
  const { email, externalId, active = true, roles, ...others } = rest;
  return {
    id,
    directory: 'entra',
    withdrawnFrom: null,
    signIns: [],
    awaited: false,
    refused: [],
    ...others,
    resource: {
      userName,
      active,
      ...(email === undefined ? {} : { emails: [{ type: 'work', value: email }] }),
      ...(externalId === undefined ? {} : { externalId }),
      ...(roles === undefined ? {} : { roles }),
    },
  };
};
/** A person whom Entra sends with a POST. */
export const sent = (userName: string, rest: Partial<Person> = {}): Person => ({
  userId: 'new',
  directory: 'entra',
  signIn: null,
  externalId: null,
  externalIdIsProviderId: true,
  userName,
  upn: userName,
  email: null,
  ...rest,
});
/** A person who signs in through Entra. */
export const signs = (signIn: SignIn, upn: string, email: string | null = null): Person => ({
  ...sent(upn, { email }),
  signIn,
  directory: signIn.directory,
});

export const nobody = { directory: null };
export const admin = { roles: [{ value: 'Admin' }] };
export const archived = { active: false };

/** Finds those who bear a key by looking at everybody. */
export const bearersAmong =
  (users: readonly Candidate[]): BearersOf =>
  (kind, value) =>
    users.filter((known) => keysOf(known).some((key) => key.kind === kind && key.value === value));
/** The tenant of the directories, in which these e-mail domains are verified. */
export const tenantWith = (...domains: readonly string[]): AdmittingTenant => ({
  nameOf: (directory) => directory[0]!.toUpperCase() + directory.slice(1),
  isVerified: (domain) => domains.includes(domain),
  rulesOf: () => ({ roleCeiling: 'EnterpriseAdmin', groupRoles: {} }),
  groupsAmong: () => [],
});
