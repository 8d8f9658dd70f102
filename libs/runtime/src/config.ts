import 'reflect-metadata';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { plainToInstance, Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, IsUrl, Matches, Max, Min, ValidateBy, validateSync } from 'class-validator';
import { checkDatabaseUrl, kafkaConnection } from './connections.js';
import { isNetwork } from './public-addresses.js';
import { secretFrom } from './secret-from.js';
import { UsageError } from './usage-error.js';

/** One setting: the checks of readConfig and docs/configuration.md are both made of it. */
export interface Setting {
  readonly name: string;
  readonly description: string;
  /** The possible values, in words. */
  readonly values: string;
  readonly optional: boolean;
  /**
   * A secret may be handed over in a file as well, which `<name>_FILE` names: an environment is seen by more people
   * than a file of mode 0600.
   */
  readonly secret: boolean;
}

/** Every setting, in the order of the class. */
export const SETTINGS: Setting[] = [];

/** A property decorator that records the setting and applies its checks. */
const setting =
  (
    description: string,
    values: string,
    checks: readonly PropertyDecorator[],
    { optional = false, secret = false } = {},
  ): PropertyDecorator =>
  (target, name) => {
    SETTINGS.push({ name: String(name), description, values, optional, secret });
    for (const check of optional ? [IsOptional(), ...checks] : checks) check(target, name);
  };
/**
 * The setting may be left out. It is read from the variable of its name, or from the file that the variable with
 * `_FILE` at its end names.
 */
const secret = (description: string, values: string, ...checks: readonly PropertyDecorator[]): PropertyDecorator =>
  setting(description, values, checks, { optional: true, secret: true });

/** A whole number; its unit is the end of its name. */
const count = (description: string, min = 1, max = Number.MAX_SAFE_INTEGER): PropertyDecorator =>
  setting(description, max === Number.MAX_SAFE_INTEGER ? `whole number from ${min}` : `${min} to ${max}`, [
    Type(() => Number),
    IsInt(),
    Min(min),
    Max(max),
  ]);
const optionalCount = (description: string, min: number, max: number): PropertyDecorator =>
  setting(description, `${min} to ${max}`, [Type(() => Number), IsInt(), Min(min), Max(max)], { optional: true });
const port = (description: string): PropertyDecorator => count(description, 0, 65_535);
const text = (description: string): PropertyDecorator => setting(description, 'text', [IsString()]);
const oneOf = (description: string, ...values: string[]): PropertyDecorator =>
  setting(description, values.join(', '), [IsIn(values)]);
const optionalOneOf = (description: string, ...values: string[]): PropertyDecorator =>
  setting(description, values.join(', '), [IsIn(values)], { optional: true });
const optionalText = (description: string): PropertyDecorator =>
  setting(description, 'text', [IsString()], { optional: true });
const optionalUrl = (description: string): PropertyDecorator =>
  setting(
    description,
    'http or https URL',
    [IsUrl({ require_tld: false, require_protocol: true, protocols: ['http', 'https'] })],
    { optional: true },
  );
const url = (description: string): PropertyDecorator =>
  setting(description, 'http or https URL', [
    IsUrl({ require_tld: false, require_protocol: true, protocols: ['http', 'https'] }),
  ]);
/** A check of our own; the message begins with `$property`. */
const fits = (check: (value: string) => boolean, message: string): PropertyDecorator =>
  ValidateBy({
    name: 'fits',
    validator: { validate: (value) => typeof value === 'string' && check(value), defaultMessage: () => message },
  });

const fitsText = (
  description: string,
  values: string,
  check: (value: string) => boolean,
  message: string,
): PropertyDecorator => setting(description, values, [fits(check, message)]);
const networks = (description: string): PropertyDecorator =>
  setting(
    description,
    '10.1.0.0/16,fd00::/8',
    [
      fits(
        (value) => value.split(',').every(isNetwork),
        '$property must be a network such as 10.1.0.0/16 or fd00::/8, or several of them with a comma and no space between',
      ),
    ],
    { optional: true },
  );

