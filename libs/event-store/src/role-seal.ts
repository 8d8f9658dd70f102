import { createHmac } from 'node:crypto';
import type { Role } from './database.js';
import { seal, unseal } from './seal.js';

/** Seals texts that a client keeps for a service and hands back. */
export interface RoleSeal {
  /** The sealed text, in characters that a URL takes as they are (RFC 3986 §2.3). */
  seal(context: string, text: string): string;
  /** The text; null: it is not as it was sealed, or not in this context, or with another key. */
  open(context: string, sealed: string): string | null;
}

/**
 * A seal that every process of a role has, before and after a restart: its key is made of the password in the URL of
 * the role, and so no setting is needed. `purpose` tells one kind of text from another. It keeps texts from being read
 * and forged by clients; a database that asks for no password makes that key known, so a sealed text may grant nothing
 * by itself.
 */
export const roleSeal = (url: string, role: Role, purpose: string): RoleSeal => {
  const password = decodeURIComponent(new URL(url).password);
  const key = createHmac('sha256', password).update(`muster_${role}:${purpose}`).digest();
  return {
    seal: (context, text) => Buffer.from(seal(key, context, text), 'base64').toString('base64url'),
    open: (context, sealed) => {
      // Several texts decode to the same bytes: only the one that was given out is good.
      if (Buffer.from(sealed, 'base64url').toString('base64url') !== sealed) return null;
      try {
        return unseal(key, context, sealed).toString();
      } catch {
        return null;
      }
    },
  };
};
