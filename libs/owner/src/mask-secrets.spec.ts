import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskDetail, maskForm, maskJson, maskPath, maskText } from './mask-secrets.js';

const SECRET = 'hunter2-planted';
/** Of a directory. */
const TOKEN = `muster_${'hunter2-planted'.padEnd(43, 'x')}`;
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const patch = (...operations: object[]): string => JSON.stringify({ schemas: [PATCH_OP], Operations: operations });
const kept = (text: string): string | null => maskJson(text, false).text;

describe('bodies of JSON', () => {
  it.each([
    JSON.stringify({ userName: 'ada', active: true, name: { givenName: 'Ada' }, roles: [], title: null }),
    patch({ op: 'Replace', path: 'displayName', value: 'Ada' }),
    '{"displayName":"Ad\\u00e9la\\ud83d\\ude00"}',
    '{"displayName":"Basic Plan"}',
    '{"userName": ',
    '',
    'nonsense',
  ])('%s is kept as it came', (body) => {
    expect(maskJson(body, false)).toEqual({ text: body, secrets: [], isCut: false });
  });

  it.each<[string, string]>([
    ['{"userName":"a","password":"hunter2-planted"}', '{"userName":"a","password":"***"}'],
    ['{ "userName" : "a", "PassWord" : 7 }', '{ "userName" : "a", "PassWord" : "***" }'],
    ['{"a":1,"pass\\u0077ord":"hunter2-planted"}', '{"a":1,"pass\\u0077ord":"***"}'],
    ['{"a":1,"pa\\u017f\\u017fword":"hunter2-planted"}', '{"a":1,"pa\\u017f\\u017fword":"***"}'],
    ['{"a":1,"paſſword":"hunter2-planted"}', '{"a":1,"paſſword":"***"}'],
    ['{"a":1,"urn:x:User:password":["hunter2-planted",{"b":2}]}', '{"a":1,"urn:x:User:password":"***"}'],
    ['{"a":1,"clientSecret":{"value":"hunter2-planted"}}', '{"a":1,"clientSecret":"***"}'],
    ['{"a":1,"to\\u212aen":"hunter2-planted","b":2}', '{"a":1,"to\\u212aen":"***","b":2}'],
    // A value that is only on or off tells nothing.
    ['{"revealTokens":false,"token":null}', '{"revealTokens":false,"token":null}'],
    ['{"filter":"password eq \\"hunter2-planted\\"","count":1}', '{"filter":"***","count":1}'],
    ['{"a":1,"b":"{\\"password\\":\\"hunter2-planted\\"}"}', '{"a":1,"b":"***"}'],
    ['{"a":1,"b":"{\\"\\\\u0070assword\\":\\"hunter2-planted\\"}"}', '{"a":1,"b":"***"}'],
    ['{"a":1,"b":"eyJhbGciOiJFUzI1NiJ9.e30.x"}', '{"a":1,"b":"***"}'],
    ['{"a":1,"b":"muster_secret_hunter2-planted"}', '{"a":1,"b":"***"}'],
    [`{"a":1,"b":"${TOKEN}"}`, '{"a":1,"b":"***"}'],
    ['{"a":1,"pwd":"hunter2-planted"}', '{"a":1,"pwd":"***"}'],
    ['{"a":1,"b":"Bearer hunter2-planted-0"}', '{"a":1,"b":"***"}'],
  ])('%s is kept as %s', (body, expected) => {
    expect(kept(body)).toBe(expected);
  });

  it.each([
    [{ op: 'replace', path: 'password', value: SECRET }],
    [{ value: SECRET, path: 'PASSWORD', op: 'replace' }],
    [{ op: 'add', path: 'urn:ietf:params:scim:schemas:core:2.0:User:password', value: { x: [SECRET] } }],
    [{ op: 'add', value: { password: SECRET, title: 'x' } }],
    [{ op: 'add', value: { 'urn:ietf:params:scim:schemas:core:2.0:User:password': SECRET } }],
  ])('a PATCH with %o loses the value alone', (operation) => {
    const text = kept(patch({ op: 'replace', path: 'title', value: 'Engineer' }, operation))!;
    expect(text).not.toContain(SECRET);
    expect(text).toContain('"Engineer"');
    expect(text).toContain('"***"');
  });

  it('operations of a bulk request lose theirs', () => {
    const text = kept(
      JSON.stringify({
        Operations: [
          { method: 'POST', path: '/Users', data: { userName: 'ada', password: SECRET } },
          { method: 'PATCH', path: '/Users/1', data: { Operations: [{ op: 'add', path: 'password', value: SECRET }] } },
        ],
      }),
    )!;
    expect(text).not.toContain(SECRET);
    expect(text).toContain('"userName":"ada"');
    expect(text.match(/"\*\*\*"/g)).toHaveLength(2);
  });

  it.each([
    `{"password":"${SECRET}"`,
    `{'password':'${SECRET}'}`,
    `{password: "${SECRET}"}`,
    `{"value":"${SECRET}","path":"password"`,
    `<password>${SECRET}</password>`,
    `userName=a&password=${SECRET}`,
    `{"userName":"a","password":"${SECRET}"}}`,
    `{"password":"a" "${SECRET}"}`,
    `${SECRET} muster_key_x`,
    `\0p\0a\0s\0s`,
  ])('of %s, which is no JSON, nothing is kept', (body) => {
    expect(kept(body)).toBeNull();
  });

  it('an object of secrets alone is not kept', () => {
    expect(kept(`{"secret":"${SECRET}"}`)).toBeNull();
    expect(kept(`{ "secret": "${SECRET}", "token": "${SECRET}" }`)).toBeNull();
  });

  it.each([
    [`{"a":1,"password":"${SECRET} and mo`, '{"a":1,"password":'],
    [`{"a":1,"password":{"value":["${SECRET}","`, '{"a":1,"password":'],
    [`{"Operations":[{"op":"add","value":"${SECRET}","b":"`, '{"Operations":[{"op":"add","value":"***","b":'],
    [`{"Operations":[{"op":"add","value":{"x":"${SECRET}","y":"`, '{"Operations":[{"op":"add","value":'],
    [
      '{"Operations":[{"path":"members","value":[{"value":"1"},{"va',
      '{"Operations":[{"path":"members","value":[{"value":"1"},{',
    ],
    ['{"a":"b","c":"dd', '{"a":"b","c":'],
    ['{"a":"b","c":12', '{"a":"b","c":'],
  ])('%s, which is cut off, is kept as %s', (body, expected) => {
    expect(maskJson(body, true).text).toBe(expected);
  });

  const spelled = (word: string): fc.Arbitrary<string> =>
    fc
      .tuple(
        ...[...word].map((letter) =>
          fc.constantFrom(letter, letter.toUpperCase(), escaped(letter), escaped(letter.toUpperCase())),
        ),
      )
      .map((letters) => letters.join(''));
  const escaped = (letter: string): string => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const name = fc.constantFrom('password', 'secret', 'clientSecret', 'token').chain(spelled);
  const gap = fc.constantFrom('', ' ', '\n', '\t  ');
  const secret = fc.string({ unit: 'grapheme', minLength: 3 }).map((text) => `planted${text}`);
  const other = fc.json({ maxDepth: 2 });

  it('whatever the spelling, the place and the company: a secret is not kept, and all else is', () => {
    fc.assert(
      fc.property(name, gap, secret, other, other, fc.boolean(), (key, space, value, before, after, isPatch) => {
        const string = JSON.stringify(value);
        const member = isPatch
          ? `"Operations":[{"op":"add",${space}"value"${space}:${string},"path":"${key}"}]`
          : `"${key}"${space}:${space}${string}`;
        const body = `{"before":${before},${space}${member},"after":${after}}`;
        const { text } = maskJson(body, false);
        expect(text).not.toBeNull();
        expect(text!).not.toContain(string.slice(1, -1));
        expect(JSON.parse(text!)).toHaveProperty('before');
        expect(JSON.parse(text!)).toHaveProperty('after');
        for (let end = 0; end < body.length; end += 7) {
          const cut = maskJson(body.slice(0, end), true).text;
          if (cut !== null) expect(cut).not.toContain('planted');
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    [
      'gaps behind a secret',
      `{"password":"x"${' '.repeat(65_000)},"a":1}`,
      `{"password":"***"${' '.repeat(65_000)},"a":1}`,
    ],
    ['names of secrets in one word', `{"a":"${'token'.repeat(13_000)}"}`, `{"a":"${'token'.repeat(13_000)}"}`],
    ['the same, which gives a secret', `{"b":1,"a":"${'token'.repeat(13_000)} = x"}`, '{"b":1,"a":"***"}'],
  ])('%s take no longer than other bodies of their length', (_name, body, expected) => {
    // With a pattern that goes back over what it has read, the process would stand still for half a minute.
    for (let time = 0; time < 20; time++) expect(kept(body) === expected).toBe(true);
  });

  it('takes any text without throwing, in a time that grows with its length', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'{}[]",:\\\u0000 p1', 'password', 'true') }),
        fc.boolean(),
        (text, isCut) => {
          maskJson(text, isCut);
        },
      ),
      { numRuns: 2_000 },
    );
    for (const hostile of [
      '['.repeat(60_000),
      '{"password":'.repeat(5_000),
      '"\\u0070'.repeat(9_000),
      '"password:'.repeat(6_000),
    ])
      maskJson(hostile, true);
  });
});

