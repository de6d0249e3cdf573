package api

import "github.com/miroir-gateway/miroir/miroircore/meili"

// unsupported answers for what cannot exist in front of a fleet. The message
// says what to do instead.
func unsupported(what, instead string) *meili.Error {
	return meili.NewError("miroir_not_supported", "%s is not available behind Miroir. %s", what, instead)
}

// gated answers for a route behind an experimental feature: as the real server
// while the feature is off, and with what to do instead while it is on.
func (s *Server) gated(feature, action, instead string) func(*call) *meili.Error {
	return func(*call) *meili.Error {
		if !s.Features.All().Get(feature) {
			return meili.FeatureNotEnabled(action, feature)
		}
		return unsupported(action, instead)
	}
}

// unsupportedRoutes are the routes of Meilisearch that speak of one server.
func (s *Server) unsupportedRoutes() []route {
	const (
		network = "Miroir is the network of these nodes: read it at /_miroir/topology and change it in the Caddyfile."
		chats   = "Send chat requests to a Meilisearch server of their own; search them here."
		logs    = "Nodes log by themselves; Miroir logs through Caddy, see the log directive."
		rules   = "Pins would be placed by each node for itself; pin documents in the application."
		render  = "Ask a node directly: templates are rendered by the node that embeds."
	)
	chat := func(action string) func(*call) *meili.Error {
		return s.gated("chatCompletions", action, chats)
	}
	rule := func(action string) func(*call) *meili.Error {
		return s.gated("dynamicSearchRules", action, rules)
	}
	net := s.gated("network", "Using the /network route", network)
	log := s.gated("logsRoute", "Modifying logs through the `/logs/*` routes", logs)
	return []route{
		{method: get, pattern: "/network", action: "network.get", handle: net},
		{method: patch, pattern: "/network", action: "network.update", handle: net},
		{method: post, pattern: "/network/control", action: "network.update", handle: net},
		{method: post, pattern: "/logs/stream", action: "metrics.get", handle: log},
		{method: remove, pattern: "/logs/stream", action: "metrics.get", handle: log},
		{method: post, pattern: "/logs/stderr", action: "metrics.get", handle: log},
		{method: post, pattern: "/render-template", action: "settings.get", handle: s.gated("renderRoute", "calling the /render-template route", render)},
		{method: get, pattern: "/chats", action: "chats.get", handle: chat("listing the chats")},
		{method: get, pattern: "/chats/{uid}", action: "chats.get", handle: chat("displaying a chat")},
		{method: remove, pattern: "/chats/{uid}", action: "chats.delete", handle: chat("deleting a chat")},
		{method: get, pattern: "/chats/{uid}/settings", action: "chatsSettings.get", handle: chat("using the /chats/settings route")},
		{method: patch, pattern: "/chats/{uid}/settings", action: "chatsSettings.update", handle: chat("using the /chats/settings route")},
		{method: remove, pattern: "/chats/{uid}/settings", action: "chatsSettings.update", handle: chat("using the /chats/settings route")},
		{method: post, pattern: "/chats/{uid}/chat/completions", action: "chatCompletions", handle: chat("using the /chats chat completions route")},
		{method: post, pattern: "/dynamic-search-rules", action: "dynamicSearchRules.get", handle: rule("Calling the `POST /dynamic-search-rules` route")},
		{method: remove, pattern: "/dynamic-search-rules", action: "dynamicSearchRules.delete", handle: rule("Calling the `DELETE /dynamic-search-rules` route")},
		{method: get, pattern: "/dynamic-search-rules/{uid}", action: "dynamicSearchRules.get", handle: rule("Calling the `GET /dynamic-search-rules/{uid}` route")},
		{method: patch, pattern: "/dynamic-search-rules/{uid}", action: "dynamicSearchRules.update", handle: rule("Calling the `PATCH /dynamic-search-rules/{uid}` route")},
		{method: remove, pattern: "/dynamic-search-rules/{uid}", action: "dynamicSearchRules.delete", handle: rule("Calling the `DELETE /dynamic-search-rules/{uid}` route")},
	}
}
