#!/usr/bin/env bash
# Checks the dependencies by deny.toml. Duplicate versions, licences and sources are always checked; advisories are
# checked when their database can be fetched, or a copy is here that is younger than 30 days.
#
# exit codes: 0 nothing found, though advisories may be unchecked, which is said · 1 a check failed
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

readonly program="${GATEHOUSE_ASSETS:-${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse}/cargo-deny/cargo-deny"
readonly databases="${CARGO_HOME:-$HOME/.cargo}/advisory-dbs"

# Whether a copy of the database is here whose last commit is younger than 30 days. A fetch that fails renews its files' times.
has_recent_copy() {
    local copy committed
    for copy in "$databases"/*/; do
        committed=$(git -C "$copy" log -1 --format=%ct 2>/dev/null) || continue
        ((committed > $(date +%s) - 30 * 24 * 3600)) && return 0
    done
    return 1
}

deny() { "$program" --workspace --locked "$@"; }

# An exception that nothing needs any more is an error too.
deny check --hide-inclusion-graph --deny unmatched-skip --deny unnecessary-skip --deny license-not-encountered \
    --deny license-exception-not-encountered bans licenses sources || exit 1

if reason=$(timeout 120 "$program" --workspace --locked fetch db 2>&1); then
    deny check --hide-inclusion-graph advisories || exit 1
elif has_recent_copy; then
    printf 'advisories: the database cannot be fetched now; checking with the copy that is here\n' >&2
    deny --offline check --hide-inclusion-graph advisories || exit 1
else
    printf '%s\n' "advisories NOT CHECKED: the database cannot be fetched, and no copy younger than 30 days is here." \
        "  reason: $(tail -n 1 <<<"$reason")" \
        "  What to do: run \`make lint\` where https://github.com/RustSec/advisory-db can be reached." >&2
fi
