import { Inject, Injectable } from '@nestjs/common';
import { exportJWK, generateKeyPair, importJWK, SignJWT, type CryptoKey } from 'jose';
import type { Pool } from 'pg';
import {
  ACCESS_TOKEN_ALGORITHM,
  DIRECTORY_COMMAND_TYPES,
  INSTALLATION,
  PUBLIC_KEYS_VIEW,
  SIGNING_KEYS_VIEW,
  signingKeyContext,
  type CommandData,
  type DirectoryCommand,
  type Message,
  type PublicKey,
} from '#contracts';
import type { RequestReply } from '#log';
import { uuidv7, type Config } from '#runtime';
import { Rejected } from '#scim';
import { CONFIG, DIRECTORY_REQUESTS, MASTER_SEAL, POOL } from '../injected.js';

/** Seals with the master key what the database keeps of a private key. */
interface KeySeal {
  seal(context: string, text: string): string;
  open(context: string, sealed: string): string | null;
}

interface SigningKey {
  readonly id: string;
  readonly key: CryptoKey;
  readonly createdMs: number;
}

const DAY_MS = 86_400_000;
const COMMAND_TIMEOUT_MS = 10_000;
/** Another process may have replaced the key; the one before still verifies for hours. */
const FRESH_MS = 60_000;

/**
 * The keys that sign access tokens. This face makes them, and alone can open one: the public part is all that others
 * get. The newest is replaced when it is used and too old, so no timer is needed.
 */
@Injectable()
export class SigningKeys {
  private current: { readonly key: SigningKey; readonly sinceMs: number } | null = null;
  private finding: Promise<SigningKey> | null = null;

  constructor(
    @Inject(POOL) private readonly pool: Pool,
    @Inject(MASTER_SEAL) private readonly seal: KeySeal,
    @Inject(DIRECTORY_REQUESTS) private readonly requests: RequestReply,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Signs claims with the newest key; `correlationId` is that of the request, which may cause a new key. */
  async sign(claims: Readonly<Record<string, unknown>>, type: string, correlationId: string): Promise<string> {
    const { id, key } = await this.newest(correlationId);
    return new SignJWT({ ...claims }).setProtectedHeader({ alg: ACCESS_TOKEN_ALGORITHM, kid: id, typ: type }).sign(key);
  }

  /** The keys that verify what may still be in use, as a JWK set (RFC 7517 §5). */
  async published(): Promise<{ readonly keys: readonly object[] }> {
    const { rows } = await this.pool.query<{ id: string; public_key: PublicKey }>(
      `SELECT id, public_key FROM ${PUBLIC_KEYS_VIEW}`,
    );
    return {
      keys: rows.map(({ id, public_key }) => ({ ...public_key, kid: id, use: 'sig', alg: ACCESS_TOKEN_ALGORITHM })),
    };
  }

  private async newest(correlationId: string): Promise<SigningKey> {
    if (this.current && performance.now() - this.current.sinceMs < FRESH_MS) return this.current.key;
    this.finding ??= this.find(correlationId).finally(() => (this.finding = null));
    return this.finding;
  }

  private async find(correlationId: string): Promise<SigningKey> {
    const known = await this.read();
    const isDue = !known || Date.now() - known.createdMs > this.config.SIGNING_KEY_DAYS * DAY_MS;
    if (isDue) await this.make(known?.id ?? null, correlationId);
    const key = isDue ? await this.read() : known;
    if (!key) throw new Error('The signing key that was made just now cannot be read.');
    this.current = { key, sinceMs: performance.now() };
    return key;
  }

  private async read(): Promise<SigningKey | null> {
    const { rows } = await this.pool.query<{ id: string; created: Date; sealed: string }>(
      `SELECT id, created, sealed FROM ${SIGNING_KEYS_VIEW}`,
    );
    const [row] = rows;
    if (!row) return null;
    if (this.current?.key.id === row.id) return this.current.key;
    const opened = this.seal.open(signingKeyContext(row.id), row.sealed);
    if (opened === null) throw new Error(`The signing key ${row.id} was sealed with another master key.`);
    const key = (await importJWK(JSON.parse(opened) as object, ACCESS_TOKEN_ALGORITHM)) as CryptoKey;
    return { id: row.id, key, createdMs: row.created.getTime() };
  }

  private async make(replaces: string | null, correlationId: string): Promise<void> {
    const keyId = uuidv7();
    const { publicKey, privateKey } = await generateKeyPair(ACCESS_TOKEN_ALGORITHM, { extractable: true });
    const { kty, crv, x, y } = (await exportJWK(publicKey)) as PublicKey;
    const sealed = this.seal.seal(signingKeyContext(keyId), JSON.stringify(await exportJWK(privateKey)));
    const command: DirectoryCommand = { type: 'AddSigningKey', keyId, publicKey: { kty, crv, x, y }, sealed, replaces };
    const now = Date.now();
    const message: Message<CommandData<DirectoryCommand>> = {
      id: uuidv7(),
      type: DIRECTORY_COMMAND_TYPES[command.type],
      source: 'muster/sign-in',
      subject: keyId,
      time: new Date(now).toISOString(),
      tenant: INSTALLATION,
      directory: null,
      correlationId,
      causationId: null,
      data: { actor: 'sign-in', expiresAt: new Date(now + COMMAND_TIMEOUT_MS).toISOString(), command },
    };
    const outcome = await this.requests.request(message);
    if (outcome.status === 'rejected') throw new Rejected(outcome.code, outcome.detail);
  }
}
