# A .txt is a text a line where all inputs of the model are made of one text, and a table elsewhere
model=$SAMPLES/../tests/golden/zero_config/sentences_mean/model
mkdir lines table
printf 'He said, "hello" there\n"quoted\nno, one, field\n' >lines/a.txt
gzip -c lines/a.txt >lines/b.txt.gz
printf '%s\n' '"He said, \"hello\" there"' '"\"quoted"' '"no, one, field"' >lines.jsonl
sluice run "$model" lines got -q
sluice run "$model" lines.jsonl want -q --accept text/csv
cmp got/a.txt.out want/lines.jsonl.out && cmp got/a.txt.out got/b.txt.gz.out && echo same
echo "-- where rows are spoken of it is a table"
sluice run "$model" lines/a.txt rows -q --content-type text/csv
echo "exit $?"
printf 'text\n"one, field"\n' >table/a.txt
sluice run "$model" table rows -q --csv-header --overwrite
echo "exit $?, $(wc -l <rows/a.txt.out) row"
sluice plan "$SAMPLES/02-tabular-trees/model" table | grep ^input
