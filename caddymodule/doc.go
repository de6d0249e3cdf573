// Package caddymodule makes Miroir a part of Caddy: the app, the three
// handlers, the Caddyfile, the admin API and the command line. Everything
// about Meilisearch lives in miroircore; nothing but this package imports
// Caddy.
package caddymodule
