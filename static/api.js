// The one place that talks to the server.

import { getToken } from "./token.js";

/** Why a request failed, in words for people. */
export class ApiError extends Error {
  /** @param {string} message @param {string} endpoint @param {number} status 0: no answer */
  constructor(message, endpoint, status) {
    super(message);
    this.endpoint = endpoint;
    this.status = status;
  }
}

/** @typedef {Record<string, string|number|string[]>} Params a list comes once for each */

/** @param {string} route @param {Params} params */
export function endpointOf(route, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
  return `api/v1/${route}${query.size ? `?${query}` : ""}`;
}

/** What to type in a terminal for the same answer. @param {string} endpoint */
export function curlOf(endpoint) {
  const url = new URL(endpoint, location.href);
  return `curl -H "Authorization: Bearer $(cat "$DB-token")" '${url.href.replaceAll("'", "%27")}'`;
}

/**
 * @param {string} route e.g. "flamegraph"
 * @param {Params} params
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>} the answer's JSON
 * @throws {ApiError}; AbortError when aborted
 */
export async function get(route, params = {}, signal) {
  return json(await send(endpointOf(route, params), { signal }), `GET api/v1/${route}`);
}

/** Whole numbers too large for a double come as BigInt. @param {string} route @param {any} body @param {AbortSignal} [signal] */
export async function post(route, body, signal) {
  const init = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal };
  return json(await send(`api/v1/${route}`, init), `POST api/v1/${route}`, exact);
}

/** A file the server makes. @returns {Promise<Blob>} */
export async function download(route, params) {
  const response = await send(endpointOf(route, params), {});
  if (!response.ok) await json(response, `GET api/v1/${route}`);
  return response.blob();
}

/** @param {string} endpoint @param {RequestInit} init */
export async function send(endpoint, init) {
  const token = getToken();
  const headers = { ...init.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  try {
    return await fetch(endpoint, { ...init, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Is proflite serve still running?", `${init.method ?? "GET"} ${endpoint.split("?")[0]}`, 0);
  }
}

/** Whole numbers that a double cannot hold stay what they are. */
function exact(_, value, context) {
  if (typeof value !== "number" || Number.isSafeInteger(value) || !/^-?\d+$/.test(context?.source ?? "")) return value;
  return BigInt(context.source);
}

async function json(response, endpoint, revive) {
  let body = null;
  try {
    body = JSON.parse(await response.text(), revive);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (response.ok) throw new ApiError("The answer is not JSON.", endpoint, response.status);
  }
  if (response.ok) return body;
  throw new ApiError(body?.error?.message ?? `${response.status} ${response.statusText}`, endpoint, response.status);
}
