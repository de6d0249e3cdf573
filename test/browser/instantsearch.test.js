import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { chromium } from "playwright-core";
import { prepare, search } from "./api.js";
import { serve } from "./server.js";

const flags = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let browser;
let page;
let server;
const troubles = [];

before(async () => {
  const settings = await prepare();
  server = await serve(settings);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM_BIN, headless: true, chromiumSandbox: false, args: flags });
  page = await browser.newPage({ viewport: { width: 900, height: 640 } });
  page.on("pageerror", (error) => troubles.push(error.stack));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && troubles.push(message.text()));
  page.on("response", (response) => response.status() >= 400 && troubles.push(`${response.status()} ${response.url()}`));
  page.on("request", (request) => {
    const { origin } = new URL(request.url());
    if (![server.origin, settings.url].includes(origin) && origin !== "null") troubles.push(`asked ${request.url()}`);
  });
});

after(async () => {
  await browser?.close();
  server?.close();
});

/** What a visitor reads on the page. */
function read() {
  const all = (selector) => [...document.querySelectorAll(selector)];
  return {
    ids: all("#hits article").map((article) => Number(article.dataset.id)),
    names: all("#hits .ais-Highlight").map((name) => name.innerHTML.replace(/<(\/?)mark[^>]*>/g, "<$1mark>").replace(/<\/?span[^>]*>/g, "")),
    brands: Object.fromEntries(
      all("#brands .ais-RefinementList-label").map((label) => [
        label.querySelector(".ais-RefinementList-labelText").textContent,
        Number(label.querySelector(".ais-RefinementList-count").textContent),
      ]),
    ),
    total: Number(document.querySelector("#stats .ais-Stats-text")?.textContent.match(/^\d+/)?.[0]),
    pages: all("#pages .ais-Pagination-item--page").length,
  };
}

/** Waits until the page shows what the interface answers to a query. */
async function shows(query, facets = query) {
  const tags = { attributesToHighlight: ["name"], highlightPreTag: "<mark>", highlightPostTag: "</mark>" };
  const answer = await search({ ...query, ...tags });
  const { facetDistribution } = await search({ ...facets, facets: ["brand"] });
  const want = {
    ids: answer.hits.map((hit) => hit.id),
    names: answer.hits.map((hit) => hit._formatted.name),
    brands: facetDistribution.brand,
    total: answer.totalHits,
    pages: Math.min(answer.totalPages, 7),
  };
  assert.ok(want.ids.length > 0, "the query finds something");
  const end = Date.now() + 10_000;
  while (Date.now() < end && !isDeepStrictEqual(await page.evaluate(read), want)) await setTimeout(20);
  assert.deepEqual(await page.evaluate(read), want);
  return want;
}

test("a visitor searches, refines, turns pages and sorts", async (t) => {
  await t.test("everything is there before a word is typed", async () => {
    await page.goto(server.origin);
    const { total } = await shows({});
    assert.equal(total, 120);
  });
  await t.test("typing finds and marks", async () => {
    await page.locator("#box input").pressSequentially("lamp", { delay: 20 });
    const { names, total } = await shows({ q: "lamp" });
    assert.equal(total, 24);
    assert.match(names[0], /<mark>Lamp<\/mark>/);
  });
  await t.test("a brand narrows the hits and leaves the other brands' counts", async () => {
    await page.locator("#brands .ais-RefinementList-label", { hasText: "Birch" }).click();
    const { brands } = await shows({ q: "lamp", filter: 'brand = "Birch"' }, { q: "lamp" });
    assert.deepEqual(Object.keys(brands), ["Alder", "Birch", "Cedar"]);
    await page.locator("#brands .ais-RefinementList-label", { hasText: "Cedar" }).click();
    await shows({ q: "lamp", filter: 'brand IN ["Birch", "Cedar"]' }, { q: "lamp" });
  });
  await t.test("the second page goes on where the first ended", async () => {
    await page.locator("#pages .ais-Pagination-link", { hasText: /^2$/ }).click();
    await shows({ q: "lamp", filter: 'brand IN ["Birch", "Cedar"]', page: 2 }, { q: "lamp" });
  });
  await t.test("sorting starts at the first page", async () => {
    await page.locator("#order select").selectOption("products:price:asc");
    await shows({ q: "lamp", filter: 'brand IN ["Birch", "Cedar"]', sort: ["price:asc"] }, { q: "lamp" });
    if (process.env.MIROIR_SCREENSHOT) await page.screenshot({ path: process.env.MIROIR_SCREENSHOT });
  });
  await t.test("a typing error is forgiven", async () => {
    await page.locator("#box input").fill("ketle");
    await shows({ q: "ketle", filter: 'brand IN ["Birch", "Cedar"]', sort: ["price:asc"] }, { q: "ketle" });
  });
  await t.test("the page had no trouble", () => assert.deepEqual(troubles, []));
});
