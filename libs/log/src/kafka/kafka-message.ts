import type { IHeaders, Message as KafkaMessage } from 'kafkajs';
import type { Message } from '#contracts';
import type { Received } from '../log.js';

/** CloudEvents, binary mode: the envelope as `ce_*` headers, the data as the value. */
export const toKafka = (message: Message, partition: number): KafkaMessage => {
  const { id, type, source, subject, time, tenant, directory, correlationId, causationId, data } = message;
  return {
    key: tenant,
    partition,
    value: JSON.stringify(data ?? null),
    headers: {
      ce_specversion: '1.0',
      ce_id: id,
      ce_type: type,
      ce_source: source,
      ce_subject: subject,
      ce_time: time,
      ce_tenant: tenant,
      ...(directory === null ? {} : { ce_directory: directory }),
      ce_correlationid: correlationId,
      ...(causationId === null ? {} : { ce_causationid: causationId }),
      'content-type': 'application/json',
    },
  };
};

/** About as many bytes as it takes on the wire: the headers of ours take less than 1 KiB. */
export const sizeOf = ({ value }: KafkaMessage): number => 1_024 + Buffer.byteLength(value!);

/** Kafka takes 1 MiB at once unless it was told otherwise. */
const MAX_REQUEST_BYTES = 900_000;

/**
 * The number of waiting messages, from the first on, that go into one request; a message that is larger than a request
 * goes alone.
 */
export const countOfRequest = (waiting: readonly { readonly bytes: number }[]): number => {
  let [count, bytes] = [0, 0];
  while (count < waiting.length && (count === 0 || bytes + waiting[count]!.bytes <= MAX_REQUEST_BYTES))
    bytes += waiting[count++]!.bytes;
  return count;
};

/**
 * The topics are made for messages of this length, which is enough for the events of a body of MAX_BODY_BYTES. A broker
 * ends a connection that sends it far more.
 */
export const MAX_MESSAGE_BYTES = 16 * 1_048_576;

/**
 * Tells whether a broker refused a request for the length of one of its messages: the other ones are to be sent without
 * it.
 */
export const isTooLong = (error: unknown): boolean => {
  const { type, cause } = error as { type?: string; cause?: { type?: string } };
  return ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'].includes(cause?.type ?? type ?? '');
};

/** A message of which only the tenant is wanted, which is its key. */
export const noticeFromKafka = ({ offset, key }: { offset: string; key: Buffer | null }): Received => ({
  offset: Number(offset),
  message: key === null ? null : { ...UNREAD, tenant: key.toString() },
});
const UNREAD: Omit<Message, 'tenant'> = {
  id: '',
  type: '',
  source: '',
  subject: '',
  time: '',
  directory: null,
  correlationId: '',
  causationId: null,
  data: null,
};

/** Bytes that are no message of ours come as `message: null`: the handler sets them aside. */
export const fromKafka = ({
  offset,
  value,
  headers,
}: {
  offset: string;
  value: Buffer | null;
  headers?: IHeaders;
}): Received => {
  const header = (name: string): string | null => headers?.[`ce_${name}`]?.toString() ?? null;
  const raw = value?.toString() ?? '';
  const id = header('id');
  const type = header('type');
  const tenant = header('tenant');
  if (id === null || type === null || tenant === null) return { offset: Number(offset), message: null, raw };
  try {
    return {
      offset: Number(offset),
      raw,
      message: {
        id,
        type,
        tenant,
        source: header('source') ?? '',
        subject: header('subject') ?? '',
        time: header('time') ?? '',
        directory: header('directory'),
        correlationId: header('correlationid') ?? '',
        causationId: header('causationid'),
        data: JSON.parse(raw) as unknown,
      },
    };
  } catch {
    return { offset: Number(offset), message: null, raw };
  }
};
