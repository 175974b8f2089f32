// Copyright 2026 The mm_perception authors
// SPDX-License-Identifier: Apache-2.0
// What the server is asked for; server.py lists it.

/** The server refused; `code` tells what can be done about it. */
export class Refused extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** The server does not answer at all. */
export class Silent extends Error {}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    throw new Silent(String(error));
  }
  const body = await response.json().catch(() => null);
  if (!body) throw new Refused('The server could not do that: see what it says in its terminal.');
  if (!response.ok) throw new Refused(body.error, body.code);
  return body;
}

export const get = (path) => ask(path, {});

export const post = (path, body) =>
  ask(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
