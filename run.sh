#!/usr/bin/env bash
# run.sh              install what is missing, build, run the samples
# run.sh test         the same build, then every test
# run.sh bench        throughput, each stage alone beside the whole
# run.sh VERB ...     sluice VERB ... (run, plan, inspect, transforms, help)
set -eu
cd "$(dirname "$0")"
SLUICE=build/release/sluice
PACKAGES="gcc g++ make pkg-config libarchive-dev zlib1g-dev libdeflate-dev libzstd-dev libcsv-dev libjansson-dev libturbojpeg0-dev libpng-dev libwebp-dev libdnnl-dev libssl-dev libutf8proc-dev check"

missing() {
    local p
    command -v dpkg-query >/dev/null 2>&1 || return 0 # not Debian's: the build will say what it lacks
    for p in $PACKAGES; do
        dpkg-query -W -f='${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || printf '%s ' "$p"
    done
}

install_missing() {
    local need as_root=
    need=$(missing)
    [ -n "$need" ] || return 0
    echo "installing: $need"
    if [ "$(id -u)" -ne 0 ]; then
        # sudo may ask for a password only where somebody sits
        if ! sudo -n true 2>/dev/null && ! { [ -t 0 ] && command -v sudo >/dev/null && sudo -v; }; then
            echo "run this as root, then ./run.sh again:" >&2
            echo "  apt-get update && apt-get install -y --no-install-recommends $need" >&2
            exit 69
        fi
        as_root=sudo
    fi
    as_root="$as_root env DEBIAN_FRONTEND=noninteractive" # sudo does not pass it on by itself
    # a foreign source that is down need not matter; what is missing then, the next line says
    $as_root apt-get update -qq >/dev/null || echo "apt-get update failed, trying with what is known" >&2
    # shellcheck disable=SC2086
    $as_root apt-get install -y -qq --no-install-recommends $need >/dev/null
}

build() { make -s -j"$(nproc)" "$@"; }

samples() {
    local sample name out status
    for sample in samples/[0-9]*/; do
        name=$(basename "$sample")
        out=build/samples/$name
        echo
        echo "== $name: sluice run samples/$name/model samples/$name/input $out"
        status=0
        "$SLUICE" run "samples/$name/model" "samples/$name/input" "$out" || status=$?
        [ $status -eq 0 ] || [ $status -eq 3 ] || exit $status
        find "$out" -name '*.out' | sort | head -n 1 | while read -r file; do
            echo "-- $file"
            head -n 3 "$file"
        done
        samples/accuracy.sh "$name" "$out"
    done
    echo
    echo "outputs: build/samples/; next: ./run.sh plan samples/01-tabular-mlp/model, ./run.sh help"
}

install_missing
case ${1:-} in
'')
    build
    samples
    ;;
test)
    # the sanitized variant is also a debug build: it aborts on any allocation of ours in steady state
    make -s -j"$(nproc)" asan test
    make -s -j"$(nproc)" test
    ;;
bench)
    build all
    make -s bench
    ;;
*)
    build >/dev/null
    exec "$SLUICE" "$@"
    ;;
esac
