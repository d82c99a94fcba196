#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# find_python.sh 3.11 [3.13 ...]: print the first interpreter found, in the order asked for.
set -euo pipefail

is_version() {  # is_version PROGRAM MINOR
  [[ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" == "$2" ]]
}

for minor in "$@"; do
  # A shim of pyenv may be on the path without the version behind it, so each one is tried.
  for program in "python$minor" python3 "$HOME/.pyenv/versions/$minor".*/bin/"python$minor"; do
    if is_version "$program" "$minor"; then
      command -v "$program"
      exit
    fi
  done
  if command -v uv >/dev/null && program=$(uv python find --no-project "$minor" 2>/dev/null); then
    echo "$program"
    exit
  fi
done
echo "no Python $* found: install python${1} (Debian 12: apt-get install python3 python3-venv)" >&2
exit 1
