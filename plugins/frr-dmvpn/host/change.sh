#!/bin/sh
# Made by Isthmus (frr-dmvpn). One change of this host at a time: files are put in place whole, what differs is reloaded,
# and all of it is taken back unless `confirm` comes before the timer does. Lives in /var/lib/isthmus-dmvpn beside:
#   files     MODE OWNER WORD PATH of every file that is managed; WORD: what its change means (see settle)
#   new       the files as they are to be
#   backup    the files and units as they were before this change
#   original  as they were before Isthmus first came: destroy goes back to it
#   pending   the id of a change that is not confirmed
#   packages  what was installed for it
# change.sh begin ID MINUTES [WORD...] | confirm ID | revert | destroy
set -u
umask 077
trap '' HUP PIPE
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
D=/var/lib/isthmus-dmvpn
OURS='isthmus-dmvpn-firewall.service isthmus-dmvpn.service'
UNITS="strongswan.service frr.service"
WANTS=/etc/systemd/system/timers.target.wants
CHANGED=

die() { echo "$*" >&2; exit 1; }

save() { # save DIR: how files and units stand
    rm -rf "$1.tmp"
    mkdir -p "$1.tmp/tree" || return 1
    while read -r mode owner word path; do
        [ -e "$path" ] || continue
        mkdir -p "$1.tmp/tree${path%/*}" && cp -a "$path" "$1.tmp/tree$path" || return 1
    done <"$D/files"
    for unit in $UNITS; do
        echo "$unit $(systemctl is-enabled "$unit" 2>/dev/null | head -1) $(systemctl is-active "$unit" 2>/dev/null | head -1)"
    done >"$1.tmp/units"
    sync
    rm -rf "$1"
    mv -T "$1.tmp" "$1"
}

put() { # put SOURCE PATH: at once and whole, with the source's mode and owner
    (umask 022 && mkdir -p "${2%/*}") && cp -a "$1" "$2.isthmus" && mv -fT "$2.isthmus" "$2"
}

same() { [ -f "$2" ] && cmp -s "$1" "$2" && [ "$(stat -c '%a %U:%G' "$1")" = "$(stat -c '%a %U:%G' "$2")" ]; }

replace() { # replace TREE: what differs from it is put in place, what it lacks goes; CHANGED: what that means
    while read -r mode owner word path; do
        if [ -e "$1$path" ]; then
            same "$1$path" "$path" && continue
            put "$1$path" "$path" || return 1
        else
            [ -e "$path" ] || continue
            rm -f "$path"
            case $path in
            */isthmus-dmvpn/* | *.service.d/*) rmdir "${path%/*}" 2>/dev/null ;; # a folder of its own
            esac
        fi
        CHANGED="$CHANGED $word"
    done <"$D/files"
    sync
}

has() { case " $CHANGED " in *" $1 "*) return 0 ;; esac; return 1; }
active() { systemctl -q is-active "$1"; }

keys_differ() { # of NHRP, before and now; both ways, for a revert settles too
    for tree in "$D/backup/tree" "$D/new"; do
        [ "$(grep -s 'ip nhrp authentication' "$tree/etc/frr/frr.conf")" = \
            "$(grep -s 'ip nhrp authentication' /etc/frr/frr.conf)" ] || return 0
    done
    return 1
}

settle() { # what was put in place takes effect; what did not change goes on
    for unit in $OURS $UNITS; do
        systemctl -q is-enabled "$unit" 2>/dev/null && continue
        systemctl -q --no-reload enable "$unit" 2>/dev/null || return 1
        CHANGED="$CHANGED systemd"
    done
    ! has systemd || systemctl daemon-reload || return 1
    if has firewall && active isthmus-dmvpn-firewall.service; then
        systemctl reload isthmus-dmvpn-firewall.service || return 1
    fi
    systemctl start isthmus-dmvpn-firewall.service || return 1
    if has tunnel || ! active isthmus-dmvpn.service; then
        CHANGED="$CHANGED tunnel"
        systemctl restart isthmus-dmvpn.service || return 1
    fi
    if has charon || ! active strongswan.service; then
        systemctl restart strongswan.service || return 1
    elif has swanctl || has secrets; then
        swanctl --load-all --noprompt || return 1
        # Who proved identity with the old key is asked again with the new one.
        ! has secrets || swanctl --list-conns | sed -n 's/^\(isthmus-[a-z0-9-]*\):.*/\1/p' | while read -r name; do
            swanctl --terminate --ike "$name" --force --timeout 2 >/dev/null 2>&1
            case $name in isthmus-hub-*) swanctl --initiate --child "$name" --timeout 10 </dev/null >/dev/null 2>&1 9>&- & ;; esac
        done
    fi
    if has daemons || has tunnel || ! active frr.service; then
        systemctl restart frr.service || return 1
    elif has frr; then
        # Who was refused asks again after up to 64 s, unless it begins anew.
        if keys_differ; then
            systemctl restart frr.service || return 1
        else
            systemctl reload frr.service || systemctl restart frr.service || return 1
        fi
    fi
}

