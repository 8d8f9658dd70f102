import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DnsServer } from '../support/dns-server.js';
import { startMuster, type Directory } from '../support/muster.js';

const dns = new DnsServer();
const settings: Record<string, string> = {};
// It is there before Muster starts, which is told its address.
beforeAll(async () => {
  settings.DNS_SERVERS = await dns.start();
});
afterAll(() => dns.stop());

describe.each(['Postgres', 'Kafka'] as const)('on the %s log', (log) => {
  const muster = startMuster({ log, settings });
  const { admin } = muster;
  const add = (name: string, { tenant }: Directory) => admin('POST', '/domains', { name, tenant });
  const publish = ({ record }: { record: { name: string; value: string } }): unknown =>
    dns.texts.set(record.name, ['v=spf1 -all', record.value]);

  it('a domain is verified by the TXT record that Muster asks for', async () => {
    const directory = await muster.newDirectory('Entra');
    const { status, body } = await add('Verified.Example', directory);
    expect({ status, body }).toMatchObject({
      status: 201,
      body: {
        name: 'verified.example',
        status: 'pending',
        verifiedBy: null,
        record: {
          type: 'TXT',
          name: '_muster.verified.example',
          value: expect.stringMatching(/^muster-verification=[0-9a-f]{32}$/),
        },
      },
    });
    const verify = () => admin('POST', `/domains/${body.id}/verify`);
    expect(await verify()).toMatchObject({
      status: 409,
      body: { detail: expect.stringMatching(/no TXT record _muster/) },
    });
    dns.texts.set('_muster.verified.example', ['muster-verification=of somebody else']);
    expect((await verify()).status).toBe(409);
    publish(body);
    expect((await verify()).body).toMatchObject({ status: 'verified', verifiedBy: 'dns' });
    expect((await verify()).status).toBe(200);
    const { body: listed } = await admin('GET', `/domains?tenant=${directory.tenant}`);
    expect(listed).toMatchObject({ items: [{ id: body.id, status: 'verified' }], next: null });
  });

  it('the record may lie at the domain itself, in pieces, and the name may be written in any letters', async () => {
    const directory = await muster.newDirectory('Entra');
    const { body } = await add('BÜCHER.example', directory);
    expect(body).toMatchObject({ name: 'bücher.example', dnsName: 'xn--bcher-kva.example' });
    dns.texts.set('xn--bcher-kva.example', ['x'.repeat(500), body.record.value]);
    expect((await admin('POST', `/domains/${body.id}/verify`)).body).toMatchObject({ status: 'verified' });
    expect((await admin('GET', `/domains?name=${encodeURIComponent('bücher.example')}`)).body.items).toHaveLength(1);
  });

  it('where DNS does not answer the domain is not verified, and an administrator can confirm it', async () => {
    const directory = await muster.newDirectory('Entra');
    const { body } = await add('silent.example', directory);
    dns.isSilent = true;
    try {
      expect(await admin('POST', `/domains/${body.id}/verify`)).toMatchObject({
        status: 409,
        body: { detail: expect.stringMatching(/DNS could not be asked.*domain confirm/) },
      });
    } finally {
      dns.isSilent = false;
    }
    expect((await admin('POST', `/domains/${body.id}/confirm`, { reason: 'Air-gapped' })).body).toMatchObject({
      status: 'verified',
      verifiedBy: 'administrator',
    });
  }, 30_000);

  it('a domain is verified in one tenant of the installation, also of those that ask together', async () => {
    const name = `shared-${log.toLowerCase()}.example`;
    const tenants = await Promise.all(['A', 'B', 'C'].map((of) => muster.newDirectory(of)));
    const domains = await Promise.all(tenants.map(async (directory) => (await add(name, directory)).body));
    const confirmed = await Promise.all(domains.map(({ id }) => admin('POST', `/domains/${id}/confirm`)));
    expect(confirmed.map(({ status }) => status).toSorted()).toEqual([200, 409, 409]);
    expect(confirmed.find(({ status }) => status === 409)!.body.detail).toMatch(/is verified in another tenant/);
    const winner = confirmed.findIndex(({ status }) => status === 200);
    expect((await admin('DELETE', `/domains/${domains[winner].id}`)).status).toBe(204);
    expect((await admin('GET', `/domains/${domains[winner].id}`)).status).toBe(404);
    expect((await admin('POST', `/domains/${domains[(winner + 1) % 3].id}/confirm`)).status).toBe(200);
    expect((await muster.verify()).findings).toEqual([]);
  });

  it('a hostile name is no domain', async () => {
    const directory = await muster.newDirectory('Entra');
    for (const name of [
      '',
      'org',
      'a b.example',
      'https://example.org/x',
      'example.org:53',
      'ada@example.org',
      '127.0.0.1',
      '[::1]',
      '0x7f.1',
      'a..example',
      '-a.example',
      '%2e.example',
      'x'.repeat(300),
      'a.'.repeat(130),
      'exa\u0000mple.org',
      '\u202eexample.org/',
      7,
      null,
      { toString: 'x' },
    ])
      expect((await add(name as string, directory)).status, JSON.stringify(name)).toBe(400);
    expect((await add('twice.example', directory)).status).toBe(201);
    expect((await add('TWICE.example.', directory)).status).toBe(409);
  });

  it('a person is found by an e-mail only where its domain is verified, or an administrator decides', async () => {
    const directory = await muster.newDirectory('Entra');
    const post = (userName: string, email: string) =>
      directory.scim('POST', '/Users', { userName, externalId: userName, emails: [{ type: 'work', value: email }] });
    const signIn = (providerId: string, upn: string, email: string, loginType = 'oidc') =>
      admin('POST', '/sign-ins', { directory: directory.id, loginType, providerId, upn, email });
    const { body: ada } = await signIn('p-ada', 'ada@app.example', 'ada@known.example');
    const { body: eve } = await signIn('p-eve', 'eve@app.example', 'eve@known.example');
    expect(await signIn('p-saml', 'other@app.example', 'ada@known.example', 'saml')).toMatchObject({
      status: 409,
      body: { detail: expect.stringMatching(`${ada.userId}.*no verified domain`) },
    });
    expect((await post('ada@entra.example', 'Ada@known.example')).body.detail).toMatch(
      /no verified domain.*verify the domain.*transfer the user/,
    );
    // The administrator decides about one person.
    const transferred = await admin('POST', `/users/${eve.userId}/transfer`, { directory: directory.id });
    expect(transferred.status, JSON.stringify(transferred.body)).toBeLessThan(300);
    expect(await post('eve@entra.example', 'eve@known.example')).toMatchObject({
      status: 201,
      body: { id: eve.userId },
    });
    // Or about the whole domain: the lane sees it with the next command.
    await muster.verifyDomain(directory.tenant, 'known.example');
    expect(await post('ada@entra.example', 'Ada@known.example')).toMatchObject({
      status: 201,
      body: { id: ada.userId, userName: 'ada@entra.example', emails: [{ value: 'ada@known.example' }] },
    });
    await admin('DELETE', `/domains/${(await admin('GET', `/domains?tenant=${directory.tenant}`)).body.items[0].id}`);
    const { body: zoe } = await signIn('p-zoe', 'zoe@app.example', 'zoe@known.example');
    expect((await post('zoe@entra.example', 'zoe@known.example')).body.detail).toContain(zoe.userId);
  });

  it('a first match keeps the e-mail, and the next write changes it', async () => {
    const directory = await muster.newDirectory('Entra');
    const { body: ada } = await admin('POST', '/sign-ins', {
      directory: directory.id,
      loginType: 'oidc',
      providerId: 'p1',
      upn: 'ada@example.org',
      email: 'ada@example.org',
    });
    const emails = (value: string) => [{ type: 'work', value, primary: true }];
    const taken = await directory.scim('POST', '/Users', {
      userName: 'ada@example.org',
      title: 'Dr',
      emails: emails('eve@example.org'),
    });
    expect(taken).toMatchObject({
      status: 201,
      body: { id: ada.userId, title: 'Dr', emails: emails('ada@example.org') },
    });
    const changed = await directory.scim('PUT', `/Users/${ada.userId}`, {
      userName: 'ada@example.org',
      emails: emails('eve@example.org'),
    });
    expect(changed.body.emails).toEqual(emails('eve@example.org'));
  });

  it.each(['PUT', 'PATCH'] as const)('the same of a first match by id with a %s', async (method) => {
    const directory = await muster.newDirectory('Entra');
    expect((await admin('PATCH', `/directories/${directory.id}`, { offerExistingUsers: true })).status).toBe(200);
    const { body: ada } = await admin('POST', '/sign-ins', {
      directory: directory.id,
      loginType: 'oidc',
      providerId: 'p1',
      upn: 'ada@nobody.example',
      email: 'ada@nobody.example',
    });
    const emails = [{ type: 'work', value: 'eve@nobody.example', primary: true }];
    const write = (): Promise<{ body: { emails: unknown } }> =>
      directory.scim(
        method,
        `/Users/${ada.userId}`,
        method === 'PUT'
          ? { userName: 'ada@nobody.example', emails }
          : {
              schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
              Operations: [{ op: 'replace', value: { emails } }],
            },
      );
    expect(await write()).toMatchObject({ status: 200, body: { emails: [{ value: 'ada@nobody.example' }] } });
    expect(await write()).toMatchObject({ status: 200, body: { emails } });
  });
});
