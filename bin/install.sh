# Sourced by ./run and ./test: what they need on this machine, found or installed. shellcheck shell=bash

rust_version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../Cargo.toml")

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# Debian's packages. What apt says is shown when it fails.
install_packages() {
  local log
  [ "$(id -u)" = 0 ] || die "run as root, or install: $*"
  command -v apt-get >/dev/null || die "no apt-get here: install what Debian calls $*"
  echo "installing $*" >&2
  log=$(mktemp)
  {
    apt-get update
    # No service may be started where no init runs.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
  } >"$log" 2>&1 </dev/null || { tail -n 30 "$log" >&2; die "apt-get failed"; }
  rm -f "$log"
}

# A cargo that builds this workspace, with these subcommands (fmt, clippy).
need_rust() {
  PATH=$HOME/.cargo/bin:$PATH
  has_rust "$@" && return
  if command -v rustup >/dev/null; then
    rustup toolchain install stable --profile minimal --component rustfmt --component clippy >&2 || true
  elif debian_has_rust; then
    install_packages rustc-web cargo-web rustfmt-web rust-web-clippy ca-certificates
  elif command -v curl >/dev/null; then
    echo "installing Rust with rustup" >&2
    curl --proto '=https' --connect-timeout 20 -sSf https://sh.rustup.rs |
      sh -s -- -y --no-modify-path --profile minimal --component rustfmt --component clippy >&2 || true
  fi
  has_rust "$@" || die "Rust $rust_version or newer${*:+ with cargo $*} is missing and could not be installed here:" \
    "install it from https://rustup.rs, or on Debian 12 add the security source, and run again as root"
}

has_rust() {
  local version tool
  command -v cargo >/dev/null || return
  version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2)
  [ -n "$version" ] && printf '%s\n' "$rust_version" "$version" | sort -V -C || return
  for tool in "$@"; do
    cargo "$tool" --version >/dev/null 2>&1 || return
  done
}

# Debian 12 packs a new Rust beside its old one, for its browsers; the newest comes with security updates.
debian_has_rust() {
  local candidate
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return
  apt-get update >/dev/null 2>&1 </dev/null || return
  candidate=$(LC_ALL=C apt-cache policy rustc-web | sed -n 's/^ *Candidate: //p')
  dpkg --compare-versions "${candidate:-0}" ge "$rust_version" 2>/dev/null
}

need_c_compiler() {
  command -v cc >/dev/null || install_packages build-essential
}
