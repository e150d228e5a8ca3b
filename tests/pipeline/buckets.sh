#!/usr/bin/env bash
# buckets.sh: texts planned for several lengths: what ONNX Runtime gives each text alone (tests/golden/buckets), whatever
# shares its batch; the same bytes for any batch size, number of threads and list of shards, and after an interruption.
. "$(dirname "$0")/common.sh"
GOLDEN=$SLUICE_TESTS_DIR/golden/buckets
MODEL=$WORK/model
mkdir -p "$MODEL/1_Pooling" "$WORK/one" "$WORK/four" "$WORK/want"
cp "$GOLDEN/model.onnx" "$MODEL/"
cp "$SLUICE_TESTS_DIR/golden/text/bert-uncased/tokenizer.json" "$MODEL/"
echo '{"max_seq_length": 128}' >"$MODEL/sentence_bert_config.json"
echo '[{"type": "sentence_transformers.models.Transformer", "path": ""},
  {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
  {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"}]' >"$MODEL/modules.json"
pooling() { echo "{\"pooling_mode_$1\": true}" >"$MODEL/1_Pooling/config.json"; }
pooling mean_tokens
cp "$GOLDEN/texts.txt" "$WORK/one/texts.txt"
split -n l/4 --additional-suffix=.txt "$GOLDEN/texts.txt" "$WORK/four/part-"

job() { # OUT [FLAGS...]: the texts of "one", unless INPUT says otherwise
    local out=$1
    shift
    "${PROGRAM:-$SLUICE_BIN}" run "$MODEL" "${INPUT:-$WORK/one}" "$out" --content-type text/plain --progress none -q "$@"
}

config() { # LIST: transform.json with these buckets
    rm -f "$MODEL/transform.json"
    "$SLUICE_BIN" plan --json "$MODEL" 2>/dev/null >"$WORK/plan.json" || return 1
    sed -n 's/.*"transform": \(.*\)}$/\1/p' "$WORK/plan.json" | sed "s/\"buckets\":[^]}]*]\{0,1\}/\"buckets\":$1/" >"$MODEL/transform.json"
    grep -q "\"buckets\":" "$MODEL/transform.json"
}

equals_golden() { # MODE WORD
    pooling "$2"
    rm -rf "$WORK/got"
    job "$WORK/got" && cp "$GOLDEN/$1.csv" "$WORK/want/texts.txt.out" && close 1e-5 "$WORK/want" "$WORK/got"
}
check "mean" equals_golden mean mean_tokens
check "first token" equals_golden first cls_token
check "last token" equals_golden last lasttoken
check "mean over the root of the count" equals_golden mean_sqrt mean_sqrt_len_tokens
pooling mean_tokens

check "the plan names the lengths" sh -c '"$1" plan "$2" "$3" | grep "^lengths 16 tokens x"' - "$SLUICE_BIN" "$MODEL" "$WORK/one"
check "a job" job "$WORK/reference"
same() { # FLAGS...
    rm -rf "$WORK/got"
    job "$WORK/got" "$@" && cmp "$WORK/reference/texts.txt.out" "$WORK/got/texts.txt.out"
}
for rows in 1 2 5 64; do
    check "the same bytes with --batch-size $rows" same --batch-size "$rows"
done
check "the same bytes with one worker" same --workers 1
in_pieces() {
    INPUT=$WORK/four job "$WORK/pieces" && cat "$WORK"/pieces/part-*.out | cmp - "$WORK/reference/texts.txt.out"
}
check "the same bytes from four shards" in_pieces

# One record more than 127 tokens hold, none at all, a bad one among good ones.
odd_texts() {
    mkdir -p "$WORK/odd" && { head -n 5 "$GOLDEN/texts.txt"; printf '\377\n'; tail -n 2 "$GOLDEN/texts.txt"; } >"$WORK/odd/texts.txt"
    INPUT=$WORK/odd job "$WORK/odd.out" --rejects-ok --batch-size 2 --max-rejects 1 || return 1
    [ "$(sed -n 6p "$WORK/odd.out/texts.txt.out")" = ERROR ] || return 1
    diff <(sed 6d "$WORK/odd.out/texts.txt.out") <({ head -n 5 "$1"; tail -n 2 "$1"; })
}
check "a reject among them" odd_texts "$WORK/reference/texts.txt.out"

resumed() { # what was stopped after some records is gone on with
    for ((i = 0; i < 150; i++)); do cat "$GOLDEN/texts.txt"; done >"$WORK/long.txt"
    INPUT=$WORK/long.txt job "$WORK/whole" || return 1
    "$SLUICE_BIN" run "$MODEL" "$WORK/long.txt" "$WORK/killed" --content-type text/plain --checkpoint 0.01 --progress none -q &
    sleep 0.5
    kill -KILL $! 2>/dev/null
    wait $! 2>/dev/null
    INPUT=$WORK/long.txt job "$WORK/killed" && cmp "$WORK/whole/long.txt.out" "$WORK/killed/long.txt.out"
}
check "killed and resumed" resumed

# ---- lists ----

list_is_same() { # LIST WANT-STATUS
    config "$1" && rm -rf "$WORK/got" && job "$WORK/got" >"$WORK/log" 2>&1
    [ $? = "$2" ] || { cat "$WORK/log"; return 1; }
    [ "$2" != 0 ] || close 1e-5 "$WORK/reference" "$WORK/got"
}
check "none: all texts are padded to the longest" list_is_same '[]' 0
check "a list" list_is_same '[5, 40, 128]' 0
check "a list without the longest" list_is_same '[20]' 0
check "a list that falls is refused" list_is_same '[40, 20]' 78
check "a length above the longest is refused" list_is_same '[40, 129]' 78
check "a length of nothing is refused" list_is_same '[0, 20]' 78
check "no list is refused" list_is_same '7' 78
rm -f "$MODEL/transform.json"

# Outputs for every token: only on demand, and zeros stand where a shorter batch had no place.
tokens() {
    config '[16, 64]' && sed -i 's/{"tensor.pool":[^}]*}},//; s/,"tensor.normalize_l2"//' "$MODEL/transform.json"
    sed -i 's/,{"tensor.pool":{[^}]*}}//' "$MODEL/transform.json"
    INPUT=$WORK/odd job "$WORK/tokens" --rejects-ok --max-rejects 1 || return 1
    awk -F, 'NF != 1 && NF != 2048 { exit 1 }' "$WORK/tokens/texts.txt.out"
}
check "every token's output" tokens
rm -f "$MODEL/transform.json"

# ---- the GPU's mock ----

if [ -x "$SLUICE_BIN-mock" ]; then
    on_mock() {
        head -n 12 "$GOLDEN/texts.txt" >"$WORK/few.txt"
        INPUT=$WORK/few.txt PROGRAM=$SLUICE_BIN-mock SLUICE_MOCK="$2" job "$WORK/mock" --device "$1" --batch-size 4 || return 1
        mkdir -p "$WORK/few" && head -n 12 "$WORK/reference/texts.txt.out" >"$WORK/few/few.txt.out"
        close 1e-5 "$WORK/few" "$WORK/mock" && rm -rf "$WORK/mock"
    }
    check "cuda on the mock" on_mock cuda strict=1
    check "two GPUs on the mock" on_mock cuda:0,1 "strict=1 devices=2"
else
    skipped=$((skipped + 2))
fi
finish
