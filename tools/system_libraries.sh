#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Install the system libraries that Blender needs even without a window, where they are missing.
set -euo pipefail

[[ $(uname -s) == Linux ]] || exit 0  # Elsewhere the system brings them.

declare -A package=(
  [libX11.so.6]=libx11-6 [libXext.so.6]=libxext6 [libXfixes.so.3]=libxfixes3
  [libXi.so.6]=libxi6 [libXrender.so.1]=libxrender1 [libXxf86vm.so.1]=libxxf86vm1
  [libxkbcommon.so.0]=libxkbcommon0 [libSM.so.6]=libsm6 [libICE.so.6]=libice6
  [libGL.so.1]=libgl1 [libEGL.so.1]=libegl1 [libgomp.so.1]=libgomp1
)

present=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p)
missing=()
for library in "${!package[@]}"; do
  grep -qF "$library" <<<"$present" || missing+=("${package[$library]}")
done
((${#missing[@]})) || exit 0

command="apt-get install -y --no-install-recommends ${missing[*]}"
if [[ $EUID == 0 ]] && command -v apt-get >/dev/null; then
  echo "Installing the system libraries that Blender needs: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  $command -qq >/dev/null
else
  echo "Blender needs system libraries that are missing here. Please run:" >&2
  echo "  sudo $command" >&2
  exit 1
fi
