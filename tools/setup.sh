#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# setup.sh PYTHON FOLDER: make the virtual environment FOLDER with every pinned package.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${1:?which Python} folder=${2:?which folder}
minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
constraints=constraints-$minor.txt
if [[ ! -f $constraints ]]; then
  echo "Python $minor cannot run Blender as a module: use 3.11 or 3.13" >&2
  exit 1
fi

tools/system_libraries.sh

if [[ ! -x $folder/bin/python ]] && ! "$python" -m venv "$folder"; then
  rm -rf "$folder"
  echo "Python cannot make virtual environments. On Debian: apt-get install python3-venv" >&2
  exit 1
fi

pip=("$folder/bin/python" -m pip --disable-pip-version-check install -qq --constraint "$constraints")
echo "Installing the packages of $constraints into $folder (the first time takes minutes) ..."
"${pip[@]}" setuptools
# Without isolation the build uses the pinned setuptools and downloads no other.
"${pip[@]}" --no-build-isolation --editable ".[bpy,dev,training]"
