package minimeili

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// handler answers a request that was found to be allowed.
type handler func(c *call) (answer, *meili.Error)

// route is a method on a resource.
type route struct {
	method string
	action string // the right it needs; empty: none
	handle handler
}

// resource is a path with its routes.
type resource struct {
	pattern  string
	segments []string
	routes   []*route
}

type table []*resource

// match is what the table has for a request.
type match struct {
	pattern string // of the resource, or the path when there is none
	route   *route
	params  []string
	allow   string // the methods there are, when there is none of the request's
}

// routes is every route of the API, literal paths before those with parameters.
var routes = buildRoutes()

func (t *table) on(pattern string, routes ...*route) {
	*t = append(*t, &resource{pattern: pattern, segments: strings.Split(pattern[1:], "/"), routes: routes})
}

func get(action string, h handler) *route    { return &route{http.MethodGet, action, h} }
func post(action string, h handler) *route   { return &route{http.MethodPost, action, h} }
func put(action string, h handler) *route    { return &route{http.MethodPut, action, h} }
func patch(action string, h handler) *route  { return &route{http.MethodPatch, action, h} }
func remove(action string, h handler) *route { return &route{http.MethodDelete, action, h} }

func buildRoutes() table {
	var t table
	t.on("/", get("", (*call).root))
	t.on("/health", get("", (*call).health))
	t.on("/version", get("version", (*call).version))
	t.on("/stats", get("stats.get", (*call).stats))
	t.on("/metrics", get("metrics.get", (*call).metrics))
	t.on("/indexes", get("indexes.get", (*call).listIndexes), post("indexes.create", (*call).createIndex))
	t.on("/swap-indexes", post("indexes.swap", (*call).swapIndexes))
	t.on("/multi-search", post("search", (*call).multiSearch))
	t.on("/tasks", get("tasks.get", (*call).listTasks), remove("tasks.delete", (*call).deleteTasks))
	t.on("/tasks/cancel", post("tasks.cancel", (*call).cancelTasks))
	t.on("/tasks/compact", post("tasks.compact", leftOut("taskQueueCompactionRoute", "Using the /tasks/compact route")))
	t.on("/tasks/{}", get("tasks.get", (*call).getTask))
	t.on("/tasks/{}/documents", get("tasks.get", (*call).taskDocuments))
	t.on("/batches", get("tasks.get", (*call).listBatches))
	t.on("/batches/{}", get("tasks.get", (*call).getBatch))
	t.on("/keys", get("keys.get", (*call).listKeys), post("keys.create", (*call).createKey))
	t.on("/keys/{}", get("keys.get", (*call).getKey), patch("keys.update", (*call).updateKey),
		remove("keys.delete", (*call).deleteKey))
	t.on("/dumps", post("dumps.create", (*call).createDump))
	t.on("/snapshots", post("snapshots.create", (*call).createSnapshot))
	t.on("/export", post("export", (*call).export))
	t.on("/experimental-features", get("experimental.get", (*call).getFeatures),
		patch("experimental.update", (*call).updateFeatures))
	t.on("/network", get("network.get", (*call).getNetwork), patch("network.update", (*call).getNetwork))
	t.on("/chats", get("chats.get", (*call).listChats))
	t.on("/webhooks", get("webhooks.get", (*call).listWebhooks), post("webhooks.create", (*call).createWebhook))
	t.on("/webhooks/{}", get("webhooks.get", (*call).getWebhook), patch("webhooks.update", (*call).updateWebhook),
		remove("webhooks.delete", (*call).deleteWebhook))
	t.onIndex()
	t.onLeftOut()
	return t
}

// onLeftOut has the routes of experiments that are not imitated: without their
// feature they answer what the server answers, with it that they are missing.
func (t *table) onLeftOut() {
	const (
		rules  = "Using the `/dynamic-search-rules` routes"
		chats  = "using the /chats/settings route"
		stream = "Modifying logs through the `/logs/*` routes"
	)
	dsr := func(action string) handler { return leftOut("dynamicSearchRules", action) }
	t.on("/dynamic-search-rules", post("dynamicSearchRules.get", dsr("Calling the `POST /dynamic-search-rules` route")),
		remove("dynamicSearchRules.delete", dsr(rules)))
	t.on("/dynamic-search-rules/{}",
		get("dynamicSearchRules.get", dsr("Calling the `GET /dynamic-search-rules/{:ruleUid}` route")),
		patch("dynamicSearchRules.update", dsr(rules)), remove("dynamicSearchRules.delete", dsr(rules)))
	t.on("/chats/{}", get("chats.get", leftOut("chatCompletions", "displaying a chat")),
		remove("chats.delete", leftOut("chatCompletions", "deleting a chat")))
	t.on("/chats/{}/settings", get("chatsSettings.get", leftOut("chatCompletions", chats)),
		patch("chatsSettings.update", leftOut("chatCompletions", chats)), remove("chatsSettings.update", leftOut("chatCompletions", chats)))
	t.on("/chats/{}/chat/completions",
		post("chatCompletions", leftOut("chatCompletions", "using the /chats chat completions route")))
	t.on("/logs/stream", post("metrics.get", leftOut("logsRoute", stream)), remove("metrics.get", leftOut("logsRoute", stream)))
	t.on("/logs/stderr", post("metrics.get", leftOut("logsRoute", stream)))
	t.on("/render-template", post("settings.get", leftOut("renderRoute", "calling the /render-template route")))
	t.on("/network/control", post("network.update", leftOut("network", "Using the /network route")))
}

