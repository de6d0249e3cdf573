// The search server's interface without any client: what the page shows is held
// to what these calls answer.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";

const { MIROIR_URL: url, MIROIR_KEY: master } = process.env;
assert.ok(url, "MIROIR_URL names no server; the suite is run by test/browser");

async function call(method, path, body, key = master) {
  const response = await fetch(url + path, {
    method,
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

async function done(enqueued) {
  for (;;) {
    const task = await call("GET", `/tasks/${enqueued.taskUid}`);
    if (task.finishedAt !== null) {
      assert.equal(task.status, "succeeded", JSON.stringify(task.error));
      return;
    }
    await setTimeout(20);
  }
}

const kinds = ["Lamp", "Table", "Kettle", "Clock", "Shelf"];
const colours = ["Red", "Blue", "Green", "White"];
const brands = ["Alder", "Birch", "Cedar"];

/** 120 products: each kind in each colour, six times, of changing brands. */
const products = Array.from({ length: 120 }, (_, i) => ({
  id: i + 1,
  name: `${colours[i % 4]} ${kinds[i % 5]} ${100 + i}`,
  brand: brands[(i * 7) % 3],
  price: 10 + ((i * 37) % 211),
}));

/** Makes the index of the page and a key that can search it and nothing else. */
export async function prepare() {
  await done(await call("POST", "/indexes", { uid: "products", primaryKey: "id" }));
  await done(
    await call("PATCH", "/indexes/products/settings", {
      searchableAttributes: ["name"],
      filterableAttributes: ["brand"],
      sortableAttributes: ["price"],
    }),
  );
  await done(await call("POST", "/indexes/products/documents", products));
  const { key } = await call("POST", "/keys", { actions: ["search"], indexes: ["products"], expiresAt: null });
  return { url, key };
}

export const search = (query) => call("POST", "/indexes/products/search", { hitsPerPage: 6, page: 1, ...query });
