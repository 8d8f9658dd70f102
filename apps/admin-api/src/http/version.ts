/** The beginning of all paths of the admin API; a change that breaks programs gets another one. */
export const BASE_PATH = '/api/admin/v1';
/** The same of those of the auditors' API. */
export const AUDIT_BASE_PATH = '/api/audit/v1';
