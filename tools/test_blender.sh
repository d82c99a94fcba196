#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test_blender.sh FOLDER [PYTEST OPTION ...]: run tests/blender on every Blender served.
#
# FOLDER is the main virtual environment; it runs all tests on the Blenders of its own Python.
# Blenders of the other Python get a small environment without torch, and the tests that need none.
# Two run at a time, since bpy mostly keeps one core busy; each one's output comes in one piece.
# With MAQUETTE_REQUIRE_ALL=1 a Python that is not on this machine is a failure.
set -euo pipefail
shopt -s inherit_errexit  # A failed installation inside $(...) ends the script too.
cd "$(dirname "$0")/.."

main=${1:?which virtual environment}
shift
versions_3_11=(4.5.15 4.2.23 5.0.1)
versions_3_13=(5.2.3)
main_minor=$("$main/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
pip_options=(--disable-pip-version-check install -qq)
summary=() failed=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

bpy_folder() {  # bpy_folder PYTHON VERSION: print what to add to the path, installing it if need be
  local folder=$PWD/.venvs/bpy-$2
  if "$1" -c "from importlib.metadata import version as v; exit(v('bpy') != '$2')" 2>/dev/null; then
    return  # It is the one of the environment itself.
  fi
  if [[ ! -e $folder/.ready ]]; then
    rm -rf "$folder"
    # Into a folder of its own, since each release wants the same name and another may be installed.
    "$1" -m pip "${pip_options[@]}" --no-deps --target "$folder" "bpy==$2" >&2
    touch "$folder/.ready"
  fi
  echo "$folder"
}

light_environment() {  # light_environment PYTHON MINOR: print its Python, making it if need be
  local folder=$PWD/.venvs/py$2
  if [[ ! $folder/.ready -nt constraints-$2.txt ]]; then
    rm -rf "$folder"
    "$1" -m venv "$folder" >&2
    local pip=("$folder/bin/python" -m pip "${pip_options[@]}")
    # What bpy itself asks for, and what runs the tests.
    "${pip[@]}" --constraint "constraints-$2.txt" \
      setuptools numpy pytest cattrs cython requests zstandard >&2
    "${pip[@]}" --no-build-isolation --no-deps --editable . >&2
    touch "$folder/.ready"
  fi
  echo "$folder/bin/python"
}

start() {  # start PYTHON VERSION [PYTEST OPTION ...]: begin the tests, when there is a free place
  local python=$1 version=$2 folder
  shift 2
  folder=$(bpy_folder "$python" "$version")
  [[ $(jobs -rp | wc -l) -lt 2 ]] || wait -n || true
  # Two that share two cores have one each. Tracebacks are short since long ones show arguments,
  # among them objects that Blender has freed: that ends the process, and nothing is shown at all.
  MAQUETTE_EXPECT_BPY=$version PYTHONPATH=$folder OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} \
    "$python" -m pytest tests/blender -q --tb=short -p no:cacheprovider "$@" >"$logs/$version" 2>&1 &
  processes[$version]=$!
}

finish() {  # finish VERSION: print how it went
  local outcome=passed
  wait "${processes[$1]}" || outcome=FAILED failed=1
  echo "── Blender $1 ──"
  cat "$logs/$1"
  summary+=("Blender $1: $outcome")
}

declare -A processes=()
started=()
for minor in 3.11 3.13; do
  declare -n versions=versions_${minor/./_}
  options=("$@")
  if [[ $minor == "$main_minor" ]]; then
    python=$main/bin/python
  elif found=$(tools/find_python.sh "$minor"); then
    python=$(light_environment "$found" "$minor")
    options+=(-m "not needs_torch")
  else
    summary+=("Blender ${versions[*]}: NOT TESTED, there is no Python $minor on this machine")
    [[ ${MAQUETTE_REQUIRE_ALL:-} == 1 ]] && failed=1
    continue
  fi
  for version in "${versions[@]}"; do
    start "$python" "$version" "${options[@]}"
    started+=("$version")
  done
done
for version in "${started[@]}"; do
  finish "$version"
done

printf '%s\n' "${summary[@]}"
exit "$failed"
