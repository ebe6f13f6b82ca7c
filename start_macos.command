#!/bin/sh
# Start Fabula by a double click, or: ./start_macos.command [arguments of the command fabula]
exec "$(dirname "$0")/start_linux.sh" "$@"
