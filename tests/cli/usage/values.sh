# values that cannot be
exec 2>&1
try() { sluice run a b c "$@"; echo "= $?"; }
try --batch-size 0
try --batch-size 1048577
try -b many
try --workers 0
try --workers=-1
try -j4097
try --memory-limit 0
try --memory-limit 12Q
try --gpu-memory 0
try --max-record-size 1.5
try --max-pixels none
try --csv-delimiter ';;'
try --csv-delimiter '"'
try --dim batch
try --dim =4
try --dim batch=0
try --max-rejects 101%
try --max-rejects -1
try --max-rejects nan%
try --limit 0
try --checkpoint 0
try --checkpoint 1e9
try --checkpoint 3601
try --progress loud
try --color sometimes
try --progress $'a\033[31mb'
