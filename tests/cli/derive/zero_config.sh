# models as their libraries write them, run with no transform.json: what the library's own pipeline gives
golden=$SAMPLES/../tests/golden/zero_config
check() { # NAME INPUT TOLERANCE [FLAGS]
    local name=$1 input=$2 tolerance=$3
    shift 3
    sluice run "$golden/$name/model" "$input" "$name" -q --accept application/jsonlines "$@"
    find "$name" -name '*.out' | sort | xargs cat >have
    echo "$name: $(awk -v tolerance="$tolerance" -f "$golden/compare.awk" "$golden/$name/expected.jsonl" have)"
}
for name in floats_forest_regressor floats_gradient_boosting floats_logistic_zipmap; do
    check sklearn_$name "$golden/sklearn_$name/input" 1e-6
done
for name in forest gradient_boosting_zipmap logistic logistic_zipmap; do
    check sklearn_columns_$name "$golden/sklearn_columns_$name/input" 1e-6 --csv-header
done
echo "-- columns by their order, and the header's in another one"
mkdir order other
sed 1d "$golden/sklearn_columns_forest/input/rows.csv" >order/rows.csv
sluice run "$golden/sklearn_columns_forest/model" order ordered -q --accept application/jsonlines
cmp ordered/rows.csv.out sklearn_columns_forest/rows.csv.out && echo same
printf 'visits,plan,income,city,age\n7,pro,31.5,Oslo,44\n' >other/rows.csv
printf '44,Oslo,31.5,pro,7\n' >order/rows.csv
for dir in other order; do
    [ $dir = other ] && flag=--csv-header || flag=-q
    sluice run "$golden/sklearn_columns_logistic/model" $dir one_$dir -q $flag --accept application/jsonlines
done
cmp one_other/rows.csv.out one_order/rows.csv.out && echo same
for name in resnet vit; do
    check image_$name "$SAMPLES/04-photos-upright/input/flower" 2e-6
done
for name in cls max mean; do
    check sentences_$name "$golden/sentences_$name/input.jsonl" 1e-5
done
echo "-- what no step does"
cp -r "$golden/sentences_mean/model" changed
sed -i 's/"default_prompt_name": null/"default_prompt_name": "query"/; s/"query": ""/"query": "query: "/' changed/config_sentence_transformers.json
sluice plan changed 2>&1
echo "exit $?"
cp "$golden/sentences_mean/model/config_sentence_transformers.json" changed/
sed -i 's/modules.normalize.Normalize/modules.dense.Dense/' changed/modules.json
sluice plan changed 2>&1
echo "exit $?"
