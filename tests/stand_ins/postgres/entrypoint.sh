#!/bin/bash
# The start of a PostgreSQL container, by the contract that the official image documents: settings
# from the environment, and a first start in two phases, of which only the second listens on the
# network.
set -euo pipefail

# A setting may also come from a file (NAME_FILE), as secrets do.
from_file() {
    local name=$1 file="${1}_FILE"
    if [ -n "${!file:-}" ]; then
        if [ -n "${!name:-}" ]; then
            echo >&2 "Error: $name and $file are both set; set one of them."
            exit 1
        fi
        export "$name=$(cat "${!file}")"
    fi
    unset "$file"
}

read_settings() {
    local name
    for name in POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB POSTGRES_INITDB_ARGS; do
        from_file "$name"
    done
    export POSTGRES_USER="${POSTGRES_USER:-postgres}"
    export POSTGRES_DB="${POSTGRES_DB:-$POSTGRES_USER}"
    : "${POSTGRES_PASSWORD:=}" "${POSTGRES_INITDB_ARGS:=}" "${POSTGRES_HOST_AUTH_METHOD:=}"
}

require_password() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
        cat >&2 <<'MESSAGE'
Error: Database is uninitialized and superuser password is not specified.
       Set POSTGRES_PASSWORD to a value that is not empty, or POSTGRES_HOST_AUTH_METHOD=trust
       to let everybody in without one.
MESSAGE
        exit 1
    fi
}

own_folders() {
    mkdir -p "$PGDATA" /run/postgresql
    chmod 0700 "$PGDATA" || true
    chmod 3777 /run/postgresql || true
    if [ "$(id -u)" = 0 ]; then
        find "$PGDATA" /run/postgresql \! -user postgres -exec chown postgres:postgres '{}' +
    fi
}

create_cluster() {
    local arguments=()
    # As with the official image the value is words for a shell, so quotes in it hold.
    eval "arguments=($POSTGRES_INITDB_ARGS)"
    arguments=(--username="$POSTGRES_USER" --pgdata="$PGDATA" "${arguments[@]}")
    if [ -n "$POSTGRES_PASSWORD" ]; then
        initdb "${arguments[@]}" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")
    else
        initdb "${arguments[@]}"
    fi
    local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption)}
    printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"
}

# Without a network address: whoever waits for the port must not find the server that is about to
# stop again.
start_for_setup() {
    [ "${1:-}" != postgres ] || shift
    local arguments
    arguments=$(printf '%q ' "$@" -c listen_addresses= -p 5432)
    PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -w start -o "$arguments"
}

run_sql() {
    psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" --dbname "$@"
}

create_database() {
    if [ "$POSTGRES_DB" != postgres ]; then
        run_sql postgres --set db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db";'
    fi
}

run_init_scripts() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh) echo "$0: running $file"
                # shellcheck disable=SC1090
                if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
            *.sql) echo "$0: running $file"; run_sql "$POSTGRES_DB" -f "$file" ;;
            *.sql.gz) echo "$0: running $file"; gunzip -c "$file" | run_sql "$POSTGRES_DB" ;;
            */\*) ;;
            *) echo "$0: ignoring $file" ;;
        esac
    done
}

first_start() {
    require_password
    create_cluster
    start_for_setup "$@"
    create_database
    run_init_scripts
    PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -m fast -w stop
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

asks_for_help() {
    local argument
    for argument; do
        case "$argument" in -\?|--help|-V|--version|--describe-config) return 0 ;; esac
    done
    return 1
}

if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
if [ "${1:-}" = postgres ] && ! asks_for_help "$@"; then
    own_folders
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
    fi
    if [ -s "$PGDATA/PG_VERSION" ]; then
        echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
    else
        read_settings
        first_start "$@"
    fi
fi
exec "$@"
