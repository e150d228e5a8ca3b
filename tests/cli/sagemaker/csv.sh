# InputFilter, JoinSource and OutputFilter on rows of CSV, whose rejects keep their columns
exec 2>&1
mkdir id3 && cp "$SAMPLES/../tests/golden/containers/json_documents_array/model.onnx" id3/ && model=id3
mkdir in
printf '"id ""1""",1,2,3\nid-2,4,5,6\nid-3,7,x,9\nid-4,1,2\n"id-5,1,2,3\nid-6,0.5,-1,1e3\n' >in/a.csv
show() { echo "= $?"; cat "$1/a.csv.out"; }
run() { sluice run -q "$model" in "$@" --split-type Line --max-rejects 100%; }
run filtered --input-filter '$[1:]'; show filtered
run joined --input-filter '$[1:]' --join-source Input; show joined
run chosen --input-filter '$[1:]' --join-source Input --output-filter '$[0,-1]'; show chosen
run result --input-filter '$[-3:]' --output-filter '$[2]'; show result
run far --input-filter '$[1:4]' --join-source Input --output-filter '$[5]'; show far
sed 's/.*"record"/"record"/; s/, "offset.*"stage"/, "stage"/' far/_sluice/rejects.jsonl
run short --input-filter '$[1:]' --join-source Input --max-join-size 11; show short
echo "- a header goes through the filter too"
printf 'id,a,b,c\n1,2,3,4\n' >in/a.csv
sluice run -q "$model" in header --csv-header --input-filter '$[1:]' --join-source Input; show header
echo "- another filter is another job"
sluice run -q "$model" in header --csv-header --input-filter '$[-3:]' --join-source Input
echo "= $?"
