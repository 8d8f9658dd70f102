/** Tells whether an error of a query says that the database is away, and not that the query is wrong. */
export const isDatabaseAway = (error: unknown): boolean => {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  // 08, 57, 53: connection, operator intervention, resources; the driver's own codes are the socket's.
  return (
    /^(08|57|53)/.test(code) || /^E(CONN|PIPE|TIMEDOUT)/.test(code) || /timeout|terminated|Connection/i.test(message)
  );
};

/** Tells whether a statement was ended because QUERY_TIMEOUT_MS had passed (SQLSTATE query_canceled). */
export const isTimeOut = (error: unknown): boolean => (error as { code?: string }).code === '57014';

/**
 * Tells whether a read was ended because groups are in each other in more ways than are read at once (expect_readable):
 * another try would end the same.
 */
export const isUnreadable = (error: unknown): boolean => (error as { code?: string }).code === 'MU003';
