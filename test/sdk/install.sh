#!/usr/bin/env bash
# Installs the clients that are not Go's, at the releases that the pins name, into
# folders of the project that git ignores. Arguments: js, python; none is both.
set -euo pipefail
cd "$(dirname "$0")"

js() {
	(cd js && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules/.installed)
}

python() {
	(cd python && python3 -m venv .venv && .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt && touch .venv/.installed)
}

if [ $# -eq 0 ]; then
	set -- js python
fi
for client in "$@"; do
	case $client in
	js | python) "$client" ;;
	*)
		echo "install.sh: no such client: $client" >&2
		exit 2
		;;
	esac
done
