#!/bin/sh
# Writes ../scripts.c: the two scripts as C has them. tests/integration/dmvpn-role.sh says when that was forgotten.
cd "$(dirname "$0")" || exit 1
{
    echo '// Made by host/embed.sh out of host/*.sh: edit those.'
    echo '#include "frr.h"'
    for name in change look; do
        printf '\n// clang-format off\nconst char *const frr_%s_script[] = {\n' "$name"
        sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n",/' "$name.sh"
        printf '    NULL,\n};\n// clang-format on\n'
    done
} >"${1:-../scripts.c}"
