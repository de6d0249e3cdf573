"""What the suites of the Python client share."""

import json
import os
import pathlib
import unittest

import meilisearch
from meilisearch.errors import MeilisearchApiError

FILMS = json.loads((pathlib.Path(__file__).parent.parent / "films.json").read_text())


def connect(key):
    return meilisearch.Client(os.environ["MIROIR_URL"], key)


class Case(unittest.TestCase):
    """A test with a connection; its indexes start with the client's name."""

    maxDiff = None

    def setUp(self):
        self.client = connect(os.environ["MIROIR_KEY"])

    def finished(self, info):
        """Waits with the client's own function.

        The client gives up after five seconds, which a busy machine can need.
        """
        return self.client.wait_for_task(info.task_uid, timeout_in_ms=60_000, interval_in_ms=10)

    def done(self, info):
        task = self.finished(info)
        self.assertEqual(task.status, "succeeded", task.error)
        return task

    def library(self, uid):
        """An index with all films and the settings that searches need."""
        self.done(self.client.create_index(uid, {"primaryKey": "id"}))
        index = self.client.index(uid)
        self.done(
            index.update_settings(
                {
                    "filterableAttributes": ["genres", "year", "rating", "studio"],
                    "sortableAttributes": ["year", "rating", "title"],
                }
            )
        )
        self.done(index.add_documents(FILMS))
        return index

    def refused(self, status, code, call, *args, **options):
        """Wants the client's error class with the server's code and status."""
        with self.assertRaises(MeilisearchApiError) as caught:
            call(*args, **options)
        error = caught.exception
        self.assertEqual((error.status_code, error.code), (status, code))
        self.assertTrue(error.link.endswith("#" + code))


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]
