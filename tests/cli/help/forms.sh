# the same help by every door
sluice --help >a && sluice -h >b && sluice help >c && cmp a b && cmp a c
sluice help run >a && sluice run --help >b && sluice --help=run >c && sluice run -h x y z >d && cmp a b && cmp a c && cmp a d
sluice help all >a && sluice --help=all >b && cmp a b
sluice help exit-codes >a && sluice --help=exit-codes >b && cmp a b
