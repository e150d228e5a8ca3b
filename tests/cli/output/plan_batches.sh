plan() { sluice plan "$SAMPLES/04-photos-upright/model" "$SAMPLES/04-photos-upright/input" "$@"; }
table() { sed -n '/^batch sizes/,$p'; }
echo "-- chosen"
plan | table | cut -c1-13
echo "-- between two powers"
plan --batch-size 3 | table | cut -c1-13
echo "-- some are too large"
need=$(plan --batch-size 4 --json | grep -oE '"memory_total_bytes": [0-9]+' | grep -oE '[0-9]+')
plan --batch-size 4 --memory-limit $((need + (1 << 20))) | table | grep -q 'does not fit' && echo yes
