# a list of names as input, and S3's prefixes
exec 2>&1
mkdir id3 && cp "$SAMPLES/../tests/golden/containers/json_documents_array/model.onnx" id3/ && model=id3
mkdir -p s/in/sub
for f in part-1.csv part-2.csv other.csv sub/part-3.csv; do echo "1,2,3" >"s/in/$f"; done
try() { rm -rf o; sluice run -q "$model" "$1" o "${@:2}"; echo "= $?"; (cd o 2>/dev/null && find . -name '*.out' | sort); }
list() { printf '%s' "$1" >m.json; }
list '[{"prefix": "s3://b/p/in/"}, "sub/part-3.csv", "part-1.csv"]'
try m.json --s3-root s3://b/p=s
echo "- the most of a URI counts"
try m.json --s3-root s3://b=none --s3-root s3://b/p/in/=s/in
echo "- prefix and key are joined as they stand"
list '[{"prefix": "s3://b/p/in/part"}, "-1.csv"]'
try m.json --s3-root s3://b/p=s
echo "- a prefix that is a path"
list '[{"prefix": "s/in/"}, "part-2.csv"]'
try m.json
echo "- S3Prefix"
try s3://b/p/in/part- --s3-root s3://b/p=s
try s3://b/p/in --s3-root s3://b/p=s
try s3://b/p/in/none --s3-root s3://b/p=s
echo "- refused"
try s3://c/p/in --s3-root s3://b/p=s
try s3://b/p/../in --s3-root s3://b/p=s
list '[{"prefix": "s/in/"}, "part-2.csv", "part-9.csv"]'; try m.json
list '[{"prefix": "s/in/"}, "../in/part-2.csv"]'; try m.json
list '[{"prefix": "s/in/"}, "/part-2.csv"]'; try m.json
list '[{"prefix": "s/in/"}, "sub"]'; try m.json
list '[{"prefix": "s/in/"}, "part-2.csv", "part-2.csv"]'; try m.json
list '[{"prefix": "s/../../in/"}, "part-2.csv"]'; try m.json
list '{"prefix": "s/in/"}'; try m.json --s3-data-type ManifestFile
list '[{"prefix": "s/in/", "exclude": "x"}, "part-2.csv"]'; try m.json --s3-data-type ManifestFile
list '[{"prefix": "s/in/"}, "part-2.csv", {"source-ref": "x"}]'; try m.json --s3-data-type ManifestFile
list '[{"prefix": "s/in/"'; try m.json --s3-data-type ManifestFile
true
