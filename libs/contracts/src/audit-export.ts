/**
 * `log`: all entries. `range`: some in a row. `person`: those of one. `absence`: the leaves of a range, and what those of
 * one person say.
 */
export const EXPORT_KINDS = ['log', 'range', 'person', 'absence'] as const;
export type ExportKind = (typeof EXPORT_KINDS)[number];

/** The entries of an export, and what leads from them to the root of a checkpoint: the answer of /export/plan. */
export interface ExportPlan {
  readonly kind: ExportKind;
  readonly tenant: string;
  /** The id of the person; null = it is not about one. */
  readonly person: string | null;
  /** Moments in ISO 8601; null = the beginning, or the end, of the log. */
  readonly since: string | null;
  readonly until: string | null;
  /** The entries from this number on, up to, but without, `to`, among `size`. */
  readonly from: number;
  readonly to: number;
  readonly size: number;
  /** A signed note. */
  readonly checkpoint: string;
  readonly verifierKey: string;
  /** Hashes in base64: the peaks of the tree that ends before `from`, and the consistency proof from `to`. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /**
   * The last entry that announces what is purged, as a line of an export, with its inclusion proof: it explains what is
   * missing; null = there is none.
   */
  readonly purge: string | null;
}
