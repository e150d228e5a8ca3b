#!/usr/bin/env bash
# accuracy.sh SAMPLE OUTPUT: how often a sample's output agrees with its labels. Nothing but awk and tar.
set -eu
cd "$(dirname "$0")"
sample=$1 out=$(cd "$OLDPWD" && cd "$2" && pwd)

# "label<TAB>prediction" lines on stdin
score() {
    awk -F'\t' -v sample="$sample" '
        $1 == $2 { right++ }
        END { if (!NR) exit 1; printf "accuracy: %d of %d (%.1f %%)\n", right, NR, 100 * right / NR }'
}
unpack() { case $1 in *.gz) gzip -dc "$1" ;; *) cat "$1" ;; esac }

case $sample in
01-*) # the last column is the label, the first row the header
    for shard in "$sample"/input/*; do
        paste <(unpack "$shard" | tr -d '\r' | awk -F, 'NR > 1 { print $NF }') <(cut -d, -f1 "$out/${shard##*/}.out")
    done ;;
02-* | 05-*)
    for shard in "$sample"/input/*; do
        paste <(awk -F, '{ print $NF }' "$shard") <(cut -d, -f1 "$out/${shard##*/}.out")
    done ;;
03-*) # a .json beside each .png
    for shard in "$sample"/input/*; do
        paste <(unpack "$shard" | tar -xOf - --wildcards '*.json' | sed 's/}/}\n/g' | sed -n 's/.*"label": *\([0-9]*\).*/\1/p') \
            <(cut -d, -f1 "$out/${shard##*/}.out")
    done ;;
04-*) # the label is in the name: N-TURN.jpg
    find "$sample/input" -name '*.jpg' | sort | while read -r photo; do
        name=${photo##*/}
        name=${name%.jpg}
        printf '%s\t%s\n' "${name##*-}" "$(cut -d, -f1 "$out/${photo#"$sample"/input/}.out")"
    done ;;
esac | score
