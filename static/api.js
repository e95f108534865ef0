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

/**
 * @param {string} route e.g. "flamegraph"
 * @param {Record<string, string|number>} params
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>} the answer's JSON
 * @throws {ApiError}; AbortError when aborted
 */
export async function get(route, params = {}, signal) {
  const query = new URLSearchParams(Object.entries(params).map(([k, v]) => [k, String(v)]));
  const endpoint = `api/v1/${route}`;
  const token = getToken();
  let response;
  try {
    response = await fetch(query.size ? `${endpoint}?${query}` : endpoint, {
      signal,
      headers: token ? { Authorization: `Bearer ${token}` } : {},
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Is proflite serve still running?", endpoint, 0);
  }
  const body = await readJson(response, endpoint);
  if (response.ok) return body;
  const message = body?.error?.message ?? `${response.status} ${response.statusText}`;
  throw new ApiError(message, endpoint, response.status);
}

async function readJson(response, endpoint) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!response.ok) return null;
    throw new ApiError("The answer is not JSON.", endpoint, response.status);
  }
}
