import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The OpenID provider of openid-provider-process.ts: oidc-provider, as a process of its own. */
export class OpenIdProvider {
  private child: ChildProcess | null = null;
  issuer = '';

  /** Once more after stop(): on the same port, with new keys. */
  async start(): Promise<void> {
    const file = fileURLToPath(new URL('./openid-provider-process.ts', import.meta.url));
    this.child = fork(file, [new URL(this.issuer || 'http://127.0.0.1:0').port], { silent: true, execArgv: [] });
    await this.answer();
  }

  /** Signs with a new key from now on; the ones before it are still published. */
  async rotate(): Promise<void> {
    this.child!.send('rotate');
    await this.answer();
  }

  async stop(): Promise<void> {
    if (!this.child) return;
    const gone = once(this.child, 'exit');
    this.child.kill();
    await gone;
    this.child = null;
  }

  /** A JWT for an audience, whose subject is `the-workload`. */
  async token(audience: string): Promise<string> {
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`the-workload:${encodeURIComponent('a secret of the provider')}`).toString('base64')}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'scim', resource: audience }).toString(),
    });
    const { access_token: token } = (await response.json()) as { access_token?: string };
    if (!token) throw new Error(`The provider gave no token: ${response.status}.`);
    return token;
  }

  private async answer(): Promise<void> {
    const child = this.child!;
    let said = '';
    child.stderr!.on('data', (text) => (said += String(text)));
    const answered = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    const [message] = answered as [{ issuer?: string }];
    if (!message?.issuer) throw new Error(`The OpenID provider has not started: ${said}`);
    this.issuer = message.issuer;
  }
}
