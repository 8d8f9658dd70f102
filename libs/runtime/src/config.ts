import 'reflect-metadata';
import { plainToInstance, Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, IsUrl, Max, Min, validateSync } from 'class-validator';
import { UsageError } from './usage-error.js';

/** Every setting of Muster, read from environment variables of the names in capitals; units are part of the names. */
export class Config {
  /** Port of the SCIM gateway (and of the admin API when all services run in one process). */
  @Type(() => Number) @IsInt() @Min(0) @Max(65535) PORT = 8080;
  /** Port of the admin API when it is a process of its own. */
  @Type(() => Number) @IsInt() @Min(0) @Max(65535) ADMIN_PORT = 8081;
  /** Port of identity's health endpoint when it is a process of its own. */
  @Type(() => Number) @IsInt() @Min(0) @Max(65535) HEALTH_PORT = 8082;
  /** Address to listen on. */
  @IsString() HOST = '127.0.0.1';
  /** Embedded database, generated keys and runtime.json live here. */
  @IsString() DATA_DIR = './.data';
  /** What clients see before `/api/scim/v2`; the default is `http://localhost:PORT`. */
  @IsOptional() @IsUrl({ require_tld: false, require_protocol: true, protocols: ['http', 'https'] }) PUBLIC_URL?: string;
  /** Postgres; without it the embedded one is started. The owner's URL for migrations and all-in-one. */
  @IsOptional() @IsString() DATABASE_URL?: string;
  /** Kafka brokers, `host:port,host:port`; without it the Postgres log is used, by one process. */
  @IsOptional() @IsString() KAFKA_BROKERS?: string;
  /** Change it when topics are made anew on the same cluster: positions start again and the retained log is published again. */
  @IsString() KAFKA_TOPIC_SUFFIX = '';
  /** 32 bytes, base64, that wrap every other key; without it DATA_DIR/master.key is made with mode 0600. */
  @IsOptional() @IsString() MASTER_KEY?: string;
  /** Bearer key of the admin API; without it DATA_DIR/admin.key is made with mode 0600. */
  @IsOptional() @IsString() MUSTER_API_KEY?: string;

  @Type(() => Number) @IsInt() @Min(1) MAX_BODY_BYTES = 1_048_576;
  @Type(() => Number) @IsInt() @Min(1) MAX_BATCH_MESSAGES = 256;
  @Type(() => Number) @IsInt() @Min(1) MAX_PAGE_RESOURCES = 1_000;
  @Type(() => Number) @IsInt() @Min(1) DEFAULT_PAGE_RESOURCES = 100;
  @Type(() => Number) @IsInt() @Min(1) MAX_COMMANDS_IN_FLIGHT_PER_TENANT = 1_000;
  @Type(() => Number) @IsInt() @Min(1) DATABASE_POOL_CONNECTIONS = 10;
  /** After this an outcome that has not come is looked up in the database. */
  @Type(() => Number) @IsInt() @Min(1) OUTCOME_LOOKUP_AFTER_MS = 1_000;
  /** After this the client gets a 503, and the owner refuses the command. */
  @Type(() => Number) @IsInt() @Min(1) COMMAND_EXPIRES_AFTER_MS = 10_000;
  /** How long a read may take in the database. */
  @Type(() => Number) @IsInt() @Min(1) QUERY_TIMEOUT_MS = 5_000;
  /** How long a SCIM token is trusted before it is looked up again. */
  @Type(() => Number) @IsInt() @Min(0) TOKEN_CACHE_MS = 500;

  get publicUrl(): string {
    return (this.PUBLIC_URL ?? `http://localhost:${this.PORT}`).replace(/\/+$/, '');
  }

  get scimBaseUrl(): string {
    return `${this.publicUrl}/api/scim/v2`;
  }
}

/** Reads and checks the settings. Throws UsageError with one line that names every wrong setting. */
export const readConfig = (environment: Readonly<Record<string, string | undefined>>): Config => {
  const known = Object.keys(new Config());
  const names = [...known, 'PUBLIC_URL', 'DATABASE_URL', 'KAFKA_BROKERS', 'MASTER_KEY', 'MUSTER_API_KEY'];
  const given = Object.fromEntries(names.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])));
  const config = plainToInstance(Config, given, { exposeDefaultValues: true });
  const errors = validateSync(config);
  if (errors.length > 0) {
    throw new UsageError(errors.map((error) => Object.values(error.constraints ?? {}).join(', ')).join('; '));
  }
  return config;
};
