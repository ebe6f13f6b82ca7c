#!/bin/sh
# Make .venv and install Fabula into it: scripts/venv.sh [dev | dev,lab]
# Installs again only when pyproject.toml or constraints.txt has changed, or when this folder was moved.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-plain}
stamp=.venv/fabula-installed

fail() {
    echo "$1" >&2
    exit 1
}

# Prints the first Python that is new enough and can make a virtual environment.
find_python() {
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            if "$name" -c 'import ensurepip, venv' 2>/dev/null; then
                echo "$name"
                return
            fi
            without_venv=$name
        fi
    done
    if [ -n "${without_venv:-}" ]; then
        fail "$without_venv is new enough, but it cannot make virtual environments. \
On Debian and Ubuntu: sudo apt install python3-venv"
    fi
    fail "Fabula needs Python 3.11 or newer and found none ($(python3 -V 2>/dev/null || echo no python3)). \
Get it from https://www.python.org/downloads/ or your system's packages, \
or say which one to use: PYTHON=/path/to/python make run"
}

# A virtual environment holds absolute paths: one that was moved, or half made, is made again.
is_whole() {
    .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
        grep -qF "$(pwd -P)/.venv/" .venv/bin/pip
}

wanted=$(cat pyproject.toml constraints.txt | cksum)
if is_whole; then
    installed=$(cat "$stamp" 2>/dev/null || true)
    case "$kind $installed" in
    "plain dev $wanted" | "plain dev,lab $wanted" | "dev dev,lab $wanted" | "$kind $kind $wanted") exit 0 ;;
    esac
else
    python=$(find_python)
    echo "Making .venv with $("$python" -V)"
    "$python" -m venv --clear .venv
fi

rm -f "$stamp"
target=.
if [ "$kind" != plain ]; then target=".[$kind]"; fi
echo "Installing Fabula into .venv (only when its requirements change)"
.venv/bin/python -m pip install --disable-pip-version-check --no-compile --constraint constraints.txt --editable "$target" ||
    fail "The installation did not succeed; pip's own words are above. Check the network and run this again."
echo "$kind $wanted" >"$stamp"
