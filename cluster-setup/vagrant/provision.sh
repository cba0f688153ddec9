#!/bin/sh
# Make a fresh Debian a machine of seatrial's, and bring the portal up: provision.sh SOURCE USER
#
# SOURCE is a folder with seatrial's source, USER whom the portal belongs to. As root; may be run again at any time.
# SEATRIAL_HOST is where the portal listens, by default everywhere: the machine's own network is what Vagrant forwards.
set -eu

source=$1 user=$2
home=$(getent passwd "$user" | cut -d: -f6)
place=$home/seatrial

if [ "$(id -u)" != 0 ]; then
    echo "provision.sh: only root can install packages; run it with sudo" >&2
    exit 1
fi

packages="bash-completion bubblewrap ca-certificates curl docker.io e2fsprogs git iptables jq make nano nftables procps
python3 python3-venv rsync vim"
lacking=
for package in $packages; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        lacking="$lacking $package"
done
if [ -n "$lacking" ]; then
    echo "== Installing$lacking"
    apt-get update -q
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $lacking
fi

# Without systemd, as in a container, whoever runs this has an engine running or has none.
if [ -d /run/systemd/system ]; then
    systemctl enable --now docker
fi
usermod --append --groups docker "$user"

echo "== Copying $source to $place"
mkdir -p "$place"
rsync --archive --delete --exclude=.venv --exclude=.git --exclude=build --exclude=dist "$source/" "$place/"
chown -R "$user:" "$place"

# A shell of its own, in which the user is in the group just given. The images first: the portal looks for them.
as_user() {
    runuser --login "$user" --command "cd '$place' && export SEATRIAL_HOST='${SEATRIAL_HOST:-0.0.0.0}' && $1"
}
as_user "make setup"
if docker version >/dev/null 2>&1; then
    as_user ".venv/bin/seatrial tools install kind kubectl && .venv/bin/seatrial workspace build"
else
    echo "== No container engine answers: clusters are simulated, workspaces are in a sandbox"
fi
as_user "make up"
