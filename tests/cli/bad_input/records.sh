# records that cannot be scored: in their place, with their place; the others as if nothing were
exec 2>&1
mlp=$SAMPLES/01-tabular-mlp/model
mkdir in
cp "$SAMPLES/01-tabular-mlp/input/part-0.csv" in/rows.csv
sluice run -q "$mlp" in good; echo "= $?"
awk -F, -v OFS=, 'NR == 4 { NF = 12 } NR == 7 { $5 = "abc" } NR == 9 { $6 = "" } { print }' in/rows.csv >x && mv x in/rows.csv
sluice run -q "$mlp" in out --max-rejects 3; echo "= $?"
diff good/rows.csv.out out/rows.csv.out | grep '^>'
cat out/_sluice/rejects.jsonl
echo "- more than allowed"
sluice run -q "$mlp" in few --max-rejects 2; echo "= $?"
[ ! -e few/_SUCCESS ] && echo "not a success"
echo "- and allowed"
sluice run -q "$mlp" in out --max-rejects 3 --rejects-ok; echo "= $?"
