// The access token: comes in the address as #t=TOKEN, is taken out of it at once, and
// lives in this tab only.

const slot = "proflite-token";

/** Take the token out of the address, if there is one. @returns {boolean} found */
export function takeToken() {
  const match = /(?:^#|&)t=([^&]+)/.exec(location.hash);
  if (!match) return false;
  setToken(decodeURIComponent(match[1]));
  history.replaceState(history.state, "", location.pathname + location.search);
  return true;
}

/** @param {string} token */
export function setToken(token) {
  sessionStorage.setItem(slot, token.trim());
}

/** @returns {string} "" when there is none: the server may not want one */
export function getToken() {
  return sessionStorage.getItem(slot) ?? "";
}

takeToken(); // before anything is asked
