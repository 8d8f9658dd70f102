import type { DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import type { KeySeal, RoleSeal } from '#event-store';
import type { Questions, RequestReply } from '#log';
import type { AskedFace, FaceOnLog, Message, QuestionKind } from '#contracts';
import type { Config, HttpErrors, Logger, Pace } from '#runtime';
import type { Describe } from './answered-requests.js';
import type { Secret } from './definition.js';

/** The tools that a face works with. */
export interface FaceTools {
  readonly config: Config;
  /** Connections as the role of the face, which may read published views. */
  readonly pool: Pool;
  readonly logger: Logger;
  /** The time of this process, which its faces share: all of them run on one thread. */
  readonly pace: Pace;
  /** Sends commands to an owner, which `sendsTo` has to name, and waits for their outcomes. */
  readonly requests: (owner: string) => RequestReply;
  /** Asks the services that `asks` names. */
  readonly dryRuns: Questions;
  /** Asks the face that `replaysThrough` names to send a request again. */
  readonly replays: Questions;
  /** Answers questions of a kind. Throws unless the face says that it does. */
  readonly answerQuestions: (kind: QuestionKind, answer: (question: Message) => Promise<unknown>) => void;
  /** Seals texts that clients keep and hand back: the same in all processes of this face. */
  readonly seal: (purpose: string) => RoleSeal;
  /** Seals with the master key. Throws unless MASTER_KEY is among the secrets of the face. */
  readonly masterSeal: () => KeySeal;
  /** Throws unless MUSTER_API_KEY is among them. */
  readonly apiKey: () => string;
  /** Null = it is left to an administrator. Throws unless MUSTER_CLI_KEY is among them. */
  readonly commandLineKey: () => string | null;
}

/** A face as it is made for one process. */
export interface FaceParts {
  readonly module: DynamicModule;
  prepare(app: NestFastifyApplication): void;
  /** The beginnings of its paths. */
  readonly basePaths: readonly string[];
  /**
   * The answers to errors. Where several faces share a port, each answers for the paths below its own, and the last
   * face for all others.
   */
  readonly errors: HttpErrors;
  /** Its requests in the record, and whose each was; left out = nothing of it is told. */
  readonly told?: { readonly face: AskedFace; readonly describe: Describe };
  /** Runs when the process can serve, and before anybody is answered. What it returns is in `Running.begun`. */
  begin?(app: NestFastifyApplication): Promise<unknown>;
}

/**
 * A face speaks HTTP and holds no state: it reads published views, and writes by commands to owners. It connects to
 * Postgres and to Kafka as a user of its own. For a face that sends few commands, among the many of others, looking its
 * outcomes up costs less than hearing all.
 */
export interface FaceDefinition extends FaceOnLog {
  readonly secrets?: readonly Secret[];
  address(config: Config): { readonly host: string; readonly port: number };
  make(tools: FaceTools): FaceParts;
}
