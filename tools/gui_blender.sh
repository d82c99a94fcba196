#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# gui_blender.sh: the whole Blender application, window and all, for tests/gui.
#
#   gui_blender.sh setup                make it ready (the first time: minutes, 1 GB to download)
#   gui_blender.sh python ARGUMENT ...  run Python beside it, where BLENDER names the program
#   gui_blender.sh remove               delete what setup made
#
# It is the Blender and the torch of Debian 13 in a root of their own below the cache folder; on the
# machine itself nothing is installed but debootstrap. That needs Linux, and root or sudo.
# With BLENDER=/path/to/blender it is that program instead, with whatever torch its Python has.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

suite=trixie
packages=(
  blender python3-torch python3-numpy python3-safetensors python3-pil python3-pytest
  libopenblas0-openmp  # Debian's torch calls the BLAS it finds; the default one is 30 times slower.
  xvfb xdotool imagemagick x11-xkb-utils libgl1-mesa-dri libgl1 libegl1
)
tools=(Xvfb xdotool import convert)  # What the driver calls beside Blender.
project=$PWD
cache=${XDG_CACHE_HOME:-$HOME/.cache}/maquette
root=$cache/blender-$suite
wanted="$suite ${packages[*]}"

fail() {
  echo "$*" >&2
  exit 1
}

as_root() {  # as_root ARGUMENT ...: go on as root with these arguments
  [[ $EUID == 0 ]] && return
  command -v sudo >/dev/null || fail "Setting Blender up needs root: run this as root, install" \
    "sudo, or name a Blender of your own with BLENDER=/path/to/blender."
  exec sudo HOME="$HOME" XDG_CACHE_HOME="${XDG_CACHE_HOME:-}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-}" \
    MAQUETTE_REQUIRE_ALL="${MAQUETTE_REQUIRE_ALL:-}" "$project/tools/gui_blender.sh" "$@"
}

# ── The root ──

inside() {  # inside USER:GROUP COMMAND ...: become this command in the root
  # Mounts belong to a namespace that ends with it: neither they nor a process can be left behind.
  # shellcheck disable=SC2016
  exec unshare --mount --pid --fork --kill-child bash -euc '
    root=$1 project=$2 user=$3; shift 3
    mount --make-rprivate /
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mkdir -p "$root$project"
    mount --bind "$project" "$root$project"
    variables=()
    for name in ${!MAQUETTE_@} ${!OMP_@}; do
      [[ -z ${!name} ]] || variables+=("$name=${!name}")
    done
    chroot "$root" env -i "${variables[@]}" PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp \
      LANG=C.UTF-8 LIBGL_ALWAYS_SOFTWARE=1 BLENDER=/usr/bin/blender \
      PYTHONPATH="$project/build/types" PYTHONDONTWRITEBYTECODE=1 \
      setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups \
      bash -c "cd \"\$0\" && \"\$@\"" "$project" "$@"
    exit $?
  ' bash "$root" "$project" "$@"
}

mirror() {  # Print the Debian mirror that this machine uses.
  local found
  found=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' 2>/dev/null |
    grep -vE 'security|snapshot' | head -n 1 || true)
  echo "${found:-http://deb.debian.org/debian}"
}

make_base() {
  [[ -e $root/.base ]] && return
  command -v apt-get >/dev/null || command -v debootstrap >/dev/null ||
    fail "Setting Blender up needs debootstrap: install it, or set BLENDER=/path/to/blender."
  if ! command -v debootstrap >/dev/null; then
    echo "Installing debootstrap ..."
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } \
      >/dev/null || fail "debootstrap could not be installed: see the lines above."
  fi
  echo "Making a Debian $suite below $root ..."
  rm -rf --one-file-system "$root"
  mkdir -p "$root"
  local scripts=/usr/share/debootstrap/scripts script=()
  [[ -e $scripts/$suite ]] || script=("$scripts/sid")  # One older than the suite.
  debootstrap --variant=minbase "$suite" "$root" "$(mirror)" "${script[@]}" >"$cache/setup.log" ||
    fail "debootstrap failed; the last lines of $cache/setup.log: $(tail -n 3 "$cache/setup.log")"
  touch "$root/.base"
}

