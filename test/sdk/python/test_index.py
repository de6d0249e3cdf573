from support import FILMS, Case


class Indexes(Case):
    def test_server(self):
        self.assertTrue(self.client.is_healthy())
        self.assertEqual(self.client.health(), {"status": "available"})
        self.assertRegex(self.client.get_version()["pkgVersion"], r"^\d+\.\d+\.\d+")

    def test_indexes(self):
        task = self.done(self.client.create_index("py-indexes", {"primaryKey": "key"}))
        self.assertEqual((task.type, task.details), ("indexCreation", {"primaryKey": "key"}))
        self.done(self.client.index("py-indexes").update(primary_key="id"))
        self.assertEqual(self.client.get_index("py-indexes").primary_key, "id")
        failed = self.finished(self.client.create_index("py-indexes"))
        self.assertEqual((failed.status, failed.error["code"]), ("failed", "index_already_exists"))
        found = self.client.get_indexes({"limit": 50})
        self.assertEqual(found["total"], len(found["results"]))
        self.assertIn("py-indexes", [index.uid for index in found["results"]])
        self.done(self.client.delete_index("py-indexes"))
        self.refused(404, "index_not_found", self.client.get_index, "py-indexes")

    def test_swap(self):
        for title in ("left", "right"):
            self.done(self.client.index(f"py-{title}").add_documents([{"id": 1, "title": title}]))
        task = self.done(self.client.swap_indexes([{"indexes": ["py-left", "py-right"]}]))
        self.assertEqual(task.details["swaps"][0]["indexes"], ["py-left", "py-right"])
        self.assertEqual(self.client.index("py-left").get_document(1).title, "right")
        self.done(self.client.swap_indexes([{"indexes": ["py-left", "py-renamed"], "rename": True}]))
        self.assertEqual(self.client.index("py-renamed").get_document(1).title, "right")
        self.refused(404, "index_not_found", self.client.get_index, "py-left")


class Documents(Case):
    def test_documents(self):
        index = self.library("py-documents")
        self.assertEqual(dict(index.get_document(8)), FILMS[7])
        self.refused(404, "document_not_found", index.get_document, 800)
        self.done(index.update_documents([{"id": 8, "rating": 9.5}]))
        self.assertEqual(dict(index.get_document(8)), FILMS[7] | {"rating": 9.5})

        table = "id,title,year:number\n30,First of a table,2001\n31,Second of a table,2002\n"
        task = self.done(index.add_documents_csv(table.encode()))
        self.assertEqual(task.details, {"receivedDocuments": 2, "indexedDocuments": 2})
        lines = '{"id":32,"title":"A line"}\n{"id":33,"title":"A line more"}'
        self.done(index.update_documents_ndjson(lines.encode()))
        batches = index.add_documents_in_batches(FILMS, 7)
        self.assertEqual(len(batches), 3)
        for batch in batches:
            self.done(batch)

        self.assertEqual(index.get_documents({"limit": 100, "fields": ["id"]}).total, 24)
        recent = index.get_documents({"filter": "year >= 2018", "sort": ["year:desc"]})
        self.assertEqual([document.id for document in recent.results], [20, 16, 17])

        self.done(index.delete_document(30))
        with self.assertWarns(DeprecationWarning):
            self.done(index.delete_documents(["31", "32", "999"]))
        task = self.done(index.delete_documents(filter="studio = Kite"))
        self.assertEqual(task.details, {"providedIds": 0, "deletedDocuments": 6, "originalFilter": '"studio = Kite"'})
        stats = index.get_stats()
        self.assertEqual(stats.number_of_documents, 15)
        self.assertEqual(stats.field_distribution.title, 15)
        self.assertEqual(self.done(index.delete_all_documents()).details, {"deletedDocuments": 15})
        self.assertEqual(self.client.get_all_stats()["indexes"]["py-documents"]["numberOfDocuments"], 0)


class Settings(Case):
    def test_settings(self):
        index = self.library("py-settings")
        for task in (
            index.update_ranking_rules(["words", "sort", "rating:desc"]),
            index.update_stop_words(["the", "a"]),
            index.update_synonyms({"picture": ["film"]}),
            index.update_distinct_attribute("studio"),
            index.update_searchable_attributes(["title", "overview"]),
            index.update_displayed_attributes(["id", "title", "studio"]),
            index.update_typo_tolerance({"minWordSizeForTypos": {"oneTypo": 4}}),
            index.update_pagination_settings({"maxTotalHits": 500}),
            index.update_faceting_settings({"maxValuesPerFacet": 2, "sortFacetValuesBy": {"*": "count"}}),
            index.update_search_cutoff_ms(1500),
            index.update_proximity_precision("byAttribute"),
            index.update_prefix_search("disabled"),
            index.update_dictionary(["J. R. R."]),
            index.update_separator_tokens(["&sep"]),
        ):
            self.done(task)

        settings = index.get_settings()
        self.assertEqual(settings["rankingRules"], ["words", "sort", "rating:desc"])
        self.assertEqual(settings["stopWords"], ["a", "the"])
        self.assertEqual(settings["synonyms"], {"picture": ["film"]})
        self.assertEqual(settings["distinctAttribute"], "studio")
        self.assertEqual(settings["displayedAttributes"], ["id", "title", "studio"])
        self.assertEqual(settings["dictionary"], ["J. R. R."])
        self.assertEqual(settings["separatorTokens"], ["&sep"])
        self.assertEqual(settings["prefixSearch"], "disabled")
        self.assertEqual(index.get_typo_tolerance().min_word_size_for_typos.one_typo, 4)
        self.assertEqual(index.get_pagination_settings().max_total_hits, 500)
        self.assertEqual(index.get_faceting_settings().max_values_per_facet, 2)
        self.assertEqual(index.get_search_cutoff_ms(), 1500)
        self.assertEqual(index.get_proximity_precision(), "byAttribute")

        found = index.search("", {"sort": ["rating:desc"]})
        self.assertEqual(len(found["hits"]), 3)
        self.assertEqual(sorted(found["hits"][0]), ["id", "studio", "title"])

        self.done(index.reset_settings())
        self.assertEqual(
            index.get_ranking_rules(),
            ["words", "typo", "proximity", "attributeRank", "sort", "wordPosition", "exactness"],
        )
        self.refused(400, "invalid_settings_ranking_rules", index.update_ranking_rules, ["nonsense rule"])
