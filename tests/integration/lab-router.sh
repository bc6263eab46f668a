#!/usr/bin/env bash
# The lab's IOS-XE routers, by the plain ssh command and a person's typing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/alone-lib.sh"
export ISTHMUS_LAB_MINUTE_MS=700
start_alone
ssh-keygen -q -t rsa -b 2048 -N '' -f "$TMP/other"

has() { # has "text" LINE...: the session shows it
    local text=$1
    shift
    typed 'terminal length 0' "$@" >"$TMP/session"
    cat "$TMP/session"
    grep -qF -- "$text" "$TMP/session"
}
hasnt() { ! has "$@"; }

ok "the key pair's key logs in" connect "$TMP/key" 'show version'
stranger() { ! connect "$TMP/other" 'show version'; }
ok "another key does not" stranger
one() { connect "$TMP/key" 'show version' >"$TMP/session" && grep -q 'Version 17' "$TMP/session"; }
ok "a single command is answered" one

ok "the prompt is the host's name" has 'spoke-router-in-the-cloud#'
ok "cut to 20 characters in configuration mode" has 'spoke-router-in-the-(config)#' 'configure terminal' end
ok "and shows the section" has '(config-if)#' 'conf t' 'interface Tunnel9' end
ok "abbreviations are understood" has 'interface GigabitEthernet2' 'conf t' 'int gi2' 'desc typed' end 'sh run | sec GigabitEthernet2'
ok "an ambiguous one is not" has '% Ambiguous command:' 'conf t' 'i' end
ok "nor half a command" has '% Incomplete command.' 'conf t' 'ip nhrp' 'hostname' end
marker() { has "marker" 'conf t' 'interface Tunnel9' 'ip adress 1.2.3.4 255.0.0.0' end && grep -qE '^ {35}\^$' "$TMP/session"; }
ok "a wrong word is marked where it stands" marker
ok "a mask with holes is refused" has 'Invalid input' 'conf t' 'int tu9' 'ip address 10.0.0.1 255.0.255.0' end
ok "overlapping networks are refused" has 'overlaps with' 'conf t' 'int tu9' 'ip address 10.7.0.1 255.255.0.0' 'int lo1' 'ip address 10.7.1.1 255.255.255.0' end
hidden() { typed 'conf t' 'int tu9' 'ip nhrp holdtime 600' end >/dev/null; hasnt 'holdtime 600' 'show running-config'; }
ok "defaults are hidden" hidden
ok "other values are not" has ' ip nhrp holdtime 300' 'conf t' 'int tu9' 'ip nhrp holdtime 300' end 'show running-config'
no_line() { typed 'conf t' 'int tu9' 'no ip nhrp holdtime' end >/dev/null; hasnt ' ip nhrp holdtime' 'show running-config interface tu9'; }
ok "no takes away" no_line
ok "a section goes whole" hasnt 'interface Tunnel9' 'conf t' 'no int tu9' end 'show running-config'
ok "what is in use stays" has 'in use' 'conf t' 'crypto ikev2 proposal P' 'encryption aes-gcm-256' 'crypto ikev2 policy Q' 'proposal P' 'no crypto ikev2 proposal P' end
ok "a prefix list has one entry a number" has 'Insertion failed - seq # exists: 5' 'conf t' 'ip prefix-list Q seq 5 permit 10.1.0.0/16' 'ip prefix-list Q seq 5 permit 10.2.0.0/16' end
ok "and one a prefix" has 'Insertion failed - prefix-list entry exists: 5' 'conf t' 'ip prefix-list Q seq 10 permit 10.1.0.0/16' 'no ip prefix-list Q seq 5 permit 10.1.0.0/16' end
ok "an OSPF key is not replaced" has 'OSPF: Key 3 already exists' 'conf t' 'int tu9' 'ip ospf message-digest-key 3 md5 one' 'ip ospf message-digest-key 3 md5 two' 'no ip ospf message-digest-key 3' end
ok "a VRF takes the address with it" has 'address(es) removed due to enabling VRF V' 'conf t' 'int lo3' 'ip address 10.8.1.1 255.255.255.255' 'vrf forwarding V' 'no int lo3' end
option() { has 'redistribute' 'conf t' 'router ospf 77' 'redistribute static subnets route-map X' 'no redistribute static subnets' 'do show running-config | include redistribute static' 'no router ospf 77' end && grep -qx ' redistribute static *' "$TMP/session"; }
ok "an option is all that \`no redistribute\` takes" option
ok "another router-id waits" has 'for this to take effect' 'conf t' 'router ospf 77' 'router-id 1.1.1.1' 'router-id 1.1.1.2' 'no router ospf 77' end
paged() { typed 'show running-config' ' ' ' ' ' ' >"$TMP/session"; grep -q -- '--More--' "$TMP/session"; }
ok "long outputs are paged" paged
erased() { printf 'show verx\x7fsion\nexit\n' | connect "$TMP/key" -tt >"$TMP/session" 2>&1; grep -q 'Version 17' "$TMP/session"; }
ok "backspace erases" erased
ok "do works in configuration mode" has 'Version 17' 'conf t' 'do show version' end

