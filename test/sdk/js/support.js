// What the suites of the JavaScript client share: a connection, the films and an
// index that has them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Meilisearch } from "meilisearch";

export const url = process.env.MIROIR_URL;
assert.ok(url, "MIROIR_URL names no server; the suite is run by test/sdk");

export const films = JSON.parse(readFileSync(new URL("../films.json", import.meta.url), "utf8"));

// The client gives up on a task after five seconds, which a busy machine can need.
export function connect(apiKey) {
  return new Meilisearch({ host: url, apiKey, defaultWaitOptions: { timeout: 60_000, interval: 10 } });
}

export const client = connect(process.env.MIROIR_KEY);

/** Waits for a task with the client's own function and wants it to succeed. */
export async function done(enqueued) {
  const task = await enqueued.waitTask();
  assert.equal(task.status, "succeeded", JSON.stringify(task.error));
  return task;
}

/** An index with all films and the settings that searches need. */
export async function library(uid) {
  await done(client.createIndex(uid, { primaryKey: "id" }));
  const index = client.index(uid);
  await done(
    index.updateSettings({
      filterableAttributes: ["genres", "year", "rating", "studio"],
      sortableAttributes: ["year", "rating", "title"],
    }),
  );
  await done(index.addDocuments(films));
  return index;
}

export const ids = (hits) => hits.map((hit) => hit.id);

/** Wants the client's error class with the server's code and status. */
export async function refused(promise, status, code) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.name, "MeilisearchApiError");
    assert.equal(error.response.status, status);
    assert.equal(error.cause.code, code);
    assert.ok(error.cause.link.endsWith(`#${code}`));
    return true;
  });
}