describe('forms of the token endpoint', () => {
  it.each([
    [
      `grant_type=client_credentials&client_id=01970000-0000-7000-8000-000000000000&client_secret=${SECRET}&scope=scim`,
      'grant_type=client_credentials&client_id=01970000-0000-7000-8000-000000000000&client_secret=***&scope=scim',
    ],
    [`client_id=${SECRET}&grant_type=${SECRET}&scope=${SECRET}`, 'client_id=***&grant_type=***&scope=***'],
    [`${SECRET}`, '***=***'],
    [`${SECRET}=x&client%5Fsecret=${SECRET}`, '***=***&client_secret=***'],
    [
      `client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=${SECRET}`,
      'client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=***',
    ],
  ])('%s is kept as %s', (form, expected) => {
    expect(maskForm(form)).toBe(expected);
  });
});

describe('paths', () => {
  it.each([
    ['/api/scim/v2/Users?filter=userName%20eq%20%22ada%22', '/api/scim/v2/Users?filter=userName%20eq%20%22ada%22'],
    ['/api/scim/v2/Users?filter=password+eq+%22hunter2%22&count=1', '/api/scim/v2/Users?filter=***&count=1'],
    ['/api/scim/v2/Users?filter=%70assword%20eq%20%22hunter2%22', '/api/scim/v2/Users?filter=***'],
    ['/x?access_token=hunter2&a=b', '/x?access_token=***&a=b'],
    ['/x?api%5Fkey=hunter2', '/x?api_key=***'],
    ['/x?a=eyJhbGciOiJFUzI1NiJ9.e30.x', '/x?a=***'],
    ['/muster_key_hunter2', '***'],
    ['/x?%zz=1&password%zz=hunter2', '/x?%zz=1&***'],
  ])('%s is kept as %s', (path, expected) => {
    expect(maskPath(path)).toBe(expected);
  });
});

