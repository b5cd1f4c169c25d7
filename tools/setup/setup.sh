#!/usr/bin/env bash
# Installs everything that gatehouse needs on a fresh Debian 12. It can be run repeatedly: it
# changes nothing that is already installed. If nothing is missing, it contacts no other machine.
#
# usage: tools/setup/setup.sh [--with-tests] [--with-peers] [--with NAME ...]
#
#   --with-tests   also what the tests and `make lint` need: a browser, every model, OpenVINO,
#                  cargo-deny
#   --with-peers   also what the benches compare with: GStreamer for Python, a published model
#   --with NAME    also a model, a build of ONNX Runtime or a tool that is not fetched by default:
#                  csrnet, openvino, cuda, cargo-deny
#
# exit codes: 0 complete · 1 a file could not be fetched · 2 system packages are missing and this
#             script cannot install them · 3 this machine cannot run gatehouse · 64 wrong usage
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly assets="${GATEHOUSE_ASSETS:-${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse}"
export GATEHOUSE_ASSETS="$assets"

say() { printf '%s\n' "$*"; }
fail() {
    local code=$1
    shift
    printf 'setup: %s\n' "$*" >&2
    exit "$code"
}

# Prints the package names in a list file.
names_in() { sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$1"; }

is_installed() { [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

check_machine() {
    [[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] ||
        fail 3 "gatehouse runs on Linux on x86_64; this machine is $(uname -s) on $(uname -m)."
}

# Without Debian, the package names mean nothing: check for the programs and headers themselves.
missing_elsewhere() {
    local tool module
    for tool in cc make pkg-config clang python3 gst-inspect-1.0; do
        command -v "$tool" >/dev/null || say "the program $tool"
    done
    command -v pkg-config >/dev/null || return 0
    for module in gstreamer-1.0 gstreamer-app-1.0 gstreamer-video-1.0 gstreamer-rtsp-server-1.0; do
        pkg-config --exists "$module" || say "the development files of $module"
    done
    pkg-config --exists opencv4 || [[ -f /usr/include/opencv4/opencv2/imgproc.hpp ]] ||
        say "the development files of OpenCV 4"
    if [[ $1 == yes ]]; then
        for tool in chromium chromedriver; do
            command -v "$tool" >/dev/null || say "the program $tool (for the tests)"
        done
    fi
}

system_packages() {
    local with_tests=$1 with_peers=$2 wanted missing=() name
    wanted=$(names_in "$here/packages.txt")
    [[ $with_tests == yes ]] && wanted+=$'\n'$(names_in "$here/packages-test.txt")
    [[ $with_peers == yes ]] && wanted+=$'\n'$(names_in "$here/packages-peers.txt")

    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        local missing_list
        missing_list=$(missing_elsewhere "$with_tests")
        if [[ -z $missing_list ]]; then
            say "system packages: not a Debian system, but everything needed is installed"
            return
        fi
        fail 2 "this is not a Debian system. Install these by hand:
$missing_list
On Debian 12 these packages contain them:
$wanted"
    fi

    while read -r name; do
        is_installed "$name" || missing+=("$name")
    done <<<"$wanted"
    if ((${#missing[@]} == 0)); then
        say "system packages: all installed"
        return
    fi

    local run=()
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            fail 2 "${#missing[@]} system packages are missing, and this user cannot install them. Run

    sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}

and then run \`make setup\` again."
        fi
        run=(sudo -n)
    fi
    say "system packages: installing ${#missing[@]} with apt (the whole list: 0.8 GB on disk, 1 to 5 minutes)"
    local apt=("${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet -o DPkg::Lock::Timeout=300)
    "${apt[@]}" update
    "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" ||
        fail 2 "apt could not install the packages above; see the message of apt. The package list is for Debian 12."
}

# Prefers Debian's Python, because a user's Python may lack the venv module.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 python3; do
        if "$candidate" -c 'import tomllib, venv, ensurepip' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail 3 "gatehouse needs Python 3.11 or newer with the modules venv and ensurepip; install it and run this again."
}

# Creates the environment that runs pip and converts the models.
python_environment() {
    local python=$1 venv="$assets/venv" stamp wanted
    stamp="$venv/.made-from"
    wanted="$("$python" --version) $(sha256sum <"$here/requirements.txt")"
    if [[ -x $venv/bin/python && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
        say "Python environment: already created"
        return
    fi
    say "Python environment: creating it in $venv (35 MB to download, 130 MB on disk, about 15 s)"
    rm -rf -- "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: \
        --require-hashes --requirement "$here/requirements.txt" ||
        fail 1 "pip could not install the packages in tools/setup/requirements.txt; see the message of pip above. \
Check the network and the configuration of pip (mirror, proxy, certificates), then run \`make setup\` again."
    printf '%s' "$wanted" >"$stamp"
}

assets() {
    local python=$1 wanted=("${@:2}")
    if "$python" -B "$here/fetch.py" --check --quiet "${wanted[@]}" 2>/dev/null; then
        say "models, media, ONNX Runtime: complete, in $assets"
        return
    fi
    mkdir -p -- "$assets"
    python_environment "$python"
    say "models, media, ONNX Runtime: fetching missing files into $assets"
    say "  (the first time: 380 MB to download, of which 95 MB are kept; a minute on a fast line)"
    "$python" -B "$here/fetch.py" "${wanted[@]}" || exit $?
}

main() {
    local with_tests=no with_peers=no wanted=() started=$SECONDS
    local usage="usage: tools/setup/setup.sh [--with-tests] [--with-peers] [--with NAME ...]"
    while (($# > 0)); do
        case $1 in
            --with-tests) with_tests=yes wanted+=(--with csrnet --with openvino --with cargo-deny) ;;
            --with-peers) with_peers=yes wanted+=(--with peers) ;;
            --with)
                [[ -n ${2-} ]] || fail 64 "--with needs the name of a model or a build of ONNX Runtime; $usage"
                wanted+=(--with "$2")
                shift
                ;;
            *) fail 64 "unknown argument '$1'; $usage" ;;
        esac
        shift
    done
    check_machine
    system_packages "$with_tests" "$with_peers"
    local python
    python=$(find_python)
    assets "$python" "${wanted[@]}"
    command -v cargo >/dev/null ||
        say "note: cargo is not on the PATH. gatehouse is built with Rust; rust-toolchain.toml states the version."
    say "setup done in $((SECONDS - started)) s"
}

main "$@"
