#!/usr/bin/env bash
# Installs what the browser's suite needs: the packages that the lock file pins,
# into node_modules, and Debian's Chromium where none is there.
set -euo pipefail
cd "$(dirname "$0")"

npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
touch node_modules/.installed

if [ ! -x "${CHROMIUM_BIN:-/usr/bin/chromium}" ]; then
	as_root=()
	if [ "$(id -u)" -ne 0 ]; then
		as_root=(sudo)
	fi
	"${as_root[@]}" apt-get update -qq
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
fi