# ---- a person at the keyboard: what is pressed is answered before the next key ----
coproc PERSON { connect "$TMP/key" -tt 2>"$TMP/person"; }
exec 7<&"${PERSON[0]}" 8>&"${PERSON[1]}" # bash forgets its own when the session ends
press() { printf '%b' "$1" >&8; }
sees() { # sees TEXT: it comes, after what was seen before
    local want=$1 key
    SEEN=
    while [[ $SEEN != *"$want"* ]]; do
        IFS= read -r -N1 -t 60 key <&7 || { printf '%s' "$SEEN"; return 1; }
        [ "$key" = $'\r' ] || SEEN+=$key
    done
}
then_sees() { press "$1" && sees "$2"; }
NAME=spoke-router-in-the-cloud
ok "somebody logs in" sees "$NAME#"
ok "the tabulator ends a word that can end in one way" then_sees 'sh vers\t' "$NAME#sh version "
ok "and leaves one that can end in several" eval "then_sees '\\x15sh i\\t' '$NAME#sh i' && then_sees '\\x15' ' '"
ok "a question mark lists what begins so" eval "then_sees 'co?' $'configure  copy  \n\n$NAME#co'"
ok "or may come next, and the line is still there" eval "then_sees '\\x15show ip ?' \"\$NAME#show ip \" && [[ \$SEEN == *interface* && \$SEEN == *route* ]]"
ok "or an argument" eval "then_sees '\\x15terminal length ?' '<0-4294967295>' && then_sees '' 'terminal length '"
ok "a long output stops at each page" then_sees '\x15sh run\r' '--More--'
ok "return shows one line more" eval "then_sees '\\r' '--More--' && [ \$(grep -c . <<<\"\$SEEN\") -le 3 ]"
ok "q ends it" then_sees q "$NAME#"
ok "the arrow up brings the last command" then_sees '\e[A' 'sh run'
ok "which can be taken away" then_sees '\x15show nonsense\x17version\r' 'Version 17'
ok "a letter goes in where the cursor is" eval "sees --More-- && then_sees q '$NAME#' && then_sees 'sow version\\x01\\x06h\\r' 'Version 17' && sees --More-- && then_sees q '$NAME#'"
ok "what is wrong is marked" then_sees 'show vrsion\r' "$(printf '\n%*s^\n%% Invalid input' $((${#NAME} + 6)) '')"
ok "also after do" eval "then_sees 'conf t\\r' '(config)#' && then_sees 'do sh vrsion\\r' \"$(printf '\n%*s^\n%% Invalid' 35 '')\""
ok "an interface by its short name" then_sees 'int gi1\r' '(config-if)#'
ok "do looks without leaving" eval "then_sees 'do sh ip int br\\r' 'GigabitEthernet1       10.0.106.10' && sees '(config-if)#'"
ok "Ctrl-Z carries out what was typed and leaves" then_sees 'descr by hand\x1a' "$NAME#"
ok "it was taken" eval "then_sees 'sh run int gi1\\r' ' description by hand' && sees '$NAME#'"
ok "Ctrl-C leaves without" eval "then_sees 'conf t\\r' '(config)#' && then_sees 'hostname gone\\x03' '$NAME#'"
ok "copy asks for a name, and saves" eval "then_sees 'copy run start\\r' '[startup-config]? ' && then_sees '\\r' '[OK]'"
gone() { press 'exit\r'; ! sees "never shown"; }
ok "exit ends the session" gone

