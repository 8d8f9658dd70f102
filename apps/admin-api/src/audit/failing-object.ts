import { ID, MOMENT, nullable, NUMBER, objectOf, TEXT } from '../http/shapes.js';
import type { RequestRow } from './asked-request.js';
import type { BearerOf } from './bearers.js';
import type { FailingObject, ReportObject } from './report.js';
import { whatToDo } from './what-to-do.js';
import type { Names } from './words.js';

/** An object of which requests were refused. */
export interface Failing {
  readonly count: number;
  readonly first: string;
  readonly last: RequestRow;
}

export const REPORT_OBJECT = objectOf<ReportObject>({ type: nullable(TEXT), id: nullable(ID), name: nullable(TEXT) });
/** Its members, for the API documents. */
export const FAILING_OBJECT = {
  object: REPORT_OBJECT,
  count: NUMBER,
  first: MOMENT,
  last: MOMENT,
  status: NUMBER,
  scimType: nullable(TEXT),
  reason: nullable(TEXT),
  whatToDo: TEXT,
  request: ID,
};

export const failingObject = (
  { count, first, last }: Failing,
  { nameOf }: Pick<Names, 'nameOf'>,
  bearerOf: BearerOf,
): FailingObject => ({
  object: { type: last.resourceType, id: last.object, name: (last.object && nameOf(last.object)) ?? last.name },
  count,
  first,
  last: last.at,
  status: last.status,
  scimType: last.scimType,
  reason: last.detail,
  whatToDo: whatToDo(last, bearerOf),
  request: last.id,
});
