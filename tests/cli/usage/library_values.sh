# values that only the library knows
exec 2>&1
try() { sluice plan "$SAMPLES/01-tabular-mlp/model" "$SAMPLES/01-tabular-mlp/input" "$@"; echo "= $?"; }
try --precision fp16
try --device gpu
try --content-type text/xml
try --compression-type lzma
try --accept image/png