# ---- the confirmed change ----
ok "without an archive there is no confirmed change" has 'archive on' 'configure terminal revert timer 5'
ok "with one there is" has 'Backing up current running config' 'conf t' archive 'path bootflash:test' end 'configure terminal revert timer 5' end
ok "it is pending" has 'Timer value: 5 min' 'show archive config rollback timer'
ok "until it is confirmed" has '%No Rollback Confirmed Change pending' 'configure confirm' 'show archive config rollback timer'
typed 'configure terminal revert timer 1' 'hostname lost' end >/dev/null
ok "one that is not confirmed reverts by itself" eventually has 'spoke-router-in-the-cloud#'
back() { typed 'configure terminal revert timer 5' 'snmp-server community gone' end 'configure revert now' >/dev/null; hasnt 'community gone' 'show running-config'; }
ok "one can be taken back at once" back

# ---- write memory ----
ok "write memory says OK" has '[OK]' 'write memory'
fault "effect=status,code=nvram-busy,action=write memory"
ok "or that NVRAM is busy" has 'Device or resource busy' 'write memory'
fault "effect=status,code=nvram-question,action=write memory"
question() { printf 'write memory\n\nexit\n' | connect "$TMP/key" -tt | tr -d '\r' >"$TMP/session"; grep -q 'confirm' "$TMP/session" && grep -qF '[OK]' "$TMP/session"; }
ok "or asks" question
fault "effect=status,code=nvram-compressed,action=write memory"
ok "or compresses" has 'Compressed configuration' 'write memory'

# ---- the tunnel, as the two configurations make it ----
spoke=('crypto ikev2 proposal S' 'encryption aes-gcm-256' 'prf sha512' 'group 19' 'crypto ikev2 policy S' 'match fvrf any'
    'proposal S' 'no crypto ikev2 policy Q' 'crypto ikev2 keyring S' 'peer ANY' 'address 0.0.0.0 0.0.0.0' 'pre-shared-key abcdefghijklmn012345'
    'crypto ikev2 profile S' "match identity remote address $HUB 255.255.255.255" 'authentication remote pre-share'
    'authentication local pre-share' 'keyring local S' 'crypto ipsec transform-set S esp-gcm 256' 'mode transport'
    'crypto ipsec profile S' 'set transform-set S' 'set ikev2-profile S' 'interface Tunnel0'
    'ip address 10.250.0.9 255.255.255.0' 'ip mtu 1400' 'ip nhrp authentication keykey00' 'ip nhrp network-id 100'
    "ip nhrp nhs 10.250.0.1 nbma $HUB multicast" 'ip ospf network point-to-multipoint' 'ip ospf hello-interval 10'
    'tunnel source GigabitEthernet1' 'tunnel mode gre multipoint' 'tunnel key 100'
    'router ospf 10' 'router-id 10.250.0.9' 'network 10.250.0.0 0.0.0.255 area 0')
ok "without protection there is no SA" hasnt 'READY' 'conf t' "${spoke[@]}" end 'show crypto ikev2 sa'
typed 'conf t' 'int tu0' 'tunnel protection ipsec profile S' end >/dev/null
ok "with it the SA is ready" eventually has 'READY' 'show crypto ikev2 sa'
ok "the hub answers registrations" eventually has '10.250.0.1  RE' 'show ip nhrp nhs'
ok "packets are counted" eventually has '#pkts decaps:' 'show crypto ipsec sa'
ok "the neighbour is full" eventually has 'FULL/  -' 'show ip ospf neighbor'
ok "the routes of the nodes come" eventually has '10.1.0.0/16 [110/' 'show ip route ospf'
ok "and those of the pods" eventually has '192.168.0.0/16 [110/20] via 10.250.0.1' 'show ip route ospf'
breaks() { # breaks "what" "no longer shown" "show command" "wrong" "right"
    eventually has "$2" "$3" >/dev/null
    ok "$1: it is down" hasnt "$2" 'conf t' 'int tu0' "$4" end "$3"
    typed 'conf t' 'int tu0' "$5" end >/dev/null
}
breaks "another NHRP key" ' RE ' 'show dmvpn detail' 'ip nhrp authentication x' 'ip nhrp authentication keykey00'
breaks "another tunnel key" 'RE NBMA' 'show ip nhrp nhs' 'tunnel key 101' 'tunnel key 100'
breaks "another hello interval" 'FULL' 'show ip ospf neighbor' 'ip ospf hello-interval 5' 'ip ospf hello-interval 10'
breaks "another MTU" 'FULL' 'show ip ospf neighbor' 'ip mtu 1300' 'ip mtu 1400'
finish
