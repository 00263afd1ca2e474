#!/usr/bin/env bash
# Installs what building, running and testing Weir needs: Debian packages, three libraries that Debian 12 lacks
# (unpacked from Debian 13's packages into build/prefix, never installed), and npm packages.
#   bootstrap.sh run     what `make run` needs
#   bootstrap.sh test    ... and what `make test` needs
#   bootstrap.sh bench   ... and what `make bench` and `make soak` need
# Works as root or as a user with sudo; says all that is missing otherwise. A second call takes a moment.
set -euo pipefail
cd "$(dirname "$0")/../.."
want=${1:-run}
prefix=$PWD/build/prefix

say() { printf '\033[2msetup: %s\033[0m\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

packages=(gcc g++ libc6-dev cmake ninja-build pkg-config protobuf-compiler protobuf-c-compiler libprotobuf-dev
  libuv1-dev libgrpc-dev libprotobuf-c-dev libyaml-dev libcmocka-dev libsqlite3-dev libpq-dev libssl-dev
  zlib1g-dev libzstd-dev libbrotli-dev libnghttp2-dev uthash-dev ca-certificates tzdata curl openssl)
newer_packages=(libllhttp-dev libyyjson-dev libmbedtls-dev) # absent, or too old, on Debian 12
test_packages=(clang libclang-rt-dev llvm clang-format clang-tidy chromium sqlite3 postgresql spin faketime iproute2 iptables)
bench_packages=(nginx-light linux-perf)

case $want in
  run) ;;
  test) packages+=("${test_packages[@]}") ;;
  bench) packages+=("${bench_packages[@]}") ;;
  *) die "unknown purpose '$want': run, test or bench" ;;
esac
command -v apt-get >/dev/null || die "this sets up Debian 12 or 13 by apt-get, which is not here; the packages needed are listed in $0"
. /etc/os-release
release=${ID:-}:${VERSION_ID:-}
case $release in
  debian:12 | debian:13) ;;
  *) say "made for Debian 12 and 13; this is ${PRETTY_NAME:-unknown}, so package names may differ" ;;
esac
[ "$release" = debian:12 ] || packages+=("${newer_packages[@]}")
command -v npm >/dev/null || packages+=(nodejs npm)

mkdir -p build 2>/dev/null && [ -w build ] ||
  die "$(id -un) can't write in $PWD/build: another user made it; give it over (as root: chown -R $(id -un) $PWD) or remove it"

# Everything in one go, so that who has no right to install hears the whole list at once.
install_packages() {
  local p missing=() installed lacking
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for p in "$@"; do grep -qxF "installed $p" <<<"$installed" || missing+=("$p"); done
  [ ${#missing[@]} = 0 ] && return
  lacking="These Debian packages are missing and need root to install; run this as root or with sudo, or have somebody run:
  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  if [ "$(id -u)" = 0 ]; then as_root=()
  else
    command -v sudo >/dev/null || die "you are $(id -un), not root, and there is no sudo. $lacking"
    say "Debian packages are missing; sudo may ask for your password to install them"
    sudo apt-get --version >/dev/null || die "you are $(id -un), not root, and sudo doesn't let you run apt-get. $lacking"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  # A fresh machine often updates itself when it starts: wait for it.
  "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update -qq || die "apt-get update failed: is a Debian mirror reachable?"
  : >build/apt.log
  case " ${missing[*]} " in *' postgresql '*) keep_database_down ;; esac
  apt_install "${missing[@]}"
}

apt_install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >>build/apt.log 2>&1 ||
    { tail -n 5 build/apt.log >&2; die "apt-get install failed: is a Debian mirror reachable, and are its lists whole? (whole log: build/apt.log)"; }
}

