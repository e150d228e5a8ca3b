#!/usr/bin/env bash
# same.sh CPU CUDA PRECISION: the outputs of two runs, line by line: texts equal, numbers within the precision's tolerance of
# the largest number of their line (fp32 1e-4, fp16 1e-2, bf16 5e-2), and at most 1 line in 100 of fp16 or bf16 outside it
# (a class that flips between two that are close). Prints how many lines were looked at.
set -u
case $3 in fp32) tolerance=1e-4 allowed=0 ;; fp16) tolerance=1e-2 allowed=0.01 ;; *) tolerance=5e-2 allowed=0.02 ;; esac
cd "$1" || exit 1
outputs=$(find . -name '*.out' | sort)
[ -n "$outputs" ] || { echo "no outputs in $1"; exit 1; }
for file in $outputs; do
    [ "$(wc -l <"$file")" = "$(wc -l <"$2/$file")" ] || { echo "$file: another number of lines"; exit 1; }
    paste -d $'\001' "$file" "$2/$file"
done | awk -F '\001' -v tolerance=$tolerance -v allowed=$allowed '
    { n = split($1, a, /[][,:{} \t]+/); m = split($2, b, /[][,:{} \t]+/); most = 0; bad = n != m
      for (i = 1; i <= n; i++) { x = a[i] + 0; x = x < 0 ? -x : x; if (x > most) most = x }
      for (i = 1; i <= n && !bad; i++) {
          number = a[i] ~ /^[-+]?[0-9.]+([eE][-+]?[0-9]+)?$/ && b[i] ~ /^[-+]?[0-9.]+([eE][-+]?[0-9]+)?$/
          d = a[i] - b[i]; d = d < 0 ? -d : d
          if (number ? d > tolerance * (most > 1 ? most : 1) : a[i] != b[i]) bad = 1 }
      lines++; if (bad) { outside++; if (outside < 4) print "line " NR ": " $1 " | " $2 } }
    END { printf "%d lines, %d outside\n", lines, outside + 0; exit !(lines > 0 && outside <= allowed * lines) }'