describe('paths and texts that are kept whole', () => {
  it('tell no token and no user of a URL', () => {
    expect(maskPath(`/api/scim/v2/Users/${TOKEN}?a=b`)).toBe('***?a=b');
    expect(maskPath(`/api/scim/v2/Users?a=${TOKEN}`)).toBe('/api/scim/v2/Users?a=***');
    expect(maskPath(`http://root:${SECRET}@host/api/scim/v2/Users`)).toBe('http://***@host/api/scim/v2/Users');
    for (const text of [TOKEN, `agent/1 Bearer ${TOKEN}`, `password=${SECRET}`]) expect(maskText(text)).toBe('***');
    for (const text of ['ada@contoso.example', 'secret-sync/1.0 (+https://contoso.example)', 'Token Ring Admins'])
      expect(maskText(text)).toBe(text);
  });
});

describe('what an answer says', () => {
  it('ends before it repeats a secret, or the part of a body that nobody could read', () => {
    const { isCut } = maskJson('', false);
    expect(maskDetail('title is no number.', { text: '{}', secrets: [SECRET], isCut })).toBe('title is no number.');
    expect(maskDetail(`It is not "hunter2-pl…".`, { text: '{}', secrets: [SECRET], isCut })).toBe('It is not "***');
    const unread = `The body is not valid JSON: Unexpected token 'h', ..."sword":hunter2-p"... is not valid JSON.`;
    for (const one of [
      { text: null, secrets: [], isCut: false },
      { text: '{', secrets: [], isCut: true },
    ])
      expect(maskDetail(unread, one)).toBe('The body is not valid JSON: Unexpected token ***');
    expect(maskDetail(unread, { text: '{', secrets: [], isCut: false })).toBe(unread);
  });
});
