#!/bin/sh
# Make or complete the environment named as the first argument. Used by `make install`; may be interrupted and run again.
set -eu
venv=$1

key() { # what the environment must match: the files that decide its content
    cat requirements.lock pyproject.toml .ci/install.sh | cksum
}

good() { # a Python that we support and that can make environments
    "$1" -c 'import sys, venv, ensurepip; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

if [ -f "$venv/.installed" ] && [ "$(cat "$venv/.installed")" = "$(key)" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

if ! good "$venv/bin/python" || [ ! -x "$venv/bin/pip" ]; then
    python=''
    # A version manager's shim can exist and still fail, so every candidate is tried.
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python "$HOME"/.pyenv/versions/3.1[123]*/bin/python}; do
        if good "$candidate"; then python=$candidate && break; fi
    done
    if [ -z "$python" ]; then
        echo "make: no usable Python found. Earwitness needs Python 3.11, 3.12 or 3.13 with venv." >&2
        for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
            found=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || found='does not run'
            case $found in
            3.11 | 3.12 | 3.13) found="$found, but without venv/ensurepip; on Debian and Ubuntu: apt install python$found-venv" ;;
            esac
            echo "  $candidate: $found" >&2
        done
        echo "Install one of them, or name one: make PYTHON=/path/to/python3.12 ..." >&2
        exit 1
    fi
    echo "Making $venv with $("$python" -V) ..."
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

rm -f "$venv/.installed"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
# uv does not read pip's settings; a mirror that pip is told to use holds for uv too.
if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    index=${PIP_INDEX_URL:-$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)}
    if [ -n "$index" ]; then UV_DEFAULT_INDEX=$index && export UV_DEFAULT_INDEX; fi
fi
export VIRTUAL_ENV="$PWD/$venv" UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
echo "Installing the locked packages (the first time about 4.5 GB to download on Linux) ..."
"$venv/bin/uv" pip install --require-hashes --requirement requirements.lock
"$venv/bin/uv" pip install --quiet --no-deps --editable .
# Compiled now: uv leaves it to the first run, where Python may be told to write no bytecode (PYTHONDONTWRITEBYTECODE, as
# in many images). Then every start would compile Prefect again, which takes 6 s. Only what runs import: uv would compile
# 30,000 files, most of which nobody ever opens, for more than a minute.
env -u PYTHONDONTWRITEBYTECODE PREFECT_HOME="${TMPDIR:-/tmp}" DO_NOT_TRACK=1 "$venv/bin/python" -W ignore -c \
    'import flows.drop, prefect.engine, prefect.server.api.server, expectations.rules, earwitness.cli, resemblyzer, faster_whisper, sklearn' >/dev/null
key >"$venv/.installed"
echo "Installed. The command is $venv/bin/earwitness"
