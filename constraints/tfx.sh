#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes an environment for TFX 1.16.0, which `make bench` compares with:
#     constraints/tfx.sh FOLDER [PYTHON]
# PYTHON must be a Python 3.10 (by default the first one on PATH, else one that pyenv has): the
# last one that TFX is built for. Where it cannot be made, one sentence says why. As with
# install.sh, the folder's file `.installed` is written last, and a folder that has the right
# one is left alone.
set -eu

folder=${1:?usage: constraints/tfx.sh FOLDER [PYTHON]}
python=${2:-}
here=$(dirname "$0")
lock=$here/tfx310.txt

fail() {
    echo "penstock: no TFX to compare with: $*" >&2
    exit 1
}

# Prints the version of the interpreter $1 ("3.10"), or nothing where it does not run.
version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || :
}

wanted=$(cksum <"$lock")
if [ "$(cat "$folder/.installed" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
if [ -z "$python" ]; then
    for candidate in python3.10 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10.*/bin/python3.10; do
        if [ "$(version_of "$candidate")" = 3.10 ]; then
            python=$candidate
            break
        fi
    done
fi
[ -n "$python" ] || fail "it needs Python 3.10, which is not on PATH."
[ "$(version_of "$python")" = 3.10 ] || fail "$python is not a Python 3.10."
system=$(uname -s)-$(uname -m)
[ "$system" = Linux-x86_64 ] || fail "it is not built for $system."

began=$(date +%s)
echo "Making $folder with TFX 1.16.0: 3 GB, once, some minutes ..."
"$python" -m venv --clear "$folder" || fail "'$python -m venv' failed."
# An environment is no part of the repository, wherever it is made.
echo '*' >"$folder/.gitignore"
pip() {
    "$folder/bin/python" -m pip --disable-pip-version-check install \
        -qq --no-deps --no-compile --no-build-isolation "$@"
}
# What comes as source is built with these, as in install.sh.
# shellcheck disable=SC2046 # one word for each pin is meant
pip $(grep -E '^(packaging|setuptools|wheel)==' "$lock") || fail "pip could not install setuptools."
pip -r "$lock" || fail "pip could not install what $lock pins."
"$folder/bin/python" -m compileall -qq -j 0 "$folder/lib" >/dev/null 2>&1 || :
echo "$wanted" >"$folder/.installed"
echo "$folder is ready ($(($(date +%s) - began)) s)."
