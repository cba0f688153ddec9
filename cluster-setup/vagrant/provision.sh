#!/bin/sh
# Make a fresh Debian a machine of seatrial's, and bring the portal up: provision.sh SOURCE USER
#
# SOURCE is a folder with seatrial's source, USER whom the portal belongs to. As root; may be run again at any time: what is
# there is left as it is, and a portal whose source has changed is started anew.
# The portal's settings are taken from the environment (SEATRIAL_*). SEATRIAL_HOST is where it listens, by default
# everywhere: the machine's own network is what Vagrant forwards.
set -eu

fail() {
    echo "provision.sh: $1" >&2
    exit 1
}

[ $# -eq 2 ] || fail "the folder of the source and the user's name are needed: provision.sh SOURCE USER"
[ "$(id -u)" = 0 ] || fail "only root can install packages; run it with sudo"
source=$1 user=$2
[ -f "$source/seatrial.py" ] || fail "$source is no folder of seatrial's source; name a checkout"
home=$(getent passwd "$user" | cut -d: -f6)
[ -n "$home" ] || fail "there is no user $user here; \`useradd --create-home $user\` makes one"
place=$home/seatrial

# The workspaces' tools and sandbox, the engine, and what makes its images where no registry is reached.
packages="bash-completion bubblewrap ca-certificates curl docker.io e2fsprogs git iptables jq make mmdebstrap nano nftables
procps python3 python3-venv rsync uidmap vim"
lacking=
for package in $packages; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        lacking="$lacking $package"
done
if [ -n "$lacking" ]; then
    echo "== Installing$lacking"
    apt-get update -q
    # A machine that was just started may be installing its own updates. The list is one of words.
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 $lacking
fi

# Without systemd, as in a container, whoever runs this has an engine running or has none.
if [ -d /run/systemd/system ]; then
    systemctl enable --now docker
fi
usermod --append --groups docker "$user"

# A login of its own, in which the user is in the group just given.
export SEATRIAL_HOST="${SEATRIAL_HOST:-0.0.0.0}"
settings=$(env | sed -n 's/^\(SEATRIAL_[A-Z_]*\)=.*/\1/p' | paste -sd, -)
as_user() {
    runuser --login --whitelist-environment="$settings" "$user" --command "cd '$place' && $1"
}

copy() {
    rsync --archive --omit-dir-times --delete --chown="$user:$(id -gn "$user")" \
        --exclude=.git --exclude-from="$source/.gitignore" "$@" "$source/" "$place/"
}
changes=$(copy --dry-run --itemize-changes)
if [ -n "$changes" ]; then
    if [ -x "$place/.venv/bin/seatrial" ]; then
        echo "== The source has changed: the portal is started anew"
        as_user "make down"
    fi
    echo "== Copying $source to $place"
    copy
fi

as_user "make setup"
# The portal looks for the image of workspaces when it starts, and a lab for its own images when a student starts it.
if docker version >/dev/null 2>&1; then
    as_user ".venv/bin/seatrial workspace build"
    as_user ".venv/bin/seatrial images pull" ||
        echo "== Labs that run those images cannot be started in clusters of containers before they are here"
else
    echo "== No container engine answers: clusters are simulated, workspaces are in a sandbox"
fi
as_user "make up"
