# too few, too many
exec 2>&1
try() { sluice "$@"; echo "= $?"; }
try run
try run a b
try run a b c d
try run a b c d e
try plan
try plan a b c
try inspect
try inspect a b
try transforms a b
try help run plan
try transforms no.such.transform
