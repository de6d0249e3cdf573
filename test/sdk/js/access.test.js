import assert from "node:assert/strict";
import { test } from "node:test";
import { Meilisearch } from "meilisearch";
import { generateTenantToken } from "meilisearch/token";
import { client, connect, done, ids, library, refused } from "./support.js";

test("tasks", async () => {
  const index = await library("js-tasks");
  const { results, total } = await client.tasks.getTasks({ indexUids: ["js-tasks"], statuses: ["succeeded"] });
  assert.equal(total, 3);
  assert.deepEqual(results.map((task) => task.type), ["documentAdditionOrUpdate", "settingsUpdate", "indexCreation"]);
  for (const task of results) {
    assert.match(task.duration, /^PT[\d.]+S$/);
    assert.ok(task.enqueuedAt <= task.startedAt && task.startedAt <= task.finishedAt);
  }
  const page = await client.tasks.getTasks({ indexUids: ["js-tasks"], limit: 2 });
  assert.equal(page.next, results[2].uid);
  const rest = await client.tasks.getTasks({ indexUids: ["js-tasks"], limit: 2, from: page.next });
  assert.deepEqual([rest.results.length, rest.next], [1, null]);

  const batches = await client.batches.getBatches({ uids: [results[0].uid] });
  assert.equal(batches.total, 1);
  assert.deepEqual((await client.batches.getBatch(batches.results[0].uid)).stats.types, { documentAdditionOrUpdate: 1 });

  const uids = [results[1].uid];
  assert.equal((await done(client.tasks.cancelTasks({ uids }))).details.canceledTasks, 0);
  assert.equal((await done(client.tasks.deleteTasks({ uids }))).details.deletedTasks, 1);
  await refused(client.tasks.getTask(uids[0]), 404, "task_not_found");

  const failed = await index.addDocuments([{ title: "no id" }]).waitTask();
  assert.equal(failed.status, "failed");
  assert.equal(failed.error.code, "missing_document_id");
});

test("keys", async () => {
  await library("js-keys");
  const expiresAt = new Date(Date.now() + 3_600_000);
  const key = await client.createKey({ name: "search", description: "searches", actions: ["search"], indexes: ["js-keys"], expiresAt });
  assert.equal(new Date(key.expiresAt).getTime(), expiresAt.getTime());
  await client.updateKey(key.uid, { name: "renamed" });
  assert.equal((await client.getKey(key.key)).name, "renamed");
  const list = await client.getKeys({ limit: 50 });
  assert.equal(list.total, list.results.length);

  const limited = connect(key.key);
  assert.equal((await limited.index("js-keys").search("")).estimatedTotalHits, 20);
  await refused(limited.createIndex("js-forbidden"), 403, "invalid_api_key");
  await refused(limited.index("js-other").search(""), 403, "invalid_api_key");
  await client.deleteKey(key.uid);
  await refused(client.getKey(key.uid), 404, "api_key_not_found");
  await refused(limited.index("js-keys").search(""), 403, "invalid_api_key");
  await refused(connect().getKeys(), 401, "missing_authorization_header");
  await refused(client.createKey({ actions: ["nonsense"], indexes: ["*"], expiresAt: null }), 400, "invalid_api_key_actions");
});

test("tenant tokens", async () => {
  await library("js-tenants");
  const key = await client.createKey({ actions: ["search"], indexes: ["*"], expiresAt: null });
  const tenant = async (options) =>
    connect(await generateTenantToken({ apiKey: key.key, apiKeyUid: key.uid, ...options })).index("js-tenants");
  const searchRules = { "js-tenants": { filter: "studio = Harbour" } };

  for (const algorithm of ["HS256", "HS384", "HS512"]) {
    const index = await tenant({ searchRules, algorithm, expiresAt: new Date(Date.now() + 60_000) });
    assert.deepEqual(ids((await index.search("", { sort: ["rating:desc"] })).hits), [13, 16, 6, 1, 17, 2, 7]);
    assert.deepEqual((await index.search("", { filter: "studio = Kite" })).hits, []);
    const facets = await index.searchForFacetValues({ facetName: "studio" });
    assert.deepEqual(facets.facetHits, [{ value: "Harbour", count: 7 }]);
  }
  await refused((await tenant({ searchRules: ["js-other"] })).search(""), 403, "invalid_api_key");
  await refused((await tenant({ searchRules, expiresAt: new Date(1_000_000) })).search(""), 403, "invalid_api_key");
});

test("errors that are no answers of the server", async () => {
  const nobody = new Meilisearch({ host: "http://127.0.0.1:9" });
  await assert.rejects(nobody.health(), { name: "MeilisearchRequestError" });
  const hasty = new Meilisearch({ host: process.env.MIROIR_URL, apiKey: process.env.MIROIR_KEY });
  await assert.rejects(hasty.tasks.waitForTask(4_000_000), { name: "MeilisearchApiError" });
});
