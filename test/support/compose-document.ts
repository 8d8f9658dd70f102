import { roleOf, userOf } from '#contracts';
import { Config, SETTINGS } from '#runtime';
import { FACES, SERVICES } from '../../apps/muster/src/owners.js';
import { databasePasswordOf, kafkaPasswordOf, type Service } from '../../deploy/environments.js';

/** In a container, the value of a variable of .env; without it `docker compose` stops, and says this. */
const required = (variable: string): string =>
  `\${${variable}:?is not in .env - make it as the head of docker-compose.yml says}`;

/** Each setting's value is its own name: a face that is asked for its address then names the settings of it. */
const NAMES = Object.fromEntries(SETTINGS.map(({ name }) => [name, name])) as unknown as Config;
const DEFAULTS = new Config() as unknown as Readonly<Record<string, unknown>>;

/** Beside those of the gateway, of the admin API and of health endpoints. */
const SIGN_IN_PORT = 8083;

const folderOf = (service: Service): string | undefined =>
  'keepsFilesIn' in service ? service.keepsFilesIn : undefined;

const serviceOf = (service: Service): string => {
  const { name, secrets = [] } = service;
  const folder = folderOf(service);
  const database = `muster_${roleOf(name)}:${required(databasePasswordOf(name))}@postgres:5432/muster?sslmode=disable`;
  const { host, port } = FACES.find((face) => face.name === name)?.address(NAMES) ?? {};
  // A face that has no port of its own in one process has this one here.
  const number = port && String(DEFAULTS[port] ?? SIGN_IN_PORT);
  return [
    '',
    `  ${name}:`,
    '    <<: *muster',
    '    environment:',
    '      <<: [*environment, *kafka]',
    `      RUN: ${name}`,
    `      DATABASE_URL: postgres://${database}`,
    ...secrets.map((secret) => `      ${secret}: ${required(secret)}`),
    `      KAFKA_SASL_USERNAME: ${userOf(name)}`,
    `      KAFKA_SASL_PASSWORD: ${required(kafkaPasswordOf(name))}`,
    ...(port && DEFAULTS[port] === undefined ? [`      ${port}: ${number}`] : []),
    // The image gives /data to the user that it runs as, and a volume that is new takes that over.
    ...(folder ? [`      ${folder}: /data/checkpoints`] : []),
    // The image opens HOST itself.
    ...(host && host !== 'HOST' ? ['      # Published on loopback below.', `      ${host}: 0.0.0.0`] : []),
    ...(port && secrets.includes('MUSTER_API_KEY')
      ? ['      # For the command line in this container.', `      MUSTER_URL: http://127.0.0.1:${number}`]
      : []),
    ...(folder ? ['    volumes:', `      - ${name}:/data`] : []),
    ...(port ? ['    ports:', `      - 127.0.0.1:\${${port}:-${number}}:${number}`] : []),
    '',
  ].join('\n');
};

const names = SERVICES.map(({ name }) => name);
/** The parts of docker-compose.yml that name every owner and face, and what the list makes of each. */
const PARTS: readonly (readonly [RegExp, string])[] = [
  [
    /(?<=^# {3}for name in )[^;]*(?=; do$)/gm,
    ['MASTER_KEY MUSTER_API_KEY MUSTER_CLI_KEY POSTGRES_PASSWORD KAFKA_PASSWORD']
      .concat(names.map((name) => `${databasePasswordOf(name)} ${kafkaPasswordOf(name)}`))
      .join(' \\\n#     '),
  ],
  [
    /(?:^ {6}\w+_KAFKA_PASSWORD: .*\n)+/gm,
    names.map((name) => `      ${kafkaPasswordOf(name)}: ${required(kafkaPasswordOf(name))}\n`).join(''),
  ],
  [
    /(?<=^ {6}DATABASE_ROLE_PASSWORDS: ")[^"]*(?="$)/gm,
    names.map((name) => `${roleOf(name)}=${required(databasePasswordOf(name))}`).join(',\\\n        '),
  ],
  [/(?<=^ {2}# Made by npm run docs .*\n)[^]*(?=\nvolumes:$)/gm, SERVICES.map(serviceOf).join('')],
  [
    /(?<=^volumes:\n {2}postgres:\n {2}kafka:\n)[^]*$/gm,
    SERVICES.flatMap((service) => (folderOf(service) ? [`  ${service.name}:\n`] : [])).join(''),
  ],
];

/** Makes those parts anew, and leaves the rest of the text as it is. */
export const composeDocument = (text: string): string =>
  PARTS.reduce((document, [part, made]) => {
    const found = document.match(part)?.length ?? 0;
    if (found !== 1) throw new Error(`docker-compose.yml holds ${String(part)} ${found} times, and once is right.`);
    return document.replace(part, () => made);
  }, text);