follow_the_machine() {  # Reach the mirror the way this machine does.
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  ln -sf /proc/self/mounts "$root/etc/mtab"  # Blender lists the drives.
  apt-config dump 2>/dev/null | grep '^Acquire::' >"$root/etc/apt/apt.conf.d/99machine" || true
  mkdir -p "$root/etc/ssl/certs"
  [[ ! -e /etc/ssl/certs/ca-certificates.crt || -e $root/usr/sbin/update-ca-certificates ]] ||
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
}

install_packages() {
  echo "Installing Blender, torch and a virtual screen (about 1 GB to download) ..."
  follow_the_machine
  # No documentation, no waiting for the disk, no daemons.
  printf 'force-unsafe-io\npath-exclude=/usr/share/%s/*\n' doc >"$root/etc/dpkg/dpkg.cfg.d/99maquette"
  printf 'path-exclude=/usr/share/%s/*\n' man locale >>"$root/etc/dpkg/dpkg.cfg.d/99maquette"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  # The first line finishes what an interrupted set-up had begun.
  # shellcheck disable=SC2016
  (inside 0:0 bash -euc '
    export DEBIAN_FRONTEND=noninteractive
    dpkg --configure -a
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@"
    apt-get clean
  ' bash "${packages[@]}") >"$cache/setup.log" 2>&1 ||
    fail "The packages could not be installed; the last lines of $cache/setup.log:" \
      "$(tail -n 3 "$cache/setup.log")"
}

setup_root() {
  [[ $(uname -s) == Linux ]] || fail "Blender is set up on Linux only: set BLENDER=/path/to/blender."
  as_root setup
  unshare --mount --pid --fork true 2>/dev/null || fail "This container may not make namespaces:" \
    "start it with CAP_SYS_ADMIN (--privileged), or set BLENDER=/path/to/blender."
  mkdir -p "$cache"
  (
    flock 9  # Another set-up may be under way.
    [[ $(cat "$root/.ready" 2>/dev/null) != "$wanted" ]] || exit 0
    make_base
    install_packages
    verify inside 0:0
    echo "$wanted" >"$root/.ready"
  ) 9>"$cache/lock"
}

# ── Either kind ──

verify() {  # verify [PREFIX ...]: show that everything is there and works
  echo "Trying it ..."
  # shellcheck disable=SC2016
  ("$@" bash -euc '
    for tool in "$@"; do
      command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
    done
    "$BLENDER" --background --factory-startup --python-exit-code 1 --python tools/gui_check.py
  ' bash "${tools[@]}") || fail "This Blender cannot run the tests: see the lines above."
}

check_own() {
  BLENDER=$(command -v "$BLENDER") || fail "BLENDER names no program."
  export BLENDER
  for tool in "${tools[@]}"; do
    command -v "$tool" >/dev/null ||
      fail "$tool is missing. On Debian: apt-get install xvfb xdotool imagemagick"
  done
}

verb=${1:-}
[[ $# == 0 ]] || shift
case $verb in
  setup)
    if [[ -n ${BLENDER:-} ]]; then check_own; verify; else setup_root; fi
    ;;
  python)
    if [[ -n ${BLENDER:-} ]]; then
      check_own
      export PYTHONPATH=$project/build/types
      python=.venv/bin/python
      [[ -x $python ]] || python=python3
      exec "$python" "$@"
    fi
    as_root python "$@"
    setup_root
    inside "$(stat -c %u:%g .)" python3 "$@"
    ;;
  remove)
    as_root remove
    rm -rf --one-file-system "$root"
    ;;
  *)
    sed -n '3,12s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
