/** The beginning of all paths of the admin API; a change that breaks programs gets another one. */
export const BASE_PATH = '/api/admin/v1';
