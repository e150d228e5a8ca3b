# a model without a batch dimension takes a record at a time where transform.json says so
golden=$SAMPLES/../tests/golden/detector
sluice run -q --accept application/jsonlines "$golden/unbatched" "$golden/input.csv" out
cmp out/input.csv.out "$golden/expected.jsonl"
sluice plan "$golden/unbatched" "$golden/input.csv" | grep -E '^batch|in the slot'
