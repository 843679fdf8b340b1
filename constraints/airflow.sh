#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes an environment for Airflow, which cannot share one with Penstock's libraries:
#     constraints/airflow.sh FOLDER 3|2 [PYTHON]
# Airflow 3 comes with its providers for Docker and Kubernetes. PYTHON must be a Python 3.11
# (by default the first one on PATH), for which the pins were made. As with install.sh, the
# folder's file `.installed` is written last, and a folder that has the right one is left alone.
set -eu

folder=${1:?usage: constraints/airflow.sh FOLDER 3|2 [PYTHON]}
release=${2:?usage: constraints/airflow.sh FOLDER 3|2 [PYTHON]}
python=${3:-python3.11}
here=$(dirname "$0")
lock=$here/airflow-$release.txt

fail() {
    echo "penstock: $*" >&2
    exit 1
}

[ -f "$lock" ] || fail "there are pins for Airflow 3 and 2, not for '$release'."
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
    fail "$python does not run; name a Python 3.11: constraints/airflow.sh $folder $release PYTHON"
[ "$version" = 3.11 ] || fail "$python is Python $version; what is pinned was made for 3.11."

wanted=$(cksum <"$lock")
if [ "$(cat "$folder/.installed" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
began=$(date +%s)
echo "Making $folder with Airflow $release: once, a minute or two ..."
"$python" -m venv --clear "$folder" || fail "'$python -m venv' failed."
# An environment is no part of the repository, wherever it is made.
echo '*' >"$folder/.gitignore"
"$folder/bin/python" -m pip --disable-pip-version-check install -qq --no-deps --no-compile \
    -r "$lock" || fail "pip could not install what $lock pins."
"$folder/bin/python" -m compileall -qq -j 0 "$folder/lib" >/dev/null 2>&1 || :
echo "$wanted" >"$folder/.installed"
echo "$folder is ready ($(($(date +%s) - began)) s)."
