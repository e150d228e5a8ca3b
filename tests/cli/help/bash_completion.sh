# what the shell would offer
eval "$(sluice --completion=bash)"
offer() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _sluice
    echo "$*: $(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')"
}
touch model.onnx
offer sluice ''
offer sluice tr
offer sluice --v
offer sluice run --ma
offer sluice plan --ov
offer sluice run --device ''
offer sluice run --progress p
offer sluice run --batch-size a
offer sluice run mod
offer sluice -q help ''
