package api

import (
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

// meiliRoutes are all routes of Meilisearch 1.50, each with the action that a
// key needs for it.
func (s *Server) meiliRoutes() []route {
	routes := []route{
		{method: get, pattern: "/", handle: s.root},
		{method: get, pattern: "/health", handle: s.health},
		{method: get, pattern: "/version", action: "version", handle: s.version},
		{method: get, pattern: "/stats", action: "stats.get", handle: s.stats},
		{method: get, pattern: "/metrics", action: "metrics.get", handle: s.metrics},

		{method: get, pattern: "/indexes", action: "indexes.get", handle: s.listIndexes},
		{method: post, pattern: "/indexes", action: "indexes.create", handle: s.createIndex},
		{method: get, pattern: "/indexes/{uid}", action: "indexes.get", handle: s.getIndex},
		{method: patch, pattern: "/indexes/{uid}", action: "indexes.update", handle: s.updateIndex},
		{method: remove, pattern: "/indexes/{uid}", action: "indexes.delete", handle: s.deleteIndex},
		{method: post, pattern: "/swap-indexes", action: "indexes.swap", handle: s.swapIndexes},
		{method: post, pattern: "/indexes/{uid}/compact", action: "indexes.compact", handle: s.compactIndex},
		{method: post, pattern: "/indexes/{uid}/fields", action: "fields.post", handle: s.fields},
		{method: get, pattern: "/indexes/{uid}/stats", action: "stats.get", handle: s.indexStats},

		{method: post, pattern: "/indexes/{uid}/documents", action: "documents.add", handle: s.replaceDocuments},
		{method: put, pattern: "/indexes/{uid}/documents", action: "documents.add", handle: s.mergeDocuments},
		{method: remove, pattern: "/indexes/{uid}/documents", action: "documents.delete", handle: s.deleteAllDocuments},
		{method: remove, pattern: "/indexes/{uid}/documents/{id}", action: "documents.delete", handle: s.deleteDocument},
		{method: post, pattern: "/indexes/{uid}/documents/delete-batch", action: "documents.delete", handle: s.deleteBatch},
		{method: post, pattern: "/indexes/{uid}/documents/delete", action: "documents.delete", handle: s.deleteByFilter},
		{method: post, pattern: "/indexes/{uid}/documents/edit", action: "documents.*", handle: s.editDocuments},

		{method: get, pattern: "/indexes/{uid}/settings", action: "settings.get", handle: s.getSettings},
		{method: patch, pattern: "/indexes/{uid}/settings", action: "settings.update", handle: s.updateSettings},
		{method: remove, pattern: "/indexes/{uid}/settings", action: "settings.update", handle: s.resetSettings},

		{method: get, pattern: "/tasks", action: "tasks.get", handle: s.listTasks},
		{method: remove, pattern: "/tasks", action: "tasks.delete", handle: s.deleteTasks},
		{method: post, pattern: "/tasks/cancel", action: "tasks.cancel", handle: s.cancelTasks},
		{method: post, pattern: "/tasks/compact", action: "tasks.compact", handle: s.compactTasks},
		{method: get, pattern: "/tasks/{uid}", action: "tasks.get", handle: s.getTask},
		{method: get, pattern: "/tasks/{uid}/documents", action: "tasks.get", handle: s.taskDocuments},
		{method: get, pattern: "/batches", action: "tasks.get", handle: s.listBatches},
		{method: get, pattern: "/batches/{uid}", action: "tasks.get", handle: s.getBatch},

		{method: get, pattern: "/keys", action: "keys.get", handle: s.listKeys},
		{method: post, pattern: "/keys", action: "keys.create", handle: s.createKey},
		{method: get, pattern: "/keys/{key}", action: "keys.get", handle: s.getKey},
		{method: patch, pattern: "/keys/{key}", action: "keys.update", handle: s.updateKey},
		{method: remove, pattern: "/keys/{key}", action: "keys.delete", handle: s.deleteKey},

		{method: get, pattern: "/experimental-features", action: "experimental.get", handle: s.getFeatures},
		{method: patch, pattern: "/experimental-features", action: "experimental.update", handle: s.updateFeatures},
		{method: get, pattern: "/webhooks", action: "webhooks.get", handle: s.listWebhooks},
		{method: post, pattern: "/webhooks", action: "webhooks.create", handle: s.createWebhook},
		{method: get, pattern: "/webhooks/{uuid}", action: "webhooks.get", handle: s.getWebhook},
		{method: patch, pattern: "/webhooks/{uuid}", action: "webhooks.update", handle: s.updateWebhook},
		{method: remove, pattern: "/webhooks/{uuid}", action: "webhooks.delete", handle: s.deleteWebhook},
		{method: post, pattern: "/dumps", action: "dumps.create", handle: s.createDump},
		{method: post, pattern: "/snapshots", action: "snapshots.create", handle: s.createSnapshot},
		{method: post, pattern: "/export", action: "export", handle: s.export},
	}
	routes = append(routes, s.settingsRoutes()...)
	routes = append(routes, s.searchRoutes()...)
	return append(routes, s.unsupportedRoutes()...)
}

// searchRoutes are the reads that are merged from several nodes.
func (s *Server) searchRoutes() []route {
	routes := []route{
		{method: get, pattern: "/indexes/{uid}/search", action: "search", handle: s.searchByQuery},
		{method: post, pattern: "/indexes/{uid}/search", action: "search", handle: s.searchByBody},
		{method: post, pattern: "/indexes/{uid}/facet-search", action: "search", handle: s.facetSearch},
		{method: get, pattern: "/indexes/{uid}/similar", action: "search", handle: s.similarByQuery},
		{method: post, pattern: "/indexes/{uid}/similar", action: "search", handle: s.similarByBody},
		{method: post, pattern: "/multi-search", action: "search", handle: s.multiSearch},
		{method: get, pattern: "/indexes/{uid}/documents", action: "documents.get", handle: s.listDocuments},
		{method: post, pattern: "/indexes/{uid}/documents/fetch", action: "documents.get", handle: s.fetchDocuments},
		{method: get, pattern: "/indexes/{uid}/documents/{id}", action: "documents.get", handle: s.getDocument},
	}
	for i := range routes {
		routes[i].family = FamilySearch
	}
	return routes
}

// settingsRoutes are the routes of the single settings.
func (s *Server) settingsRoutes() []route {
	var routes []route
	for _, name := range settings.Names() {
		pattern := "/indexes/{uid}/settings/" + name
		routes = append(routes,
			route{method: get, pattern: pattern, action: "settings.get", handle: s.getSetting(name)},
			route{method: settings.Verb(name), pattern: pattern, action: "settings.update", handle: s.updateSetting(name)},
			route{method: remove, pattern: pattern, action: "settings.update", handle: s.resetSetting(name)})
	}
	return routes
}