# Debian's package would make and start a database; the tests bring up one of their own, and nothing else here needs one.
keep_database_down() {
  local settings=/etc/postgresql-common/createcluster.conf
  [ ! -e "$settings" ] || return 0
  apt_install postgresql-common
  "${as_root[@]}" sed -i 's/^#\? *create_main_cluster *=.*/create_main_cluster = false/' "$settings"
}

unpack_libraries() {
  [ -e "$prefix/include/llhttp.h" ] && [ -e "$prefix/lib/libmbedtls.a" ] && [ -e "$prefix/lib/libyyjson.so" ] && return
  say "unpacking llhttp, yyjson and mbedTLS 3.6 into build/prefix"
  local w=$prefix/.apt arch sites; arch=$(gcc -print-multiarch)
  rm -rf "$w"; mkdir -p "$w"/lists/partial "$w"/archives/partial "$w"/dl "$w"/x "$prefix"/include "$prefix"/lib; : >"$w/status"
  # Only Debian's own sources, since another vendor's has no such release. Without lists apt can't tell whose they are.
  sites=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' | sort -u)
  [ -n "$sites" ] || sites=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sort -u)
  [ -n "$sites" ] || die "apt knows no source of packages: check /etc/apt"
  while read -r site; do
    case $site in *security*) suite=trixie-security ;; *) suite=trixie ;; esac
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main"
  done <<<"$sites" >"$w/sources.list"
  local options=(-qq -o "Dir::Etc::sourcelist=$w/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$w/lists" -o "Dir::State::status=$w/status" -o "Dir::Cache=$w"
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o Acquire::Languages=none)
  [ "$(id -u)" = 0 ] && options+=(-o APT::Sandbox::User=root)
  apt-get "${options[@]}" update || die "could not read Debian 13's package lists"
  (cd "$w/dl" && apt-get "${options[@]}" download libllhttp-dev libyyjson-dev libyyjson0 libmbedtls-dev) ||
    die "could not fetch llhttp, yyjson and mbedTLS from Debian 13"
  for deb in "$w"/dl/*.deb; do dpkg-deb -x "$deb" "$w/x"; done
  check_glibc "$w/x/usr/lib/$arch"
  cp -r "$w"/x/usr/include/* "$prefix/include/"
  cp -a "$w/x/usr/lib/$arch"/lib{llhttp,mbedtls,mbedx509,mbedcrypto}.a "$w/x/usr/lib/$arch"/libyyjson.so* "$prefix/lib/"
  (cd "$w/dl" && ls -- *.deb) >"$prefix/versions.txt"
  rm -rf "$w"
}

# Debian 13's objects must not want symbols that this system's C library lacks.
check_glibc() { # folder
  local have need
  have=$(ldd --version | awk 'NR==1 {print $NF}')
  need=$(objdump -T "$1"/libyyjson.so.0 | grep -o 'GLIBC_[0-9.]*' | sort -V | tail -n 1 | cut -d_ -f2)
  dpkg --compare-versions "$need" le "$have" || die "the unpacked yyjson needs glibc $need, this system has $have"
  if nm -u "$1"/*.a 2>/dev/null | grep -q '__isoc23_'; then
    dpkg --compare-versions "$have" ge 2.38 || die "the unpacked libraries need glibc 2.38, this system has $have"
  fi
}

# Node 22: the system's when it is new enough, else the one that npm packages.
node_runtime() {
  local major
  major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true)
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

vocabularies() {
  [ build/vocabulary/o200k_base.bpe -nt deploy/setup/vocabulary.mjs ] && [ build/vocabulary/cl100k_base.bpe -nt deploy/setup/vocabulary.mjs ] && return
  say "vocabularies of tokenizers"
  npm_packages deploy/setup
  PATH=$PWD/build/node/bin:$PATH node deploy/setup/vocabulary.mjs build/vocabulary
}

install_packages "${packages[@]}"
[ "$release" != debian:12 ] || unpack_libraries
node_runtime
default_prices
vocabularies
[ "$want" = run ] || npm_packages tests
say "ready"
