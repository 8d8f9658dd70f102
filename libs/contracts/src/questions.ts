/**
 * Questions to a service and its answers. Both are broadcast: they are no commands, no position counts them, and each
 * process of the service hears a question and may answer. `dry-run` = what would become of something; `replay` = send a
 * request again.
 */
export type QuestionKind = 'dry-run' | 'replay';

export const questionsOf = (service: string, kind: QuestionKind): string => `${service}.${kind}s`;
export const answersOf = (service: string, kind: QuestionKind): string => `${service}.${kind}-answers`;

/** The wire types of questions and answers. */
export const QUESTION_TYPES: { readonly [kind in QuestionKind]: string } = {
  'dry-run': 'muster.dry-run.v1',
  replay: 'muster.replay.v1',
};
export const ANSWER_TYPES: { readonly [kind in QuestionKind]: string } = {
  'dry-run': 'muster.dry-run-answer.v1',
  replay: 'muster.replay-answer.v1',
};

/** The content of an answer. */
export interface AnswerData {
  /** The id of the question. */
  readonly question: string;
  /** Never null: a process that cannot answer is silent, and the reason is in its log. */
  readonly answer: unknown;
}
