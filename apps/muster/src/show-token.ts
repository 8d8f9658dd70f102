/** The option of `npm start` that shows the token of the first directory at later starts, too. */
export const SHOW_TOKEN = '--show-token';
