import datetime

import meilisearch
from meilisearch.errors import MeilisearchCommunicationError

from support import Case, connect, ids


def later():
    return datetime.datetime.now(tz=datetime.timezone.utc) + datetime.timedelta(hours=1)


class Tasks(Case):
    def test_tasks(self):
        index = self.library("py-tasks")
        found = self.client.get_tasks({"indexUids": ["py-tasks"], "statuses": ["succeeded"]})
        self.assertEqual(
            [task.type for task in found.results],
            ["documentAdditionOrUpdate", "settingsUpdate", "indexCreation"],
        )
        self.assertEqual(found.total, 3)
        for task in found.results:
            self.assertLessEqual(task.enqueued_at, task.started_at)
            self.assertLessEqual(task.started_at, task.finished_at)
        self.assertEqual(index.get_tasks({"types": ["settingsUpdate"]}).total, 1)
        uid = found.results[1].uid
        batches = self.client.get_batches({"uids": [str(uid)]})
        self.assertEqual(batches.total, 1)
        batch = self.client.get_batch(batches.results[0].uid)
        self.assertEqual(batch.stats["types"], {"settingsUpdate": 1})

        canceled = self.done(self.client.cancel_tasks({"uids": [str(uid)]}))
        self.assertEqual(canceled.details["canceledTasks"], 0)
        deleted = self.done(self.client.delete_tasks({"uids": [str(uid)]}))
        self.assertEqual(deleted.details["deletedTasks"], 1)
        self.refused(404, "task_not_found", self.client.get_task, uid)

        failed = self.finished(index.add_documents([{"title": "no id"}]))
        self.assertEqual((failed.status, failed.error["code"]), ("failed", "missing_document_id"))

    def test_metadata(self):
        index = self.library("py-metadata")
        task = self.done(index.add_documents([{"id": 50}], metadata="from the suite"))
        self.assertEqual(task.custom_metadata, "from the suite")


class Keys(Case):
    def test_keys(self):
        self.library("py-keys")
        key = self.client.create_key(
            {"name": "search", "description": "searches", "actions": ["search"], "indexes": ["py-keys"], "expiresAt": later().isoformat()}
        )
        self.client.update_key(key.uid, {"name": "renamed"})
        self.assertEqual(self.client.get_key(key.key).name, "renamed")
        found = self.client.get_keys({"limit": 50})
        self.assertEqual(found.total, len(found.results))

        limited = connect(key.key)
        self.assertEqual(limited.index("py-keys").search("")["estimatedTotalHits"], 20)
        self.refused(403, "invalid_api_key", limited.create_index, "py-forbidden")
        self.refused(403, "invalid_api_key", limited.index("py-other").search, "")
        self.assertEqual(self.client.delete_key(key.uid), 204)
        self.refused(404, "api_key_not_found", self.client.get_key, key.uid)
        self.refused(403, "invalid_api_key", limited.index("py-keys").search, "")
        self.refused(403, "invalid_api_key", connect("nobodys").get_keys)

    def test_tenant_tokens(self):
        self.library("py-tenants")
        key = self.client.create_key({"actions": ["search"], "indexes": ["*"], "expiresAt": None})
        rules = {"py-tenants": {"filter": "studio = Harbour"}}
        for expires in (None, later()):
            token = self.client.generate_tenant_token(key.uid, rules, api_key=key.key, expires_at=expires)
            index = connect(token).index("py-tenants")
            self.assertEqual(ids(index.search("", {"sort": ["rating:desc"]})), [13, 16, 6, 1, 17, 2, 7])
            self.assertEqual(ids(index.search("", {"filter": "studio = Kite"})), [])
        token = self.client.generate_tenant_token(key.uid, ["py-other"], api_key=key.key)
        self.refused(403, "invalid_api_key", connect(token).index("py-tenants").search, "")


class Errors(Case):
    def test_nobody_answers(self):
        with self.assertRaises(MeilisearchCommunicationError):
            meilisearch.Client("http://127.0.0.1:9", "key").health()
