#!/usr/bin/env bash
# inference_ids.sh: GenerateInferenceId: every record has the id that the README says, rejects too, in every format, and
# the same one when the job was killed and went on.
. "$(dirname "$0")/common.sh"
MODEL=$SAMPLES/01-tabular-mlp/model
TIME='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z'
mkdir -p "$WORK/in/sub dir"
breast_cancer_csv 700 1 | sed '20s/^[^,]*/wrong/' >"$WORK/in/sub dir/a.csv"
breast_cancer_csv 300 2 | gzip >"$WORK/in/b.csv.gz"
job() { "$SLUICE_BIN" run "${MODEL:?}" "$WORK/in" "$WORK/$1" --inference-id --rejects-ok --progress none -q "${@:2}"; }

# wanted OUT SHARD NUMBER: the id of that record, made by other means
wanted() {
    local job hex
    job=$(sed -n 's/^job [0-9]* [0-9]* \([^ ]*\) .*/\1/p' "$1/_sluice/journal")
    hex=$(printf %s "$job/$2/$3" | sha256sum)
    printf '%s-%s-8%s-%x%s-%s\n' "${hex:0:8}" "${hex:8:4}" "${hex:13:3}" $((8 + (0x${hex:16:1} & 3))) "${hex:17:3}" "${hex:20:12}"
}
# ids OUT FIELD: every line has an id and the time of the journal; some are looked at, all are different
has_ids() {
    local out=$WORK/$1 shard n begun
    begun=$(sed -nE "s/^job .* ($TIME) .*/\1/p" "$out/_sluice/journal")
    for shard in "sub dir/a.csv" b.csv.gz; do
        for n in 0 19 299; do
            sed -n "$((n + 1))p" "$out/$shard.out" | grep -F "$(wanted "$out" "$shard" $n)" | grep -qF "$begun" || { echo "$shard $n"; return 1; }
        done
    done
    cat "$out"/*.out "$out"/*/*.out | grep -oE '[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}' >"$WORK/ids"
    [ "$(wc -l <"$WORK/ids")" = 1000 ] && [ "$(sort -u "$WORK/ids" | wc -l)" = 1000 ]
}
# but OUT PLAIN: without the ids these are the lines of a job that has none
but() {
    local file
    for file in "sub dir/a.csv.out" b.csv.gz.out; do
        sed -E "s/,[0-9a-f-]{36},$TIME\$//; s/, \"SageMakerInferenceId\": \"[0-9a-f-]{36}\", \"SageMakerInferenceTime\": \"$TIME\"\}/}/" "$WORK/$1/$file" | cmp - "$WORK/$2/$file" || return 1
    done
}
for accept in text/csv application/jsonlines application/json; do
    out=${accept#*/}
    check "$accept" job "$out" --accept $accept
    [ $accept = application/json ] || check "$accept: the ids" has_ids "$out"
    "$SLUICE_BIN" run "$MODEL" "$WORK/in" "$WORK/plain-$out" --rejects-ok --progress none -q --accept $accept
    check "$accept: nothing else changed" but "$out" "plain-$out"
done
is_json() { awk '/SageMakerInferenceId/ { n++ } END { exit n != 300 }' "$WORK/json/b.csv.gz.out" && tail -c 2 "$WORK/json/b.csv.gz.out" | grep -q ']'; }
check "an array of them" is_json
check "joined with the input" job joined --join-source Input
check "joined: the ids" has_ids joined
filtered() { job filtered --accept application/jsonlines --output-filter '$.SageMakerNothing' && return 1; job filtered --overwrite --accept application/jsonlines --output-filter '$' && has_ids filtered; }
check "a filter" filtered

# a value that is no object, and names that are reserved
mkdir "$WORK/json.in" "$WORK/id3"
cp "$SLUICE_TESTS_DIR/golden/containers/json_documents_array/model.onnx" "$WORK/id3/"
MODEL=$WORK/id3
printf '{"SageMakerInferenceTime": "old", "v": [1,2,3], "SageMakerInferenceId": "old", "k": 1}\n{"v": [4,5,6]}\n' >"$WORK/json.in/x.jsonl"
json_job() { "$SLUICE_BIN" run "$MODEL" "$WORK/json.in" "$WORK/$1" --inference-id --progress none -q --accept application/jsonlines --input-filter '$.v' "${@:2}"; }
id='"SageMakerInferenceId": "[0-9a-f-]{36}", "SageMakerInferenceTime": "'$TIME'"'
first() { head -n 1 "$WORK/$1/x.jsonl.out" | grep -xE "$2"; }
reserved() { json_job reserved --join-source Input && first reserved '\{"v": \[1,2,3\], "k": 1, "SageMakerOutput": \{"y0": \[1, ?2, ?3\]\}, '"$id"'\}'; }
check "an old id gives way" reserved
no_object() { json_job no_object --output-filter '$.y0[-1]' && first no_object '\{"SageMakerOutput": 3, '"$id"'\}'; }
check "a value that is no object" no_object
npy() { ! json_job npy --accept application/x-npy 2>"$WORK/log" && grep GenerateInferenceId "$WORK/log"; }
check "npy has no place for them" npy

# a job that is killed and goes on
MODEL=$SAMPLES/01-tabular-mlp/model
breast_cancer_csv 200000 3 >"$WORK/in/b.csv"
long() { job killed --checkpoint 0.01; }
killed() {
    long & local pid=$!
    for ((i = 0; i < 200; i++)); do
        grep -qs ^checkpoint "$WORK/killed/_sluice/journal" && break
        sleep 0.01
    done
    pkill -KILL -P $pid 2>/dev/null || kill -KILL $pid
    wait $pid 2>/dev/null
    [ ! -e "$WORK/killed/_SUCCESS" ]
}
check "killed" killed
check "and goes on" long
whole() {
    local out=$WORK/killed n
    [ "$(grep -oE "$TIME\$" "$out/b.csv.out" | sort -u | wc -l)" = 1 ] || return 1
    [ "$(awk -F, '{ print $(NF - 1) }' "$out/b.csv.out" | sort -u | wc -l)" = 200000 ] || return 1
    for n in 0 1 77777 199999; do
        sed -n "$((n + 1))p" "$out/b.csv.out" | grep -qF "$(wanted "$out" b.csv $n)" || return 1
    done
}
check "with the ids that it would have had" whole
again() { sha256sum "$WORK/killed/b.csv.out" >"$WORK/before" && job killed --checkpoint 0.01 && sha256sum -c "$WORK/before"; }
check "finished: nothing changes" again
other() { ! "$SLUICE_BIN" run "$MODEL" "$WORK/in" "$WORK/killed" --rejects-ok -q 2>"$WORK/log" && grep "cannot resume: 'data_processing'" "$WORK/log"; }
check "without ids it is another job" other
finish
