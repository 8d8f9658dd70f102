import { Resolver } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { domainToASCII, domainToUnicode } from 'node:url';
import { quote, Rejected } from '#scim';
import { recordNameOf, type DomainView } from './domains.queries.js';

const TIMEOUT_MS = 2_000;
const TRIES = 2;
/** A chain of aliases and servers that answer slowly could take longer than an administrator waits. */
const MAX_LOOK_UP_MS = 5_000;
/** No domain name is longer, however it is written (RFC 1035 §2.3.4; a letter may become several in ASCII). */
const MAX_NAME_CHARACTERS = 253;

/** A domain as DNS has it and as people write it. Throws Rejected(invalidValue). */
export const domainNamed = (text: string): { readonly name: string; readonly shownName: string } => {
  const given = text.trim().replace(/^@/, '').replace(/\.$/, '');
  // A URL has more than a host, and would lose it.
  const name = given.length > MAX_NAME_CHARACTERS || /[\s/?#@:\\[\]%]/u.test(given) ? '' : domainToASCII(given);
  if (name === '')
    throw new Rejected(
      'invalidValue',
      `${quote(text)} is no e-mail domain: send one as it stands behind the @, such as example.org.`,
    );
  return { name, shownName: domainToUnicode(name) || name };
};

/**
 * Looks for the TXT record of a domain, below `_muster` or at the domain itself. Throws Rejected(conflict) that says
 * what was found instead, or that DNS cannot be asked here. `servers`: none = those of this machine.
 */
export const requireRecord = async ({ dnsName, record }: DomainView, servers: readonly string[]): Promise<void> => {
  const found = await Promise.all([recordNameOf(dnsName), dnsName].map((name) => textsOf(name, servers)));
  const texts = found.flatMap((one) => ('texts' in one ? one.texts : []));
  if (texts.includes(record.value)) return;
  const failed = found.find((one) => 'failed' in one);
  if (failed) {
    throw new Rejected(
      'conflict',
      `DNS could not be asked for ${dnsName} (${failed.failed}). Try again, or let an administrator who manages the installation confirm the domain (domain confirm).`,
    );
  }
  throw new Rejected(
    'conflict',
    `There is no TXT record ${record.name} with the value ${record.value} yet${texts.length === 0 ? '' : `, but ${texts.length} with others`}. A new record takes minutes to hours to be seen everywhere.`,
  );
};

/** An answer of DNS that there is no such name or record. */
const NOTHING = new Set(['ENOTFOUND', 'ENODATA']);

type Texts = { readonly texts: readonly string[] } | { readonly failed: string };

/** A resolver of its own each time: what one has learnt of servers that do not answer, others do not wait for. */
const textsOf = async (name: string, servers: readonly string[]): Promise<Texts> => {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  const over = new AbortController();
  const late = delay(MAX_LOOK_UP_MS, undefined, { signal: over.signal }).then(
    () => resolver.cancel(),
    () => undefined,
  );
  try {
    // A text of more than 255 bytes comes in pieces (RFC 7208 §3.3).
    return { texts: (await resolver.resolveTxt(name)).map((pieces) => pieces.join('')) };
  } catch (error) {
    const { code = 'failed' } = error as { code?: string };
    return NOTHING.has(code) ? { texts: [] } : { failed: code };
  } finally {
    over.abort();
    await late;
  }
};
