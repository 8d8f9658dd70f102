/** The result of work that yields wherever something else may be done, when nothing else is. */
export const finished = <Result>(work: Iterator<unknown, Result>): Result => {
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
};
