# a CreateTransformJob request as the job, and every way to get one wrong
exec 2>&1
mkdir -p s/in models/id3
cp "$SAMPLES/../tests/golden/containers/json_documents_array/model.onnx" models/id3/
mv models/id3 id3
printf 'a,1,2,3\nb,4,5,6\n' >s/in/x.csv
cat >job.json <<'X'
{
  "TransformJobName": "night-7", "ModelName": "id3", "MaxConcurrentTransforms": 4, "MaxPayloadInMB": 6, "BatchStrategy": "MultiRecord",
  "ModelClientConfig": {"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1},
  "Environment": {"SLUICE_BATCH_SIZE": "2", "OTHER": "1"},
  "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}},
    "ContentType": "text/csv", "CompressionType": "None", "SplitType": "Line"},
  "TransformOutput": {"S3OutputPath": "s3://b/out", "Accept": "text/csv", "AssembleWith": "Line", "KmsKeyId": "k"},
  "DataCaptureConfig": {"DestinationS3Uri": "s3://b/capture", "GenerateInferenceId": false},
  "TransformResources": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
  "DataProcessing": {"InputFilter": "$[1:]", "OutputFilter": "$[0,-1]", "JoinSource": "Input"},
  "ExperimentConfig": {"RunName": "r"},
  "Tags": [{"Key": "k", "Value": "v"}]
}
X
sluice run --job job.json --s3-root s3://b=s --progress none 2>&1 | grep -E "ignored|^  (records|output|status) "; echo "= ${PIPESTATUS[0]}"
cat s/out/x.csv.out
echo "- ids"
sed 's/GenerateInferenceId": false/GenerateInferenceId": true/' job.json >ids.json
sluice run -q --job ids.json --s3-root s3://b=s --overwrite; cat s/out/x.csv.out
echo "- a flag beats the environment, and that the job file"
SLUICE_OUTPUT_FILTER='$[1]' sluice run -q --job job.json --s3-root s3://b=s --overwrite; cat s/out/x.csv.out
SLUICE_OUTPUT_FILTER='$[1]' sluice run -q id3 s/in named --job=job.json --output-filter '$[2]'; cat named/x.csv.out
SLUICE_JOB=job.json sluice plan id3 s/in | grep batch
echo "- wrong"
change() { # WHAT FROM TO
    echo "* $1"
    sed "s|$2|$3|" job.json >wrong.json
    sluice run -q --job wrong.json --s3-root s3://b=s --overwrite
    echo "= $?"
}
change "unknown key" '"SplitType"' '"SplitTipe"'
change "unknown key within" '"ModelClientConfig": {' '"ModelClientConfig": {"Retries": 1, '
change "missing key" '"InstanceCount": 1' '"VolumeKmsKeyId": "x"'
change "word" '"MultiRecord"' '"Multi"'
change "case" '"Line"}' '"line"}'
change "number" '"MaxPayloadInMB": 6' '"MaxPayloadInMB": 101'
change "product" '"MaxPayloadInMB": 6' '"MaxPayloadInMB": 60'
change "kind" '"MaxPayloadInMB": 6' '"MaxPayloadInMB": "6"'
change "length" '"$\[1:\]"' "\"\$$(printf '.abcdefgh%.0s' 1 2 3 4 5 6 7 8)\""
change "path" '"$\[1:\]"' '"$[1,3:]"'
change "augmented" 'S3Prefix' 'AugmentedManifestFile'
change "twice" '"ModelName"' '"TransformJobName"'
change "no JSON" '"Tags"' 'Tags'
echo "[]" >wrong.json; sluice run -q --job wrong.json; echo "= $?"
sluice run -q --job none.json; echo "= $?"
sluice run -q id3 s/in --job job.json; echo "= $?"