// leftOut answers for a route that is not imitated.
func leftOut(feature, action string) handler {
	return func(c *call) (answer, *meili.Error) {
		if err := c.need(feature, action); err != nil {
			return refuse(err)
		}
		return refuse(&meili.Error{
			Message: "minimeili does not imitate this route", Code: "not_imitated", Type: "internal", Status: http.StatusNotImplemented,
		})
	}
}

func (t *table) onIndex() {
	const index = "/indexes/{}"
	t.on(index, get("indexes.get", (*call).getIndex), patch("indexes.update", (*call).updateIndex),
		remove("indexes.delete", (*call).deleteIndex))
	t.on(index+"/stats", get("stats.get", (*call).indexStats))
	t.on(index+"/compact", post("indexes.compact", (*call).compactIndex))
	t.on(index+"/fields", post("fields.post", (*call).fields))
	t.on(index+"/search", get("search", (*call).search), post("search", (*call).search))
	t.on(index+"/facet-search", post("search", (*call).facetSearch))
	t.on(index+"/similar", get("search", (*call).similar), post("search", (*call).similar))
	t.on(index+"/documents", get("documents.get", (*call).listDocuments),
		post("documents.add", (*call).addDocuments), put("documents.add", (*call).addDocuments),
		remove("documents.delete", (*call).clearDocuments))
	t.on(index+"/documents/delete-batch", post("documents.delete", (*call).deleteBatch))
	t.on(index+"/documents/delete", post("documents.delete", (*call).deleteByFilter))
	t.on(index+"/documents/edit", post("documents.*", (*call).editDocuments))
	t.on(index+"/documents/fetch", post("documents.get", (*call).fetchDocuments))
	t.on(index+"/documents/{}", get("documents.get", (*call).getDocument),
		remove("documents.delete", (*call).deleteDocument))
	t.on(index+"/settings", get("settings.get", (*call).getSettings),
		patch("settings.update", (*call).updateSettings), remove("settings.update", (*call).resetSettings))
	for _, name := range settings.Names() {
		t.on(index+"/settings/"+name,
			get("settings.get", func(c *call) (answer, *meili.Error) { return c.getSetting(name) }),
			&route{settings.Verb(name), "settings.update", func(c *call) (answer, *meili.Error) { return c.updateSetting(name) }},
			remove("settings.update", func(c *call) (answer, *meili.Error) { return c.resetSetting(name) }))
	}
}

// find gives the route of a request. As in the server, the first resource whose
// path fits decides, be it without a route for the method.
func (t table) find(r *http.Request) match {
	path := segments(r.URL)
	for _, resource := range t {
		params, fits := resource.fits(path)
		if !fits {
			continue
		}
		found := match{pattern: resource.name(), params: params}
		var methods []string
		for _, route := range resource.routes {
			if route.method == r.Method {
				found.route = route
				return found
			}
			methods = append(methods, route.method)
		}
		found.allow = strings.Join(methods, ", ")
		return found
	}
	return match{pattern: r.URL.Path}
}

// segments cuts a path; slashes that repeat or end it do not count.
func segments(u *url.URL) []string {
	var list []string
	for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
		if segment == "" {
			continue
		}
		if plain, err := url.PathUnescape(segment); err == nil {
			segment = plain
		}
		list = append(list, segment)
	}
	if list == nil {
		list = []string{""}
	}
	return list
}

func (r *resource) fits(path []string) (params []string, fits bool) {
	if len(path) != len(r.segments) {
		return nil, false
	}
	for i, segment := range r.segments {
		if segment == "{}" {
			params = append(params, path[i])
		} else if segment != path[i] {
			return nil, false
		}
	}
	return params, true
}

// name gives the pattern as counters show it: the parameter after indexes is
// the index, any other an id.
func (r *resource) name() string {
	return strings.ReplaceAll(strings.Replace(r.pattern, "/indexes/{}", "/indexes/{uid}", 1), "{}", "{id}")
}
