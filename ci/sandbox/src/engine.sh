# Becomes an engine, after giving it private versions of directories that containerd and runc use
# wherever their data is: a kill then leaves no socket behind, and engines do not meet there.
# Usage: sh -c SCRIPT sh DIR PROGRAM [ARG]..., in a mount namespace of its own.

# Everything else in the directory stays what it is.
hide() {
    mkdir "$2" && mount -t tmpfs -o mode=0755 sandbox "$2" || exit 1
    for old in "$1"/*; do
        new="$2/${old##*/}"
        case "${old##*/}" in
        containerd | docker | docker.* | runc | '*') continue ;;
        esac
        if [ -L "$old" ]; then
            cp -P "$old" "$new"
        elif [ -d "$old" ]; then
            mkdir "$new" && mount --rbind "$old" "$new"
        else
            touch "$new" && mount --bind "$old" "$new"
        fi
    done
    mount --rbind "$2" "$1" || exit 1
}

hide /run "$1/run"
[ ! -d /opt ] || hide /opt "$1/opt"
shift
exec "$@"
