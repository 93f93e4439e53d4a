#!/bin/bash
# The start of a Redis container, by the contract that the official image documents: flags or a
# configuration file alone mean redis-server, which runs as the user redis.
set -eu

case "${1:-}" in -*|*.conf) set -- redis-server "$@" ;; esac

if [ "${1:-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis:redis '{}' +
    exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi

if [ "${1:-}" = redis-server ]; then
    # The official image's server is built without protected mode, so others reach it with no
    # password set. A flag given later wins.
    case "${2:-}" in
        -v|--version|-h|--help|--test-memory|--check-system|-) ;;
        ''|-*) shift; set -- redis-server --protected-mode no "$@" ;;
        *)
            configuration=$2
            shift 2
            set -- redis-server "$configuration" --protected-mode no "$@" ;;
    esac
fi
exec "$@"
