#!/bin/sh
# Start Fabula: ./start_linux.sh [arguments of the command fabula]
set -eu
cd "$(dirname "$0")"
./scripts/venv.sh
exec .venv/bin/fabula "$@"
