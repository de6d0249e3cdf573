from support import Case, ids

DRAMAS = [20, 8, 3, 6, 1, 17, 14]


class Search(Case):
    def test_search(self):
        index = self.library("py-search")
        query = {"filter": "genres = Drama", "sort": ["rating:desc"]}
        found = index.search("", query)
        self.assertEqual((ids(found), found["estimatedTotalHits"]), (DRAMAS, 7))
        self.assertEqual(ids(index.search("", query | {"offset": 2, "limit": 3})), DRAMAS[2:5])
        page = index.search("", query | {"page": 2, "hitsPerPage": 3})
        self.assertEqual((ids(page), page["totalHits"], page["totalPages"]), (DRAMAS[3:6], 7, 3))
        nested = index.search("", {"filter": ["year >= 2000", ["studio = Kite", "studio = None"]], "sort": ["year:desc"]})
        self.assertEqual(ids(nested), [11, 9, 18, 8])

        found = index.search("", {"facets": ["studio", "year"], "limit": 1})
        self.assertEqual(found["facetDistribution"]["studio"], {"Harbour": 7, "Kite": 6, "Northlight": 7})
        self.assertEqual(found["facetStats"]["year"], {"min": 1951, "max": 2023})
        self.assertEqual(index.facet_search("genres", "dra")["facetHits"], [{"value": "Drama", "count": 7}])

        self.refused(400, "invalid_search_filter", index.search, "", {"filter": "overview = x"})
        self.refused(400, "invalid_search_sort", index.search, "", {"sort": ["overview:asc"]})
        self.refused(404, "index_not_found", self.client.index("py-nowhere").search, "")

    def test_highlights(self):
        index = self.library("py-highlights")
        found = index.search(
            "winter",
            {
                "attributesToRetrieve": ["id"],
                "attributesToHighlight": ["title"],
                "attributesToCrop": ["overview"],
                "cropLength": 4,
                "showMatchesPosition": True,
                "showRankingScore": True,
            },
        )
        titles = {hit["id"]: hit["_formatted"]["title"] for hit in found["hits"]}
        self.assertEqual(titles, {3: "Nine <em>Winter</em>s", 19: "<em>Winter</em> Engine"})
        for hit in found["hits"]:
            self.assertEqual(sorted(hit), ["_formatted", "_matchesPosition", "_rankingScore", "id"])

    def test_multi_search(self):
        self.library("py-multi")
        queries = [
            {"indexUid": "py-multi", "filter": f"studio = {studio}", "sort": ["rating:desc"]}
            for studio in ("Kite", "Harbour")
        ]
        results = self.client.multi_search(queries)["results"]
        self.assertEqual([ids(result) for result in results], [[8, 11, 9, 18, 4, 14], [13, 16, 6, 1, 17, 2, 7]])
        merged = self.client.multi_search(queries, {"limit": 5, "facetsByIndex": {"py-multi": ["studio"]}})
        self.assertEqual((ids(merged), merged["estimatedTotalHits"]), ([8, 13, 16, 11, 9], 13))
        self.assertEqual(merged["hits"][1]["_federation"]["queriesPosition"], 1)
        facets = merged["facetsByIndex"]["py-multi"]["distribution"]
        self.assertEqual(facets["studio"], {"Harbour": 7, "Kite": 6})