bare() { # bare DIR: as it was without us
    [ ! -e "$D/tools/tunnel" ] || sh "$D/tools/tunnel" down
    [ ! -e "$D/tools/firewall" ] || sh "$D/tools/firewall" down
    systemctl daemon-reload
    while read -r unit enabled was; do
        case $enabled in
        enabled) systemctl -q --no-reload enable "$unit" 2>/dev/null ;;
        disabled) systemctl -q --no-reload disable "$unit" 2>/dev/null ;;
        esac
        [ "$was" = active ] && systemctl restart "$unit"
    done <"$1/units"
    :
}

unit() { # unit NAME: what it is to be comes in. One that is so already stays: systemd would read all of them anew, for seconds
    cat >"$D/unit" && chmod 644 "$D/unit" || return 1
    cmp -s "$D/unit" "/etc/systemd/system/$1" || mv -f "$D/unit" "/etc/systemd/system/$1"
}

arm() { # arm MINUTES: a timer that outlives a reboot
    unit isthmus-dmvpn-revert.service <<X || return 1
[Unit]
Description=Takes back a change of the DMVPN that nobody confirmed
[Service]
Type=oneshot
ExecStart=$D/change.sh revert
X
    unit isthmus-dmvpn-revert.timer <<X || return 1
[Unit]
Description=Takes back a change of the DMVPN that nobody confirms
[Timer]
OnActiveSec=$1min
AccuracySec=1s
[Install]
WantedBy=timers.target
X
    rm -f "$D/unit"
    # Enabled by hand: through systemd it would call every unit changed until all are read anew.
    (umask 022 && mkdir -p $WANTS) && ln -sf ../isthmus-dmvpn-revert.timer $WANTS || return 1
    case $(systemctl show -P NeedDaemonReload isthmus-dmvpn-revert.timer isthmus-dmvpn-revert.service) in
    *yes*) systemctl daemon-reload || return 1 ;;
    esac
    systemctl start isthmus-dmvpn-revert.timer
}

disarm() { # the two units stay for the next change, as long as ours do
    systemctl stop isthmus-dmvpn-revert.timer 2>/dev/null
    rm -f $WANTS/isthmus-dmvpn-revert.timer
    rmdir $WANTS 2>/dev/null
    [ -e /etc/systemd/system/isthmus-dmvpn.service ] || rm -f /etc/systemd/system/isthmus-dmvpn-revert.*
}

stop_all() { # before the files that say how are gone
    systemctl stop $UNITS
    systemctl reset-failed $UNITS 2>/dev/null # one that had to be killed
    mkdir -p "$D/tools"
    cp /usr/local/lib/isthmus-dmvpn/tunnel /usr/local/lib/isthmus-dmvpn/firewall "$D/tools/" 2>/dev/null
    systemctl -q --no-reload disable $OURS 2>/dev/null
    systemctl stop $OURS 2>/dev/null
    ip xfrm state flush
    ip xfrm policy flush
    :
}

go_back() { # go_back DIR
    [ -d "$1/tree" ] || return 1
    if [ -e "$1/tree/etc/systemd/system/isthmus-dmvpn.service" ]; then
        replace "$1/tree" && settle
    else
        stop_all
        replace "$1/tree" && bare "$1"
    fi
}

# One at a time: the timer may come while a change is still being made.
exec 9>/run/isthmus-dmvpn.lock && flock 9 || die "another change does not end"

case ${1:-} in
begin)
    [ ! -e $D/pending ] || die "a change is under way already: $(cat $D/pending)"
    [ -d $D/original ] || save $D/original || die "what is there cannot be kept"
    save $D/backup || die "what is there cannot be kept"
    echo "$2" >$D/pending
    sync
    arm "$3" || die "the timer that takes the change back cannot be set"
    shift 3
    CHANGED=$*
    replace $D/new && settle || die "what was put in place does not work"
    ;;
confirm)
    [ "$(cat $D/pending 2>/dev/null)" = "$2" ] || die "that change is not pending: it was taken back"
    rm -f $D/pending
    disarm
    rm -rf $D/new $D/tools
    ;;
revert)
    [ -e $D/pending ] || exit 0
    # One that ended before it had saved all has changed nothing.
    [ ! -d $D/backup ] || go_back $D/backup || die "not everything could be taken back"
    rm -f $D/pending
    disarm
    ;;
destroy)
    [ -d $D ] || exit 0
    [ ! -d $D/original ] || go_back $D/original || die "not everything could be taken back"
    rm -f $D/pending
    disarm
    if [ -s $D/packages ] && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2046
        apt-get purge -qq -y $(sort -u $D/packages) >/dev/null || die "packages stay"
    fi
    rm -rf $D
    ;;
*) die "usage: change.sh begin|confirm|revert|destroy" ;;
esac
