import assert from "node:assert/strict";
import { test } from "node:test";
import { client, done, films, library, refused } from "./support.js";

test("server", async () => {
  assert.equal(await client.isHealthy(), true);
  assert.deepEqual(await client.health(), { status: "available" });
  assert.match((await client.getVersion()).pkgVersion, /^\d+\.\d+\.\d+/);
});

test("indexes", async () => {
  const created = await done(client.createIndex("js-indexes", { primaryKey: "key" }));
  assert.equal(created.type, "indexCreation");
  assert.deepEqual(created.details, { primaryKey: "key" });
  await done(client.updateIndex("js-indexes", { primaryKey: "id" }));
  assert.equal(await client.index("js-indexes").fetchPrimaryKey(), "id");
  const failed = await client.createIndex("js-indexes").waitTask();
  assert.equal(failed.status, "failed");
  assert.equal(failed.error.code, "index_already_exists");
  const list = await client.getIndexes({ limit: 50 });
  assert.equal(list.total, list.results.length);
  assert.ok(list.results.some((index) => index.uid === "js-indexes"));
  await done(client.deleteIndex("js-indexes"));
  await refused(client.getIndex("js-indexes"), 404, "index_not_found");
});

test("documents", async () => {
  const index = await library("js-documents");
  assert.deepEqual(await index.getDocument(8), films[7]);
  await refused(index.getDocument(800), 404, "document_not_found");
  await done(index.updateDocuments([{ id: 8, rating: 9.5 }]));
  assert.deepEqual(await index.getDocument("8"), { ...films[7], rating: 9.5 });

  const csv = "id,title,year:number\n30,First of a table,2001\n31,Second of a table,2002\n";
  const added = await done(index.addDocumentsFromString(csv, "text/csv"));
  assert.deepEqual(added.details, { receivedDocuments: 2, indexedDocuments: 2 });
  assert.deepEqual(await index.getDocument(31), { id: "31", title: "Second of a table", year: 2002 });
  await done(index.updateDocumentsFromString('{"id":32,"title":"A line"}\n{"id":33,"title":"A line more"}', "application/x-ndjson"));
  const batches = index.addDocumentsInBatches(films, 7);
  assert.equal(batches.length, 3);
  for (const batch of batches) await done(batch);

  assert.equal((await index.getDocuments({ limit: 100, fields: ["id"] })).total, 24);
  const recent = await index.getDocuments({ filter: "year >= 2018", sort: ["year:desc"], fields: ["id"] });
  assert.deepEqual(recent.results, [{ id: 20 }, { id: 16 }, { id: 17 }]);

  await done(index.deleteDocument(30));
  await done(index.deleteDocuments(["31", "32", "999"]));
  const filtered = await done(index.deleteDocuments({ filter: "studio = Kite" }));
  assert.deepEqual(filtered.details, { providedIds: 0, deletedDocuments: 6, originalFilter: '"studio = Kite"' });
  const stats = await index.getStats();
  assert.equal(stats.numberOfDocuments, 15);
  assert.deepEqual(stats.fieldDistribution, { genres: 14, id: 15, overview: 14, rating: 14, studio: 14, title: 15, year: 14 });
  const all = await done(index.deleteAllDocuments());
  assert.deepEqual(all.details, { deletedDocuments: 15 });
  assert.equal((await client.getStats()).indexes["js-documents"].numberOfDocuments, 0);
});

test("settings", async () => {
  const index = await library("js-settings");
  const enqueued = [
    index.updateRankingRules(["words", "sort", "rating:desc"]),
    index.updateStopWords(["the", "a"]),
    index.updateSynonyms({ picture: ["film"] }),
    index.updateDistinctAttribute("studio"),
    index.updateSearchableAttributes(["title", "overview"]),
    index.updateDisplayedAttributes(["id", "title", "studio"]),
    index.updateTypoTolerance({ disableOnNumbers: true, minWordSizeForTypos: { oneTypo: 4 } }),
    index.updatePagination({ maxTotalHits: 500 }),
    index.updateFaceting({ maxValuesPerFacet: 2, sortFacetValuesBy: { "*": "count" } }),
    index.updateSearchCutoffMs(1500),
    index.updateProximityPrecision("byAttribute"),
    index.updateFilterableAttributes(["studio", { attributePatterns: ["year"], features: { facetSearch: false, filter: { equality: true, comparison: true } } }]),
  ];
  for (const task of enqueued) await done(task);

  const settings = await index.getSettings();
  assert.deepEqual(settings.rankingRules, ["words", "sort", "rating:desc"]);
  assert.deepEqual(settings.stopWords, ["a", "the"]);
  assert.deepEqual(settings.synonyms, { picture: ["film"] });
  assert.equal(settings.distinctAttribute, "studio");
  assert.deepEqual(settings.searchableAttributes, ["title", "overview"]);
  assert.deepEqual(settings.displayedAttributes, ["id", "title", "studio"]);
  assert.deepEqual(settings.typoTolerance, {
    enabled: true,
    minWordSizeForTypos: { oneTypo: 4, twoTypos: 9 },
    disableOnWords: [],
    disableOnAttributes: [],
    disableOnNumbers: true,
  });
  assert.deepEqual(settings.pagination, { maxTotalHits: 500 });
  assert.deepEqual(settings.faceting, { maxValuesPerFacet: 2, sortFacetValuesBy: { "*": "count" } });
  assert.equal(settings.searchCutoffMs, 1500);
  assert.equal(settings.proximityPrecision, "byAttribute");
  assert.deepEqual(await index.getFilterableAttributes(), settings.filterableAttributes);
  assert.equal(settings.filterableAttributes.length, 2);

  const found = await index.search("", { sort: ["rating:desc"], filter: "year > 1950" });
  assert.equal(found.hits.length, 3);
  assert.deepEqual(Object.keys(found.hits[0]).sort(), ["id", "studio", "title"]);

  await done(index.resetSettings());
  assert.deepEqual(await index.getRankingRules(), ["words", "typo", "proximity", "attributeRank", "sort", "wordPosition", "exactness"]);
  await refused(index.updateRankingRules(["nonsense rule"]), 400, "invalid_settings_ranking_rules");
});

test("swap", async () => {
  for (const title of ["left", "right"]) await done(client.index(`js-${title}`).addDocuments([{ id: 1, title }]));
  const swapped = await done(client.swapIndexes([{ indexes: ["js-left", "js-right"] }]));
  assert.deepEqual(swapped.details.swaps[0].indexes, ["js-left", "js-right"]);
  assert.equal((await client.index("js-left").getDocument(1)).title, "right");
});
