#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the environment that the Makefile works in, and adds what the checks and tests need:
#     constraints/install.sh FOLDER [PYTHON]
#     constraints/install.sh --tools FOLDER
# Without PYTHON, the first supported interpreter found on PATH is taken. The folder's files
# `.installed` (it holds the Python version) and `.tools` are written last, so a folder that has
# them is whole.
set -eu

here=$(dirname "$0")
wanted="Python 3.10, 3.11, 3.12 or 3.13"

fail() {
    echo "penstock: $*" >&2
    exit 1
}

# Prints the version of the interpreter $1 ("3.11"), or nothing where it does not run.
version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || :
}

# Whether what is pinned for Python $1 exists as wheels for this system: TensorFlow's family
# is built for Linux on x86-64 (for 3.12 and newer with glibc 2.39), and for Macs with Apple
# silicon (3.12 and newer only).
has_wheels() {
    case "$system/$1" in
    Linux-x86_64/3.10 | Linux-x86_64/3.11) return 0 ;;
    Linux-x86_64/*)
        glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)
        [ "${glibc#2.}" -ge 39 ] 2>/dev/null
        ;;
    Darwin-arm64/3.12 | Darwin-arm64/3.13) return 0 ;;
    *) return 1 ;;
    esac
}

# Whether Python $1 is one of those that the files beside this script are for.
is_supported() { [ -f "$here/py$(echo "$1" | tr -d .).txt" ]; }

# -qq: pip's errors only. --no-deps: the files are closures, so there is nothing to resolve.
# --no-compile: pip would write byte code on one core; compileall does the same on all of them.
# --no-build-isolation: the few packages that come as source are built with the pinned setuptools,
# instead of each fetching some setuptools of its own.
pip() {
    "$folder/bin/python" -m pip --disable-pip-version-check install \
        -qq --no-deps --no-compile --no-build-isolation "$@"
}

# Some packages carry templates that are not Python; their failing to compile means nothing.
compile() { "$folder/bin/python" -m compileall -qq -j 0 "$folder/lib" >/dev/null 2>&1 || :; }

if [ "$1" = --tools ]; then
    folder=$2
    began=$(date +%s)
    echo "Adding linters, test tools and the other training frameworks to $folder ..."
    rm -f "$folder/.tools"
    pip -r "$here/dev.txt" -r "$here/frameworks.txt" ||
        fail "pip could not install what $here/dev.txt and $here/frameworks.txt pin."
    compile
    touch "$folder/.tools"
    echo "$folder has them ($(($(date +%s) - began)) s)."
    exit
fi

folder=$1
python=${2:-}
system=$(uname -s)-$(uname -m)
case $system in
Linux-x86_64) usable="3.10 or 3.11, or with glibc 2.39 also 3.12 or 3.13" ;;
Darwin-arm64) usable="3.12 or 3.13" ;;
*) fail "TensorFlow's family, which this needs, is not built for $system; use Linux on x86-64." ;;
esac

if [ -n "$python" ]; then
    version=$(version_of "$python")
    [ -n "$version" ] || fail "PYTHON=$python does not run; name a $wanted interpreter."
    is_supported "$version" ||
        fail "PYTHON=$python is Python $version, which is not supported; name a $wanted interpreter."
    has_wheels "$version" ||
        fail "TensorFlow's family is not built for Python $version on this system; name Python $usable."
else
    for candidate in python3.11 python3.10 python3.12 python3.13 python3 python; do
        version=$(version_of "$candidate")
        if is_supported "$version" && has_wheels "$version"; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] || fail "no supported Python found on PATH; install Python $usable," \
        "or name one: make PYTHON=/path/to/python3.11."
fi

began=$(date +%s)
if [ -x "$folder/bin/python" ] && [ "$(version_of "$folder/bin/python")" = "$version" ]; then
    echo "Bringing $folder (Python $version) up to date ..."
else
    echo "Making $folder with Python $version: 2.4 GB, once, a minute or two ..."
    "$python" -m venv --clear "$folder" ||
        fail "'$python -m venv' failed; on Debian and Ubuntu install the package python$version-venv."
fi
rm -f "$folder/.installed" "$folder/.tools"

lock=$here/py$(echo "$version" | tr -d .).txt
# shellcheck disable=SC2046 # one word for each pin is meant
pip $(grep -E '^(packaging|setuptools|wheel)==' "$lock") || fail "pip could not install setuptools."
pip -r "$lock" || fail "pip could not install what $lock pins."
pip -e "$here/.." || fail "pip could not install this checkout into $folder."
compile

echo "$version" >"$folder/.installed"
echo "$folder is ready ($(($(date +%s) - began)) s)."
