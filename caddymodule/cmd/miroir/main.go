// Command miroir is Caddy with Miroir in it: what xcaddy would build, for
// `go run` and for a debugger.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // Caddy's own modules

	_ "github.com/miroir-gateway/miroir/caddymodule" // Miroir's modules
)

func main() { caddycmd.Main() }
