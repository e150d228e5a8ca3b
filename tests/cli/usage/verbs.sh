# verbs: a suggestion where one is near, else where the list is
exec 2>&1
try() { sluice "$@"; echo "= $?"; }
try rum a b c
try inspct m
try frobnicate
try help rum
try --help=everything
try ''
