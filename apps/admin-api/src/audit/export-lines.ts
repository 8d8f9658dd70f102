import { csvCell } from './csv.js';
import { sealContext } from '#contracts';

/** Opens what was sealed with the key of one person; null = it does not fit. */
export interface PersonKey {
  open(context: string, sealed: string): string | null;
}

/** A row of an export as Postgres makes it. Where nothing is sealed, or shown, the last four are null. */
export type ExportRow = readonly [
  /** The beginning of a line of JSON: number, leaf and payload. Its last brace is missing. */
  line: string,
  number: string,
  stream: string | null,
  version: number | null,
  /** The sealed part of the payload. */
  personal: string | null,
  /** The key of the person, sealed; null = it is gone. */
  wrapped: string | null,
];

/**
 * The readable values of a row, as a JSON text: null = the person was erased; undefined = nothing in it is sealed. What
 * was sealed is JSON that Muster has written in one line, and AES-GCM says that it still is.
 */
export const valuesOf = (
  tenant: string,
  [, , stream, version, personal]: ExportRow,
  key: PersonKey | null,
): string | null | undefined =>
  personal === null ? undefined : (key?.open(sealContext(tenant, stream!, version!), personal) ?? null);

/** A line of JSON. `proof` = the inclusion proof of an entry that is exported without its neighbours. */
export const jsonLine = (line: string, proof: readonly string[] | null, values: string | null | undefined): string =>
  `${line}${proof === null ? '' : `,"proof":${JSON.stringify(proof)}`}${values === undefined ? '' : `,"values":${values}`}}\n`;

const CSV_LEAF = [
  'recordedAt',
  'owner',
  'type',
  'stream',
  'version',
  'sequence',
  'actor',
  'directory',
  'correlationId',
  'commandId',
] as const;

/**
 * The first line of a CSV export: `payload` is the hash of what the entry says, `data` and `values` are that itself, or the
 * word `purged` or `erased` in its place.
 */
export const CSV_HEAD = `number,${CSV_LEAF.join(',')},payload,data,values\r\n`;

/** A line of CSV (RFC 4180). */
export const csvLine = (line: string, values: string | null | undefined): string => {
  const { number, leaf, payload } = JSON.parse(`${line}}`) as {
    readonly number: number;
    readonly leaf: Readonly<Record<(typeof CSV_LEAF)[number], string | number | null>> & { readonly payload: string };
    readonly payload?: { readonly data: string } | null;
  };
  const [data, shown] = [payload === null ? 'purged' : payload?.data, values === null ? 'erased' : values];
  const ofLeaf = [number, ...CSV_LEAF.map((name) => leaf[name])].map(csvCell);
  // A hash in base64 may begin with a plus sign, and has to be found as the leaf has it: no client can choose one.
  return `${[...ofLeaf, leaf.payload, csvCell(data), csvCell(shown)].join(',')}\r\n`;
};
