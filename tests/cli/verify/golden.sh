tar -xzf "$SAMPLES/../tests/golden/onnx/cases.tar.gz" Softmax Add
case=Softmax/test_softmax_example
echo "-- beside the model"
sluice verify "$case"
echo "exit $?"
echo "-- a folder by name, as JSON"
sluice verify "$case/model.onnx" "$case/test_data_set_0" --json
echo "exit $?"
echo "-- outside"
printf '\x41' | dd of="$case/test_data_set_0/output_0.pb" bs=1 seek=$(($(stat -c %s "$case/test_data_set_0/output_0.pb") - 5)) conv=notrunc status=none
sluice verify "$case" 2>&1
echo "exit $?"
echo "-- outside, but the tolerance is wide"
sluice verify "$case" --tolerance 1 -q >/dev/null
echo "exit $?"
echo "-- another shape"
cp Add/test_add_int8/test_data_set_0/input_0.pb "$case/test_data_set_0/output_0.pb"
sluice verify "$case" 2>&1 | tail -n 2
echo "-- damaged"
head -c 7 "$case/test_data_set_0/input_0.pb" >cut
cp cut "$case/test_data_set_0/input_0.pb"
sluice verify "$case" 2>&1
echo "exit $?"
echo "-- no data"
rm -r "$case/test_data_set_0"
sluice verify "$case" 2>&1
echo "exit $?"
sluice verify "$case" nowhere 2>&1
echo "exit $?"
