#!/usr/bin/env bash
# Installs what building, running and testing Weir needs: Debian packages, three libraries that Debian 12 lacks
# (unpacked from Debian 13's packages into build/prefix, never installed), and npm packages.
#   bootstrap.sh run    what `make run` needs
#   bootstrap.sh test   that, and what `make test` needs
# Works as root or as a user with sudo. A second call finds everything there and takes a moment.
set -euo pipefail
cd "$(dirname "$0")/../.."
want=${1:-run}
prefix=$PWD/build/prefix

say() { printf '\033[2msetup: %s\033[0m\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

run_packages=(gcc g++ libc6-dev cmake ninja-build pkg-config protobuf-compiler protobuf-c-compiler libprotobuf-dev
  libuv1-dev libgrpc-dev libprotobuf-c-dev libyaml-dev libcmocka-dev libsqlite3-dev libssl-dev
  zlib1g-dev libzstd-dev libbrotli-dev uthash-dev ca-certificates tzdata curl openssl)
test_packages=(clang libclang-rt-dev llvm clang-format clang-tidy chromium sqlite3)
bench_packages=(nginx-light linux-perf)

command -v apt-get >/dev/null || die "this sets up Debian 12 or 13 by apt-get, which is not here; the packages needed are listed in $0"
. /etc/os-release
case "${ID:-}:${VERSION_ID:-}" in
  debian:12 | debian:13) ;;
  *) say "made for Debian 12 and 13; this is ${PRETTY_NAME:-unknown}, so package names may differ" ;;
esac

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "missing Debian packages need root: run as root, install sudo, or first run: apt-get install ${missing[*]}"
  fi
}

updated=
install_packages() {
  missing=()
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || missing+=("$p")
  done
  [ ${#missing[@]} = 0 ] && return
  say "installing ${missing[*]}"
  if [ -z "$updated" ]; then as_root apt-get update -qq || die "apt-get update failed: is a Debian mirror reachable?"; updated=1; fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >build/apt.log 2>&1 ||
    { tail -n 5 build/apt.log >&2; die "apt-get install failed (whole log: build/apt.log)"; }
}

# True when this release's own packages will do (Debian 13).
native_libraries() {
  local v
  v=$(apt-cache policy libmbedtls-dev 2>/dev/null | awk '/Candidate:/ {print $2}')
  [ -n "$(apt-cache policy libllhttp-dev 2>/dev/null | awk '/Candidate:/ && $2 != "(none)"')" ] &&
    [ -n "$v" ] && dpkg --compare-versions "$v" ge 3.6
}

unpack_libraries() {
  [ -e "$prefix/include/llhttp.h" ] && [ -e "$prefix/lib/libmbedtls.a" ] && [ -e "$prefix/lib/libyyjson.so" ] && return
  say "unpacking llhttp, yyjson and mbedTLS 3.6 into build/prefix"
  local w=$prefix/.apt arch; arch=$(gcc -print-multiarch)
  rm -rf "$w"; mkdir -p "$w"/lists/partial "$w"/archives/partial "$w"/dl "$w"/x "$prefix"/include "$prefix"/lib; : >"$w/status"
  apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sort -u | while read -r site; do
    case $site in *security*) suite=trixie-security ;; *) suite=trixie ;; esac
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main"
  done >"$w/sources.list"
  [ -s "$w/sources.list" ] || die "apt knows no package source; check /etc/apt"
  local options=(-qq -o "Dir::Etc::sourcelist=$w/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$w/lists" -o "Dir::State::status=$w/status" -o "Dir::Cache=$w"
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o Acquire::Languages=none)
  [ "$(id -u)" = 0 ] && options+=(-o APT::Sandbox::User=root)
  apt-get "${options[@]}" update || die "could not read Debian 13's package lists"
  (cd "$w/dl" && apt-get "${options[@]}" download libllhttp-dev libyyjson-dev libyyjson0 libmbedtls-dev) ||
    die "could not fetch llhttp, yyjson and mbedTLS from Debian 13"
  for deb in "$w"/dl/*.deb; do dpkg-deb -x "$deb" "$w/x"; done
  cp -r "$w"/x/usr/include/* "$prefix/include/"
  cp -a "$w/x/usr/lib/$arch"/lib{llhttp,mbedtls,mbedx509,mbedcrypto}.a "$w/x/usr/lib/$arch"/libyyjson.so* "$prefix/lib/"
  check_glibc
  (cd "$w/dl" && ls -- *.deb) >"$prefix/versions.txt"
  rm -rf "$w"
}

# Debian 13's objects must not want symbols that this system's C library lacks.
check_glibc() {
  local have need
  have=$(ldd --version | awk 'NR==1 {print $NF}')
  need=$(objdump -T "$prefix"/lib/libyyjson.so | grep -o 'GLIBC_[0-9.]*' | sort -V | tail -n 1 | cut -d_ -f2)
  dpkg --compare-versions "$need" le "$have" || die "the unpacked yyjson needs glibc $need, this system has $have"
  if nm -u "$prefix"/lib/*.a 2>/dev/null | grep -q '__isoc23_'; then
    dpkg --compare-versions "$have" ge 2.38 || die "the unpacked libraries need glibc 2.38, this system has $have"
  fi
}

# Node 22: the system's when it is new enough, else the one that npm packages.
node_runtime() {
  local major
  major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true)
  command -v npm >/dev/null || install_packages nodejs npm
  if [ "${major:-0}" -ge 22 ]; then return; fi
  if [ ! -x build/node/bin/node ]; then
    local cpu; case $(uname -m) in x86_64) cpu=x64 ;; aarch64) cpu=arm64 ;; *) die "no Node 22 package for $(uname -m)" ;; esac
    say "fetching Node 22"
    rm -rf build/node; mkdir -p build/node/bin build/node/pkg
    npm install --silent --no-audit --no-fund --no-package-lock --no-progress --prefix build/node/pkg "node-linux-$cpu@22" >/dev/null || die "npm could not fetch Node 22 (node-linux-$cpu@22): is the npm registry reachable?"
    ln -s "../pkg/node_modules/node-linux-$cpu/bin/node" build/node/bin/node
  fi
}

npm_packages() { # folder
  local stamp=$1/node_modules/.weir-stamp
  if [ -e "$stamp" ] && cmp -s "$1/package.json" "$stamp"; then return; fi
  say "npm packages of $1"
  (cd "$1" && PATH=$OLDPWD/build/node/bin:$PATH npm install --silent --no-audit --no-fund --no-package-lock --no-progress --ignore-scripts) || die "npm install failed in $1: is the npm registry reachable?"
  cp "$1/package.json" "$stamp"
}

default_prices() {
  [ -s build/prices.yaml ] && [ build/prices.yaml -nt deploy/setup/prices.mjs ] && return
  say "default price list"
  npm_packages deploy/setup
  PATH=$PWD/build/node/bin:$PATH node deploy/setup/prices.mjs build/prices.yaml
}

mkdir -p build
install_packages "${run_packages[@]}"
if native_libraries; then install_packages libllhttp-dev libyyjson-dev libmbedtls-dev
else install_packages binutils; unpack_libraries; fi
node_runtime
default_prices
case $want in
  test) install_packages "${test_packages[@]}"; npm_packages tests ;;
  bench) install_packages "${bench_packages[@]}"; npm_packages tests ;;
esac
say "ready"