const isBrokerList = (value: string): boolean =>
  value
    .split(',')
    .every(
      (broker) =>
        /^([\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/.test(broker) &&
        Number(broker.slice(broker.lastIndexOf(':') + 1)) <= 65_535,
    );
const optionalBrokers = (description: string): PropertyDecorator =>
  setting(
    description,
    'host:port,host:port',
    [fits(isBrokerList, '$property must be host:port, or several of them with a comma and no space between')],
    { optional: true },
  );
const isDnsServerList = (value: string): boolean =>
  value.split(',').every((server) => {
    const [, ipv6, host, port] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(server) ?? [];
    return isIP(ipv6 ?? host ?? server) !== 0 && Number(port ?? 53) <= 65_535 && Number(port ?? 53) > 0;
  });
const optionalDnsServers = (description: string): PropertyDecorator =>
  setting(
    description,
    'address,address:port',
    [
      fits(
        isDnsServerList,
        '$property must be the address of a server, with :port if that is not 53, or several of them with a comma and no space between',
      ),
    ],
    { optional: true },
  );
const address = (description: string): PropertyDecorator =>
  setting(description, 'IP address or host name', [
    fits(
      (value) => isIP(value) !== 0 || (/^[\w.-]+$/.test(value) && !/^[\d.]+$/.test(value)),
      '$property must be an address or a name of this machine, without a port',
    ),
  ]);
const secretKey = (description: string): PropertyDecorator =>
  secret(
    description,
    '32 bytes, base64',
    Matches(/^[A-Za-z0-9+/]{43}=$/, { message: '$property must be 32 bytes in base64' }),
  );
/** A shorter key can be guessed; an empty one opens to everybody. */
export const MIN_API_KEY_CHARACTERS = 32;
const secretText = (description: string): PropertyDecorator => secret(description, 'text', IsString());
const secretApiKey = (description: string): PropertyDecorator =>
  secret(
    description,
    `text of ${MIN_API_KEY_CHARACTERS} characters or more, printable ASCII`,
    fits(
      (value) => /^[!-~]+$/.test(value) && value.length >= MIN_API_KEY_CHARACTERS,
      `$property must have ${MIN_API_KEY_CHARACTERS} characters or more, printable ASCII without spaces, such as openssl rand -hex 32 makes`,
    ),
  );
const isPostgresUrl = (value: string): boolean => {
  if (!URL.canParse(value)) return false;
  const { protocol, username, pathname } = new URL(value);
  return /^postgres(ql)?:$/.test(protocol) && username !== '' && pathname.length > 1 && isDecodable(value);
};
const isDecodable = (value: string): boolean => {
  try {
    return decodeURIComponent(value) !== '';
  } catch {
    return false;
  }
};
const secretRolePasswords = (description: string): PropertyDecorator =>
  secret(
    description,
    'name=password,name=password',
    fits(
      (value) => /^([a-z_]+=[!-+\--~]{16,}(,|$))+$/.test(value) && !value.endsWith(','),
      '$property must be name=password,name=password with the names of roles, such as gateway=…,admin_api=…, each password of 16 characters or more, printable ASCII without a comma or a space',
    ),
  );
const rolePrefix = (description: string): PropertyDecorator =>
  setting(description, 'a to z, 0 to 9 and _', [
    Matches(/^[a-z][a-z0-9_]{0,39}$/, {
      message: '$property must be of the characters a to z, 0 to 9 and _, a letter first, and no longer than 40',
    }),
  ]);
const secretDatabaseUrl = (description: string): PropertyDecorator =>
  secret(
    description,
    'URL of a Postgres',
    fits(
      isPostgresUrl,
      '$property must be postgres://user:password@host:port/database; a character such as @, / or % in the password is written as %40, %2F, %25',
    ),
  );

/** Every setting of Muster, read from environment variables of the names in capitals; units are part of the names. */
export class Config {
  @port('Port of the SCIM gateway.') PORT = 8080;
  @port('Port of the admin API. In one process with the gateway it may be `PORT`: then both listen there.') ADMIN_PORT =
    8081;
  @port('Port of the health endpoint of a process without a face; in `npm run stack` each has a free one.')
  HEALTH_PORT = 8082;
  @optionalText(
    'The owners and faces that this process runs, such as `gateway` or `gateway,identity`; without it all of them. Several processes need Kafka. A wrong name gets an answer with those that there are.',
  )
  RUN?: string;
  @optionalCount(
    'Port of the sign-in: the token endpoint for OAuth clients. Without it that of the gateway in one process, and 8083 in `npm run stack`.',
    0,
    65_535,
  )
  SIGN_IN_PORT?: number;
  @address('Address that the gateway listens on, and health endpoints of processes without a face.') HOST = '127.0.0.1';
  @address('Address that the admin API listens on, unless it shares the port of the gateway.') ADMIN_HOST = '127.0.0.1';
  @text('Embedded database, generated keys and runtime.json live in this folder.') DATA_DIR = './.data';
  @optionalUrl('What clients see before `/api/scim/v2`; without it `http://localhost:PORT`.') PUBLIC_URL?: string;
  @optionalUrl(
    'What clients see before `/oauth/v1` of the sign-in; without it `PUBLIC_URL`, whose proxy leads both there, or `http://localhost:SIGN_IN_PORT`.',
  )
  SIGN_IN_URL?: string;
  @secretDatabaseUrl(
    'Postgres 18; without it the embedded one is started. For `npm run migrate` and all in one process the URL of the owner, for a service of its own that of its role. On another machine it says `?sslmode=verify-full`, or aloud `?sslmode=disable`.',
  )
  DATABASE_URL?: string;
  @rolePrefix(
    'The roles that the services connect as begin with it. Two installations on one Postgres server need different ones, from the beginning.',
  )
  DATABASE_ROLE_PREFIX = 'muster';
  @secretRolePasswords(
    'What `npm run migrate` gives to the roles as passwords; those that are not named are derived from the password of the owner. A wrong name gets an answer with those that there are.',
  )
  DATABASE_ROLE_PASSWORDS?: string;
  @optionalBrokers('Kafka brokers; without it the Postgres log is used, by one process.') KAFKA_BROKERS?: string;
  @optionalOneOf(
    'Whether Kafka is reached by TLS, which verifies the host name. It has to be said, and `KAFKA_SASL_USERNAME` be set, unless the brokers are on this machine.',
    'on',
    'off',
  )
  KAFKA_SSL?: string;
  @optionalText(
    'The authority that signed the certificate of the brokers, PEM; without it the authorities that Node knows.',
  )
  KAFKA_SSL_CA_FILE?: string;
  @oneOf('How the user proves to Kafka who it is.', 'scram-sha-512', 'scram-sha-256') KAFKA_SASL_MECHANISM =
    'scram-sha-512';
  @optionalText('The user of this service at Kafka; `docs/kafka-access.md` says what it has to be allowed.')
  KAFKA_SASL_USERNAME?: string;
  @secretText('Its password.') KAFKA_SASL_PASSWORD?: string;
  @text(
    'Change it when topics are made anew on the same cluster: positions start again and the retained log is published again.',
  )
  KAFKA_TOPIC_SUFFIX = '';
  @secretKey('Wraps every other key; without it `DATA_DIR/master.key` is made with mode 0600.') MASTER_KEY?: string;
  @secretApiKey(
    'Bootstrap key of the admin API, which only makes, lists and revokes other keys; without it `DATA_DIR/admin.key` is made with mode 0600.',
  )
  MUSTER_API_KEY?: string;
  @secretApiKey(
    'Key of the command line: the admin API makes it at its start, under this name, with all scopes. Without it `DATA_DIR/cli.key` is made with mode 0600; a service of its own then makes none.',
  )
  MUSTER_CLI_KEY?: string;
  @optionalText(
    'Checkpoints of the audit log are also written to files in this folder, which an administrator of the database should not reach; without it `DATA_DIR/checkpoints`, and a service of its own writes none.',
  )
  AUDIT_CHECKPOINT_FOLDER?: string;
  @oneOf(
    'What is logged, as JSON lines on standard output.',
    'trace',
    'debug',
    'info',
    'warn',
    'error',
    'fatal',
    'silent',
  )
  LOG_LEVEL = 'info';

  @count('A longer request body gets a 413.') MAX_BODY_BYTES = 1_048_576;
  @count(
    'A longer body of a bulk request gets a 413; `MAX_BODY_BYTES` is then the limit of the data of each of its operations.',
  )
  MAX_BULK_BODY_BYTES = 8_388_608;
  @count('A bulk request with more operations gets a 413.') MAX_BULK_OPERATIONS = 1_000;
  // Entra lets one object have 100 extension values of 256 characters; with everything else that is below 100 kB,
  // whatever the script.
  @count(
    'A user, or a group without its members, that becomes longer as JSON in UTF-8 gets a 400; one that is longer already may become shorter.',
    4_096,
  )
  MAX_RESOURCE_BYTES = 262_144;
  @count('A client that takes longer to send a request gets a 408.') REQUEST_TIMEOUT_MS = 30_000;
  @count('Open connections of each process; another one is closed with a 503.') MAX_CONNECTIONS = 10_000;
  @count(
    'Of these, from one address (of IPv6: one network of 64 bits); another one is closed with a 429. Behind a proxy all clients have its address: limit them there, and set this to `MAX_CONNECTIONS`.',
  )
  MAX_CONNECTIONS_PER_ADDRESS = 2_000;
  @count('A connection on which nothing of an answer goes through for that long is closed: its client does not read.')
  SEND_TIMEOUT_MS = 30_000;
  @count(
    'Bodies of requests that are received or being answered, of one tenant together; further ones get a 429 with Retry-After. The body of a request without a token is not read.',
  )
  MAX_RECEIVED_BYTES_PER_TENANT = 16_777_216;
  @count('The same for all tenants of a process together: those above an equal share of it get the 429.')
  MAX_RECEIVED_BYTES = 67_108_864;
  @count(
    'Answers that clients of one tenant have not read yet, together; further requests of the tenant get a 429 with Retry-After.',
  )
  MAX_UNSENT_BYTES_PER_TENANT = 33_554_432;
  @count('The same for all tenants of a process together: those above an equal share of it get the 429.')
  MAX_UNSENT_BYTES = 134_217_728;
  @count(
    'Requests of one tenant that are worked on at once while other tenants send some too: so many reads, and so many writes. Further ones wait for these, and get a 429 with Retry-After when that takes 5 s.',
  )
  MAX_REQUESTS_AT_ONCE_PER_TENANT = 32;
  @count('Commands of one partition that are decided in one transaction.') MAX_BATCH_MESSAGES = 256;
  @count('What such a transaction loads and writes together; a command that needs more has one of its own.')
  MAX_BATCH_BYTES = 8_388_608;
  @count(
    'A process whose lane has had messages waiting for so long, and has committed nothing, is not ready until it commits.',
  )
  LANE_STANDSTILL_AFTER_SECONDS = 30;
  @count('Resources in one page of a list; a larger `count` gets as many.') MAX_PAGE_RESOURCES = 1_000;
  @count('A page of a list ends before its resources are longer than this together; it has one at least.')
  MAX_PAGE_BYTES = 4_194_304;
  @count('Resources in a page when the client asks for no `count`.') DEFAULT_PAGE_RESOURCES = 100;
  @count('A cursor expires unless its client asks for the next page within this time.')
  CURSOR_TIMEOUT_SECONDS = 3_600;
  @count('Further writes of a tenant get a 429 with Retry-After.') MAX_COMMANDS_IN_FLIGHT_PER_TENANT = 1_000;
  @count(
    'Writes of a tenant that are carried out at once, in bytes: of what they are likely to load and change, as their bodies and such writes of the tenant before them tell. Further ones wait for these; while other tenants send requests too, an eighth of it has to do.',
  )
  MAX_COMMAND_BYTES_IN_FLIGHT_PER_TENANT = 4_194_304;
  @count(
    'Connections to Postgres, for each service. A new tenant takes one until it is there, and is written with another one: so two are the least.',
    2,
  )
  DATABASE_POOL_CONNECTIONS = 14;
  @count(
    'Searches that read all users, or groups, of a tenant (no look-up by `userName`, `externalId`, `id` or work e-mail), at once and for each process; no more than three below `DATABASE_POOL_CONNECTIONS`, and of one tenant one less: the last one is for others, and while these send requests it has one. Look-ups by what several may have take turns in the same way in connections of their own.',
  )
  MAX_SEARCHES_AT_ONCE = 4;
  @count(
    'Further searches wait, and tenants take turns; above this, for all tenants, they get a 429 with Retry-After.',
    0,
  )
  MAX_WAITING_SEARCHES = 1_000;
  @count('The same for one tenant.', 0) MAX_WAITING_SEARCHES_PER_TENANT = 100;
  @count('A search that has waited that long gets a 429 with Retry-After.') SEARCH_WAIT_TIMEOUT_MS = 5_000;
  @count('After this an outcome that has not come is looked up in the database.') OUTCOME_LOOKUP_AFTER_MS = 1_000;
  @count('After this the client gets a 503, and the owner refuses the command.') COMMAND_EXPIRES_AFTER_MS = 10_000;
  // The log keeps messages for 7 days.
  @count(
    'Outcomes of commands are kept that long: longer than the commands themselves, which may be delivered again.',
    8,
    3_650,
  )
  OUTCOME_KEEP_DAYS = 8;
  @count(
    'Requests that faces were asked, with their bodies, are kept that long; so is when somebody was shown an object last.',
    1,
    3_650,
  )
  REQUEST_KEEP_DAYS = 30;
  @optionalCount(
    'What entries of the audit log say is purged when it is that old, and the log has announced it for a day; their digests stay. Without it everything is kept.',
    1,
    36_500,
  )
  AUDIT_KEEP_DAYS?: number;
  @count(
    'How long one statement, or waiting for a connection, may take in the database; a search that takes longer gets a 400 tooMany.',
  )
  QUERY_TIMEOUT_MS = 5_000;
  @count(
    'Tokens, keys and proofs of OAuth clients that nobody knows, in a minute from one address (of IPv6: one network of 64 bits); further ones get a 429 with Retry-After instead of a 401. One that is known is let in all the same.',
  )
  MAX_WRONG_CREDENTIALS_PER_MINUTE = 100;
  @optionalDnsServers(
    'DNS servers that are asked for the records of e-mail domains; without it those of this machine. For networks whose own servers do not know the domains of others.',
  )
  DNS_SERVERS?: string;
  @count('How long a SCIM token is trusted before it is looked up again.', 0) TOKEN_CACHE_MS = 500;
  @count('Life of an access token that a client of OAuth 2.0 gets; its client asks for the next one.', 3_600, 21_600)
  ACCESS_TOKEN_SECONDS = 3_600;
  @count('A key that signs access tokens is replaced when it is that old.', 1, 365) SIGNING_KEY_DAYS = 30;
  @networks(
    'Networks besides the public addresses that URLs typed by administrators of tenants, such as the keys of an issuer, may lead to. In those of this machine, `http` is allowed as well.',
  )
  OUTBOUND_NETWORKS?: string;
  @count('How long a server at such a URL may take to answer.') OUTBOUND_TIMEOUT_MS = 5_000;
  @fitsText(
    'The issuer of the tokens that Microsoft Entra ID sends where no secret token is entered; `{tid}` is the id of its tenant. The national clouds have others.',
    'URL with {tid} in it',
    (value) => URL.canParse(value) && value.includes('{tid}'),
    '$property must be a URL with {tid} in it',
  )
  ENTRA_ISSUER = 'https://sts.windows.net/{tid}/';
  @url('The keys of that issuer.') ENTRA_KEYS_URL = 'https://login.microsoftonline.com/common/discovery/keys';

  /** The names of the services' roles in the database, and the passwords that are not derived. */
  get databaseRoles(): { readonly prefix: string; readonly passwords: Readonly<Record<string, string>> } {
    const pairs = (this.DATABASE_ROLE_PASSWORDS ?? '')
      .split(',')
      .filter(Boolean)
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const);
    return { prefix: this.DATABASE_ROLE_PREFIX, passwords: Object.fromEntries(pairs) };
  }

  /** None = those of this machine. */
  get dnsServers(): readonly string[] {
    return this.DNS_SERVERS?.split(',') ?? [];
  }

  get publicUrl(): string {
    return (this.PUBLIC_URL ?? `http://localhost:${this.PORT}`).replace(/\/+$/, '');
  }

  /** The URL that clients see before the paths of the sign-in. */
  get signInUrl(): string {
    return (this.SIGN_IN_URL ?? this.PUBLIC_URL ?? `http://localhost:${this.signInPort}`).replace(/\/+$/, '');
  }

  get signInPort(): number {
    return this.SIGN_IN_PORT ?? this.PORT;
  }

  /** Networks that servers whose URLs others have typed may be in. */
  get outboundNetworks(): readonly string[] {
    return (this.OUTBOUND_NETWORKS ?? '').split(',').filter(Boolean);
  }

  /** The connection to Kafka; null = there is no Kafka. */
  get kafka(): ReturnType<typeof kafkaConnection> {
    return kafkaConnection(this);
  }

  /** Where checkpoints of the audit log are kept outside of the database. */
  get checkpointFolder(): string {
    return this.AUDIT_CHECKPOINT_FOLDER ?? join(this.DATA_DIR, 'checkpoints');
  }

  get scimBaseUrl(): string {
    return `${this.publicUrl}/api/scim/v2`;
  }
}

/**
 * Reads and checks the settings. Throws UsageError with one line that names every wrong setting, and never a secret.
 */
export const readConfig = (environment: Readonly<Record<string, string | undefined>>): Config => {
  const files: string[] = [];
  const given: Record<string, string> = {};
  for (const { name, secret: isSecret } of SETTINGS) {
    const value = isSecret ? secretFrom(environment, name) : environment[name];
    if (!value) continue;
    given[name] = value;
    if (!environment[name]) files.push(name);
  }
  const config = plainToInstance(Config, given, { exposeDefaultValues: true });
  const errors = validateSync(config);
  if (errors.length > 0) {
    throw new UsageError(
      errors
        .map(
          ({ property, constraints }) =>
            `${Object.values(constraints ?? {}).join(', ')}${files.includes(property) ? ` (it is read from the file of ${property}_FILE)` : ''}`,
        )
        .join('; '),
    );
  }
  // These checks need more than one setting.
  if (config.DATABASE_URL) checkDatabaseUrl(config.DATABASE_URL);
  kafkaConnection(config);
  return config;
};

/**
 * The environment of a child: that of this process with these settings, which it then has once and not from a file as
 * well.
 */
export const environmentWith = (settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv => {
  const files = new Set(Object.keys(settings).map((name) => `${name}_FILE`));
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !files.has(name))), ...settings };
};
