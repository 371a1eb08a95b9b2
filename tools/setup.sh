# Sourced by tools/play and tools/test: a checkout becomes a working installation in .venv, once.
#
#   riffengine_setup play|test    sets up (or finds everything current, in well under 0.3 s)
#
# RIFFENGINE_PYTHON names the interpreter to use. Bash 3.2 is enough (macOS).

riffengine_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
riffengine_venv=$riffengine_root/.venv

riffengine_say() { printf '%s\n' "$*" >&2; }

# --- system packages ------------------------------------------------------------------------------------------------

riffengine_play_packages="libportaudio2 libopus0"
riffengine_test_packages="libportaudio2 libopus0 chromium zbar-tools fonts-dejavu-core jackd2 libjack-jackd2-dev gcc g++ libc6-dev liblo-tools puredata-core supercollider-language libfluidsynth3 musescore-general-soundfont-small systemd liblilv-0-0 lv2-dev calf-plugins dragonfly-reverb-lv2 lsp-plugins-lv2 mda-lv2 swh-lv2 x42-plugins zam-plugins zynaddsubfx-lv2 dpf-source ardour jalv lilv-utils sordi icecast2 ffmpeg mpv"

# Debian packages of the given ones that are not installed; empty where there is no dpkg.
riffengine_missing_packages() {
    local package installed
    command -v dpkg-query >/dev/null 2>&1 || return 0
    installed=" $(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p' | tr '\n' ' ') "
    for package in "$@"; do
        case $installed in *" $package "*) ;; *) printf '%s ' "$package" ;; esac
    done
}

# True where apt-get can be run as root, directly or through a sudo that asks for no password.
riffengine_may_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }
}

riffengine_apt() {
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"
}

# Package lists are only fetched when the install fails without it (a fresh machine has none).
riffengine_apt_install() {
    local log
    riffengine_may_install || return 1
    riffengine_say "Installing system packages: $*"
    log=$(mktemp) || return 1
    if riffengine_apt install --no-install-recommends "$@" >"$log" 2>&1 </dev/null \
        || { riffengine_apt update >"$log" 2>&1 </dev/null \
            && riffengine_apt install --no-install-recommends "$@" >"$log" 2>&1 </dev/null; }; then
        rm -f "$log"
        return 0
    fi
    [ -s "$log" ] && tail -n 15 "$log" >&2
    rm -f "$log"
    return 1
}

# What is missing is installed where that is allowed and otherwise named; only the tests in CI insist on it.
riffengine_system_packages() {
    local purpose=$1 try=$2 packages missing
    packages=$riffengine_play_packages
    [ "$purpose" = test ] && packages=$riffengine_test_packages
    # shellcheck disable=SC2086
    missing=$(riffengine_missing_packages $packages)
    if [ "$try" = yes ] && ! command -v dpkg-query >/dev/null 2>&1 && [ "$(uname -s)" = Linux ]; then
        riffengine_say "A sound device needs the PortAudio library; if it is missing, install it with your package manager."
    fi
    if [ -n "$missing" ] && [ "$try" = yes ]; then
        # shellcheck disable=SC2086
        riffengine_apt_install $missing && missing=""
    fi
    [ -z "$missing" ] && return 0
    riffengine_say "Missing system packages: $missing"
    riffengine_say "    sudo apt-get install --no-install-recommends $missing"
    if [ "$purpose" = play ]; then
        riffengine_say "Without PortAudio no sound device can be opened; until it is installed, the engine plays on the paced output."
    elif [ -n "${CI:-}" ]; then
        riffengine_say "CI must not skip tests: stopping here."
        return 1
    else
        riffengine_say "Tests that need them are skipped."
    fi
}

# --- Python ---------------------------------------------------------------------------------------------------------

# The first interpreter that is new enough. 3.11 leads because the pinned versions were tested on it.
riffengine_find_python() {
    local candidate
    for candidate in ${RIFFENGINE_PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    riffengine_say "Riffengine needs Python 3.11 or newer; found: $(python3 --version 2>&1 || true)"
    riffengine_say "    Debian 12+, Ubuntu 24.04+:  sudo apt-get install python3 python3-venv"
    riffengine_say "    macOS:                      brew install python@3.12"
    riffengine_say "or name an interpreter:         RIFFENGINE_PYTHON=/path/to/python3.11 bash tools/play"
    return 1
}

# Debian splits venv off Python: without python3-venv there is no ensurepip.
riffengine_make_venv() {
    local python=$1 package
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        if ! riffengine_apt_install "$package" || ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            riffengine_say "$python cannot make virtual environments. Install $package and start again:"
            riffengine_say "    sudo apt-get install $package"
            return 1
        fi
    fi
    "$python" -m venv --clear "$riffengine_venv"
}

# Everything that decides what .venv must hold. Its place counts too: scripts in a virtual environment name it.
riffengine_stamp() {
    printf '%s\n%s\n' "$riffengine_root" "${RIFFENGINE_PYTHON:-}"
    sed -n 's/^version *= *//p' "$riffengine_venv/pyvenv.cfg" 2>/dev/null
    cat "$riffengine_root/pyproject.toml" "$riffengine_root/constraints.txt"
}

riffengine_current() {
    local stamp=$riffengine_venv/riffengine-$1.stamp
    [ -f "$stamp" ] && "$riffengine_venv/bin/python" -c '' 2>/dev/null && [ "$(riffengine_stamp)" = "$(cat "$stamp")" ]
}

riffengine_install() {
    local purpose=$1 extras="[web]" python log
    [ "$purpose" = test ] && extras="[dev,train]"
    if [ "$(sed -n 1,2p "$riffengine_venv"/riffengine-play.stamp 2>/dev/null)" != "$(riffengine_stamp | sed -n 1,2p)" ] \
        || ! "$riffengine_venv/bin/python" -m pip --version >/dev/null 2>&1; then
        python=$(riffengine_find_python) || return 1
        riffengine_make_venv "$python" || return 1
    fi
    rm -f "$riffengine_venv"/riffengine-*.stamp
    log=$riffengine_venv/setup.log
    riffengine_say "Installing Riffengine into .venv (about two minutes, only this once) ..."
    if ! (cd "$riffengine_root" && "$riffengine_venv/bin/python" -m pip install --disable-pip-version-check --no-input \
        --constraint constraints.txt --editable ".$extras") >"$log" 2>&1 </dev/null; then
        tail -n 25 "$log" >&2
        riffengine_say "pip could not install Riffengine; the whole log is in $log. Is there a network connection? Start again to retry."
        return 1
    fi
    riffengine_stamp >"$riffengine_venv/riffengine-play.stamp"
    # What the tests need holds everything that playing needs.
    if [ "$purpose" = test ]; then
        riffengine_stamp >"$riffengine_venv/riffengine-test.stamp"
    fi
}

riffengine_setup() {
    local purpose=$1 fresh=no
    riffengine_current "$purpose" || fresh=yes
    riffengine_system_packages "$purpose" "$fresh" || return 1
    if [ "$fresh" = yes ]; then
        riffengine_install "$purpose" || return 1
    fi
}
