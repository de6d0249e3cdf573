// Package miroir makes several Meilisearch servers look like one. It only
// imports the Caddy modules, so that `xcaddy build --with` and this module's
// path are all that a build needs.
package miroir

import _ "github.com/miroir-gateway/miroir/caddymodule" // registers the modules
