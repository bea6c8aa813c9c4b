# Sourced by ./run and ./test: installs what is missing and builds. Everything it says goes to stderr.
#
# Each step looks first and does nothing when there is nothing to do, so that a second ./run starts at once.

setup_say() { echo "set-up: $*" >&2; }

# The first of these Pythons that can make a venv; Debian's own is preferred, for its packages come from apt.
setup_python() {
    local python
    for python in /usr/bin/python3 python3; do
        if command -v "$python" >/dev/null; then echo "$python"; return; fi
    done
    echo python3
}

# Is there what a probe of packages.txt asks for?
setup_has() {
    local kind=${1%%:*} what=${1#*:}
    case $kind in
        cmd) command -v "$what" >/dev/null ;;
        file) [ -e "$what" ] ;;
        pc) command -v pkg-config >/dev/null && pkg-config --exists "$what" ;;
        py) "$(setup_python)" -c "import $what" 2>/dev/null </dev/null ;;
    esac
}

# Names of the packages that are missing for one of the purposes given.
setup_missing() {
    local package probe purpose why
    while IFS='|' read -r package probe purpose why; do
        package=${package// /} probe=${probe// /} purpose=${purpose// /}
        case $package in '' | '#'*) continue ;; esac
        case " $* " in *" $purpose "*) ;; *) continue ;; esac
        setup_has "$probe" || echo "$package"
    done <"$root/tools/setup/packages.txt"
}

# setup_packages must|may PURPOSE...: installs what is missing. `must` ends the program when it cannot.
setup_packages() {
    local need=$1 missing as_root=()
    shift
    missing=$(setup_missing "$@" | xargs)
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null; then
        setup_say "missing, under the names that Debian gives them: $missing"
        setup_say "this system has no apt: install their like and start again"
        [ "$need" = may ] && return 0 || exit 2
    fi
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            as_root=(sudo)
        else
            setup_say "not root, and no sudo that needs no password. Run this as root, then start again:"
            echo "    apt-get update && apt-get install -y --no-install-recommends $missing" >&2
            [ "$need" = may ] && return 0 || exit 2
        fi
    fi
    setup_say "installing with apt: $missing"
    mkdir -p "$root/.deps/logs"
    # shellcheck disable=SC2086
    setup_apt "${as_root[@]}" -- $missing >"$root/.deps/logs/apt.log" 2>&1 || true
    missing=$(setup_missing "$@" | xargs)
    [ -n "$missing" ] || return 0
    tail -n 5 "$root/.deps/logs/apt.log" >&2
    setup_say "apt could not bring: $missing (all it said: .deps/logs/apt.log)"
    if [ "$need" = may ]; then
        setup_say "what needs them is left out"
    else
        setup_say "nothing can be built without them; what was installed before stays. Start again when apt works."
        exit 2
    fi
}

# An interrupted dpkg refuses to go on until it is configured; a stale list names packages that are gone.
setup_apt() {
    local as_root=()
    while [ "$1" != -- ]; do as_root+=("$1"); shift; done
    shift
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y)
    local install=("${apt[@]}" install --no-install-recommends)
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive dpkg --configure -a
    "${apt[@]}" update
    "${install[@]}" "$@" && return 0
    # One package that is not to be had must not keep the others away.
    local package
    for package in "$@"; do "${install[@]}" "$package" || true; done
}

setup_fetch() {
    "$(setup_python)" "$root/tools/setup/fetch.py" "$1"
    "$(setup_python)" "$root/tools/setup/page.py"
    if [ -d "$root/.deps/node/bin" ]; then PATH="$root/.deps/node/bin:$PATH"; fi
}

# setup_build PRESET: configures when something that cmake does not watch by itself changed, then builds.
setup_build() {
    local preset=$1 folder=$root/build/$1 state log
    log=$folder/build.log
    mkdir -p "$folder"
    state=$(
        cat "$root/CMakePresets.json" "$root/.deps/llama/.stamp" "$root/.deps/venv/.stamp" 2>/dev/null | cksum
        ls "$root"/src/CMakeLists.txt "$root"/engines/*/CMakeLists.txt 2>/dev/null
        echo "$root" && pkg-config --modversion cmocka 2>/dev/null
    ) || true
    if [ ! -f "$folder/build.ninja" ] || [ "$state" != "$(cat "$folder/.state" 2>/dev/null)" ]; then
        rm -f "$folder/CMakeCache.txt" "$folder/.state"
        setup_quietly "$log" cmake --preset "$preset" -S "$root" || return 1
        echo "$state" >"$folder/.state"
    fi
    local targets=()
    [ "$preset" != fuzz ] || targets=(--target fuzzers)
    if ! cmake --build "$folder" "${targets[@]}" -- -n 2>/dev/null | grep -q 'no work to do'; then
        setup_say "building $preset"
    fi
    setup_quietly "$log" cmake --build "$folder" "${targets[@]}"
}

# Runs a command with its output in a log; shows the errors in it, or its end, only when it fails.
setup_quietly() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null && return 0
    grep -A4 -E 'error: |undefined reference|multiple definition|^CMake Error' "$log" | head -n 60 >&2 || tail -n 30 "$log" >&2
    setup_say "failed: $* (all of it: ${log#"$root"/})"
    return 1
}
