import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate authority of a test's own. */
export interface Authority {
  /** PEM file. */
  readonly file: string;
  /** Signs for these names, as in subjectAltName: `DNS:localhost`, `IP:127.0.0.1`. PEM files. */
  issue(name: string, subjects: readonly string[]): { readonly certificate: string; readonly key: string };
}

const openssl = (folder: string, ...args: string[]): void => {
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
};
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Made with openssl in that folder. */
export const makeAuthority = (folder: string, name: string): Authority => {
  openssl(
    folder,
    'req',
    '-x509',
    ...NEW_KEY,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.pem`,
  );
  return {
    file: join(folder, `${name}.pem`),
    issue: (server, subjects) => {
      writeFileSync(join(folder, `${server}.ext`), `subjectAltName=${subjects.join(',')}\n`);
      openssl(folder, 'req', ...NEW_KEY, '-subj', `/CN=${server}`, '-keyout', `${server}.key`, '-out', `${server}.csr`);
      openssl(
        folder,
        'x509',
        '-req',
        '-in',
        `${server}.csr`,
        '-CA',
        `${name}.pem`,
        '-CAkey',
        `${name}.key`,
        '-CAcreateserial',
        '-days',
        '2',
        '-extfile',
        `${server}.ext`,
        '-out',
        `${server}.pem`,
      );
      return { certificate: join(folder, `${server}.pem`), key: join(folder, `${server}.key`) };
    },
  };
};
