import assert from "node:assert/strict";
import { before, test } from "node:test";
import { client, ids, library, refused } from "./support.js";

const dramas = [20, 8, 3, 6, 1, 17, 14];
let index;
before(async () => {
  index = await library("js-search");
});

test("filter, sort and both kinds of pages", async () => {
  const query = { filter: "genres = Drama", sort: ["rating:desc"] };
  const found = await index.search("", query);
  assert.deepEqual(ids(found.hits), dramas);
  assert.equal(found.estimatedTotalHits, 7);
  assert.deepEqual(ids((await index.search("", { ...query, offset: 2, limit: 3 })).hits), dramas.slice(2, 5));
  const page = await index.search("", { ...query, page: 2, hitsPerPage: 3 });
  assert.deepEqual(ids(page.hits), dramas.slice(3, 6));
  assert.deepEqual([page.totalHits, page.totalPages, page.page, page.hitsPerPage], [7, 3, 2, 3]);
  const get = await index.searchGet("", { ...query, limit: 2 });
  assert.deepEqual(ids(get.hits), dramas.slice(0, 2));
  const nested = await index.search("", { filter: ["year >= 2000", ["studio = Kite", "studio = None"]], sort: ["year:desc"] });
  assert.deepEqual(ids(nested.hits), [11, 9, 18, 8]);
});

test("highlights, crops and positions", async () => {
  const found = await index.search("winter", {
    attributesToRetrieve: ["id"],
    attributesToHighlight: ["title"],
    highlightPreTag: "<b>",
    highlightPostTag: "</b>",
    attributesToCrop: ["overview"],
    cropLength: 4,
    showMatchesPosition: true,
    showRankingScore: true,
  });
  const titles = Object.fromEntries(found.hits.map((hit) => [hit.id, hit._formatted.title]));
  assert.deepEqual(titles, { 3: "Nine <b>Winter</b>s", 19: "<b>Winter</b> Engine" });
  for (const hit of found.hits) {
    assert.deepEqual(Object.keys(hit).sort(), ["_formatted", "_matchesPosition", "_rankingScore", "id"]);
    assert.ok(hit._rankingScore > 0 && hit._rankingScore <= 1);
    assert.equal(hit._matchesPosition.title[0].length, 6);
    assert.ok(hit._formatted.overview.endsWith("…"));
  }
});

test("facets", async () => {
  const found = await index.search("", { facets: ["studio", "year"], limit: 1 });
  assert.deepEqual(found.facetDistribution.studio, { Harbour: 7, Kite: 6, Northlight: 7 });
  assert.deepEqual(found.facetStats.year, { min: 1951, max: 2023 });
  const values = await index.searchForFacetValues({ facetName: "genres", facetQuery: "dra" });
  assert.deepEqual(values.facetHits, [{ value: "Drama", count: 7 }]);
});

test("several searches at once", async () => {
  const queries = ["Kite", "Harbour"].map((studio) => ({
    indexUid: "js-search",
    filter: `studio = ${studio}`,
    sort: ["rating:desc"],
  }));
  const { results } = await client.multiSearch({ queries });
  assert.deepEqual(results.map((result) => ids(result.hits)), [
    [8, 11, 9, 18, 4, 14],
    [13, 16, 6, 1, 17, 2, 7],
  ]);
  const merged = await client.multiSearch({
    federation: { limit: 5, facetsByIndex: { "js-search": ["studio"] } },
    queries,
  });
  assert.deepEqual(ids(merged.hits), [8, 13, 16, 11, 9]);
  assert.equal(merged.hits[1]._federation.queriesPosition, 1);
  assert.equal(merged.estimatedTotalHits, 13);
  assert.deepEqual(merged.facetsByIndex["js-search"].distribution.studio, { Harbour: 7, Kite: 6 });
});

test("a wrong search is refused in the server's words", async () => {
  await refused(index.search("", { filter: "overview = x" }), 400, "invalid_search_filter");
  await refused(index.search("", { sort: ["overview:asc"] }), 400, "invalid_search_sort");
  await refused(client.index("js-nowhere").search(""), 404, "index_not_found");
});
