#!/usr/bin/env bash
# own_transform.sh: the fifth sample's transform as a shared object and built in: the same bytes, and what scikit-learn's
# own pipeline says (samples/05-own-transform/make_sample.py); and every way such an object can be wrong.
. "$(dirname "$0")/common.sh"
SAMPLE=$SAMPLES/05-own-transform
INCLUDE=$SAMPLES/../include
CC=${CC:-cc} CXX=${CXX:-c++}
MODEL=$WORK/model
# Objects of ours are not sanitized, and need not be: what they are loaded into is.
compile() { $CC -O2 -Wall -Wextra -Werror -shared -fPIC -I "$INCLUDE" "$@"; }
fresh_model() {
    rm -rf "$MODEL"
    cp -r "$SAMPLE/model" "$MODEL"
    rm -f "$MODEL/quantiles.so"
}
job() { "$SLUICE_BIN" run "$MODEL" "$SAMPLE/input" "$WORK/out" --progress none -q --overwrite "$@"; }

fresh_model
check "the line at the file's head compiles it" compile -std=c11 -o "$MODEL/quantiles.so" "$SAMPLE/quantiles.c"
check "as C++, too" $CXX -std=c++11 -x c++ -Wall -Wextra -Werror -shared -fPIC -I "$INCLUDE" -o "$WORK/cpp.so" "$SAMPLE/quantiles.c"
check "a job with it" job
equals_golden() { mkdir -p "$WORK/want" && cp "$SLUICE_TESTS_DIR/golden/samples/05-own-transform.csv" "$WORK/want/wines.csv.out" && close 2e-6 "$WORK/want" "$WORK/out"; }
check "what scikit-learn's pipeline says" equals_golden
as_cpp() { cp "$WORK/cpp.so" "$MODEL/quantiles.so" && job && equals_golden; }
check "a job with the C++ one" as_cpp

mv "$WORK/out" "$WORK/shared"
built_in() {
    fresh_model
    sed -i 's/"quantiles.so"/"tabular.quantiles"/' "$MODEL/transform.json"
    "$SLUICE_BIN-own" run "$MODEL" "$SAMPLE/input" "$WORK/out" --progress none -q && cmp "$WORK/shared/wines.csv.out" "$WORK/out/wines.csv.out"
}
check "built in: the same bytes" built_in
check "built in, it is in the list" sh -c '"$1-own" transforms tabular.quantiles | grep "^tabular.quantiles"' - "$SLUICE_BIN"
unknown() { ! "$SLUICE_BIN" plan "$MODEL" >"$WORK/log" 2>&1 && grep "there is no such transform" "$WORK/log"; }
check "not built in, it is unknown" unknown

# ---- what can be wrong ----

refused() { # TEXT: the job ends with 78 and says so, before it begins
    rm -rf "$WORK/out"
    job >"$WORK/log" 2>&1
    [ $? = 78 ] && grep -F "$1" "$WORK/log" && [ ! -e "$WORK/out/_SUCCESS" ]
}
fresh_model
check "no such file" refused "cannot load transform 'quantiles.so'"
sed 's/^    SL_TRANSFORM_ABI,/    99,/' "$SAMPLE/quantiles.c" | compile -x c -o "$MODEL/quantiles.so" -
check "another ABI" refused "it was built for transform ABI 99"
echo 'int nothing; ' | compile -x c -o "$MODEL/quantiles.so" -
check "no entry" refused "it exports no 'sluice_transform'"
echo 'not an object' >"$MODEL/quantiles.so"
check "no object" refused "cannot load transform 'quantiles.so'"
sed 's/\*out = \*in;/*out = *in; out->dims[0] = 12;/' "$SAMPLE/quantiles.c" | compile -x c -o "$MODEL/quantiles.so" -
check "a shape that does not fit the model" refused "float [12]"
fresh_model
compile -o "$MODEL/quantiles.so" "$SAMPLE/quantiles.c"
sed -i 's/"table"/"tabel"/' "$MODEL/transform.json"
check "an unknown parameter" refused "table"
sed -i 's/"tabel"/"table"/' "$MODEL/transform.json"
head -n 12 "$SAMPLE/model/quantiles.csv" >"$MODEL/quantiles.csv"
check "a table of another width" refused "it takes float [12]"
sed 's/,.*,/,nan,/' "$SAMPLE/model/quantiles.csv" >"$MODEL/quantiles.csv"
check "a table that does not ascend" refused "ascending numbers"
cp "$SAMPLE/model/quantiles.csv" "$MODEL/"

one_reject() { # a transform that refuses one record costs that record
    sed 's/^    (void)host;/    if (x[0] > 14.7f) return host->reject(ctx, "too-strong", "a wine of %g %%", (double)x[0]);/' \
        "$SAMPLE/quantiles.c" | compile -x c -o "$MODEL/quantiles.so" - || return 1
    rm -rf "$WORK/out"
    job --max-rejects 5
    [ $? = 3 ] && grep '"code": "too-strong"' "$WORK/out/_sluice/rejects.jsonl" &&
        diff <(grep -v ERROR "$WORK/out/wines.csv.out") \
            <(awk -F, 'NR == FNR { bad[FNR] = $1 > 14.7; next } !bad[FNR]' "$SAMPLE/input/wines.csv" "$WORK/shared/wines.csv.out")
}
check "one record that it refuses" one_reject
finish
