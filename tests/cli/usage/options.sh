# options that are not there, or not like that
exec 2>&1
try() { sluice "$@"; echo "= $?"; }
try run a b c --batchsize 4
try run a b c --no-such-thing-at-all
try run a b c -Z
try run a b c --batch-size
try run a b c -b
try run a b c --json=yes
try inspect a --batch-size 3
try plan a --overwrite
try transforms --device cpu
