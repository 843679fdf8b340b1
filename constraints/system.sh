#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the servers and the browser that some tests start, where Debian's or Ubuntu's package
# manager can: PostgreSQL, MariaDB, Chromium. Those tests skip by name without them.
set -eu

missing=
has() { command -v "$1" >/dev/null 2>&1; }
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || has postgres || missing="$missing postgresql"
has mariadbd || [ -x /usr/sbin/mariadbd ] ||
    missing="$missing mariadb-server-core mariadb-client-core"
has chromium || missing="$missing chromium"
has chromedriver || missing="$missing chromium-driver"
[ -n "$missing" ] || exit 0

if ! has apt-get || [ "$(id -u)" != 0 ]; then
    echo "penstock: not installed, so that some tests will skip:$missing" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # one word for each package is meant
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null ||
    echo "penstock: could not be installed, so that some tests will skip:$missing" >&2
