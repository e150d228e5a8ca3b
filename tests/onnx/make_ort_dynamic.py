#!/usr/bin/env python3
"""Writes cases of sizes that depend on data, computed by ONNX Runtime, in the form run_cases reads:

    make_ort_dynamic.py DIR

Operators whose output is as long as the data makes it, and chains behind them as exporters write them. A case with a
file `dynamic` must be planned with bounds: values that are told beforehand would make every size known. Needs:
pip install onnx onnxruntime numpy; torch and torchvision for the exported ones
"""
import io
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, parser


def run(model, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


class Cases:
    def __init__(self, root):
        self.root, self.rng, self.count = root, np.random.default_rng(7), 0

    def f(self, *dims, dtype=np.float32):
        return self.rng.normal(size=dims).astype(dtype)

    def write(self, group, label, model, inputs, dynamic=True):
        """`inputs`: arrays in the model's order."""
        fed = {port.name: x for port, x in zip(model.graph.input, inputs)}
        results = run(model, fed)
        folder = self.root / group / f"{self.count:03}_{label}"
        data = folder / "test_data_set_0"
        data.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        if dynamic:
            (folder / "dynamic").write_text("")
        for i, x in enumerate(inputs):
            (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(x).SerializeToString())
        for i, y in enumerate(results):
            (data / f"output_{i}.pb").write_bytes(numpy_helper.from_array(y).SerializeToString())
        self.count += 1

    def node(self, op, label, arrays, fed=None, outputs=1, opset=17, dynamic=True, **attrs):
        """One node; `fed`: which of `arrays` are inputs (all unless given), None is one left out."""
        fed = [i for i, a in enumerate(arrays) if a is not None] if fed is None else fed
        names = ["" if a is None else f"i{i}" for i, a in enumerate(arrays)]
        ys = [f"y{i}" for i in range(outputs)] if isinstance(outputs, int) else outputs
        constants = [numpy_helper.from_array(a, f"i{i}") for i, a in enumerate(arrays) if a is not None and i not in fed]
        ports = [helper.make_tensor_value_info(f"i{i}", helper.np_dtype_to_tensor_dtype(arrays[i].dtype),
                                               arrays[i].shape) for i in fed]
        graph = helper.make_graph([helper.make_node(op, names, ys, **attrs)], op, ports,
                                  [helper.make_empty_tensor_value_info(y) for y in ys if y], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        self.write(op, label, model, [arrays[i] for i in fed], dynamic)

    def chain(self, label, text, inputs, opset=17, group="chains", dynamic=True):
        model = parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]> g {text}')
        for y in model.graph.output:  # the text gives dtypes; lengths are what comes
            y.type.tensor_type.ClearField("shape")
        self.write(group, label, model, inputs, dynamic)


def nonzero(c):
    for dtype in (np.float32, np.int32, np.int64, np.uint8, bool):
        c.node("NonZero", np.dtype(dtype).name, [(c.f(3, 4, 5) > 0.6).astype(dtype)])
    c.node("NonZero", "one_dim", [np.array([0, -0.0, np.nan, 3, np.inf], np.float32)])
    c.node("NonZero", "nothing", [np.zeros((2, 3), np.float32)])
    c.node("NonZero", "all", [np.ones((2, 3), np.int64)])
    c.node("NonZero", "empty", [np.zeros((0, 3), np.float32)], dynamic=False)


def compress(c):
    x = c.f(4, 5, 3)
    for axis in (0, 1, 2, -1, -3):
        n = x.shape[axis]
        c.node("Compress", f"axis{axis}", [x, c.f(n) > 0], axis=axis)
        c.node("Compress", f"axis{axis}_short", [x, np.array([True, False])], axis=axis)
    c.node("Compress", "flat", [x, c.f(60) > 0])
    c.node("Compress", "flat_short", [x, np.array([False, True, True])])
    c.node("Compress", "none", [x, np.zeros(4, bool)], axis=0)
    c.node("Compress", "texts", [np.array(["a", "bc", "", "d"], object), np.array([True, False, True, True])], axis=0)
    c.node("Compress", "constant_condition", [x, np.array([True, False, True])], fed=[0], axis=2)
    c.node("Compress", "known", [x.astype(np.int64), np.array([True, False, True])], fed=[0], axis=0)


def unique(c):
    x = c.rng.integers(0, 5, (4, 6))
    texts = np.array(["b", "a", "", "ab", "b", "a", "aa"], object)
    for kept in (0, 1):
        for dtype in (np.float32, np.int64, np.int8, np.float64):
            c.node("Unique", f"{np.dtype(dtype).name}_sorted{kept}", [x.astype(dtype)], outputs=4, sorted=kept)
        c.node("Unique", f"texts_sorted{kept}", [texts], outputs=4, sorted=kept)
        for axis in (0, 1, -1):
            wide = c.rng.integers(0, 2, (5, 6, 2) if axis == 1 else (6, 2)).astype(np.float32)
            c.node("Unique", f"axis{axis}_sorted{kept}", [wide], outputs=4, sorted=kept, axis=axis)
        c.node("Unique", f"inverse_sorted{kept}", [x.astype(np.int64)], outputs=["y", "", "inverse", ""], sorted=kept)
        c.node("Unique", f"counts_sorted{kept}", [x.astype(np.int64)], outputs=["y", "", "", "counts"], sorted=kept)
    c.node("Unique", "same", [np.full((3, 3), 2.5, np.float32)], outputs=4)
    c.node("Unique", "negative", [np.array([3, -1, -7, 3, 0, -1], np.int64)], outputs=4)
    c.node("Unique", "empty", [np.zeros((0,), np.float32)], outputs=4, dynamic=False)


def boxes_of(c, images, boxes, center=False):
    at, size = c.rng.uniform(0, 1, (images, boxes, 2)), c.rng.uniform(0.1, 0.6, (images, boxes, 2))
    return np.concatenate([at, size if center else at + size], 2).astype(np.float32)


def nms(c):
    one = lambda x, dtype: np.array([x], dtype)
    for images, classes, count, most, iou, score in ((1, 1, 20, 5, 0.5, 0.3), (2, 3, 30, 4, 0.3, 0.5), (3, 2, 50, 50, 0.7, 0.1),
                                                     (1, 5, 8, 100, 0.0, 0.0), (2, 1, 40, 1, 0.99, -1.0), (1, 2, 12, 12, 1.0, 0.2)):
        for center in (0, 1):
            boxes, scores = boxes_of(c, images, count, center), c.rng.uniform(0, 1, (images, classes, count)).astype(np.float32)
            label = f"{images}x{classes}x{count}_center{center}"
            given = [boxes, scores, one(most, np.int64), one(iou, np.float32), one(score, np.float32)]
            c.node("NonMaxSuppression", label + "_constants", given, fed=[0, 1], center_point_box=center)
            c.node("NonMaxSuppression", label + "_fed", given, center_point_box=center)
    boxes, scores = boxes_of(c, 1, 10), c.rng.uniform(0, 1, (1, 2, 10)).astype(np.float32)
    c.node("NonMaxSuppression", "most_absent", [boxes, scores], dynamic=False)
    c.node("NonMaxSuppression", "most_zero", [boxes, scores, one(0, np.int64)], fed=[0, 1], dynamic=False)
    c.node("NonMaxSuppression", "most_scalar", [boxes, scores, np.array(3, np.int64), np.array(0.4, np.float32)], fed=[0, 1])
    c.node("NonMaxSuppression", "most_largest", [boxes, scores, one(2**63 - 1, np.int64), one(0.4, np.float32)], fed=[0, 1])
    c.node("NonMaxSuppression", "no_thresholds", [boxes, scores, one(10, np.int64)], fed=[0, 1])
    c.node("NonMaxSuppression", "all_below", [boxes, scores, one(10, np.int64), one(0.5, np.float32), one(2, np.float32)], fed=[0, 1])
    ties = np.round(scores * 3) / 3
    c.node("NonMaxSuppression", "ties", [boxes, ties.astype(np.float32), one(10, np.int64), one(0.6, np.float32)], fed=[0, 1])
    c.node("NonMaxSuppression", "score_at_threshold", [boxes, ties.astype(np.float32), one(10, np.int64), one(0.9, np.float32),
                                                       np.array([ties.max()], np.float32)], fed=[0, 1])
    # overlaps of exactly a third and a half, any diagonal, and boxes of no area
    exact = np.array([[[0, 0, 1, 1], [0, 0.5, 1, 1.5], [1, 1, 0, 0], [0, 0, 0.5, 1], [2, 2, 2, 3], [2, 2, 2, 3]]], np.float32)
    falling = np.array([[[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]]], np.float32)
    for iou in (0.33, 1 / 3, 0.34, 0.5, 0.49999997, 1.0):
        c.node("NonMaxSuppression", f"at_threshold_{iou:.4f}", [exact, falling, one(6, np.int64), one(iou, np.float32)], fed=[0, 1])
    c.node("NonMaxSuppression", "no_boxes", [boxes[:, :0], scores[:, :, :0], one(3, np.int64)], fed=[0, 1], dynamic=False)


def picked(c):
    """Places and what stands there."""
    x = c.f(5, 6)
    c.chain("nonzero_gather_nd", """(float[5,6] x) => (float[m] y) <float zero = {0.5}>
        { b = Greater(x, zero) p = NonZero(b) t = Transpose(p) y = GatherND(x, t) }""", [x])
    c.chain("nonzero_scatter_nd", """(float[5,6] x) => (float[5,6] y) <float zero = {0}, float[1] v = {-1}>
        { b = Less(x, zero) p = NonZero(b) t = Transpose(p) s = Shape(p) one = Constant<value = int64[1] {1}>()
          n = Gather(s, one) u = Expand(v, n) y = ScatterND(x, t, u) }""", [x])
    c.chain("mask_rows", """(float[5,6] x) => (float[m,6] y, float[6] total) <float zero = {0.5}, int64[1] one = {1}, int64[1] first = {0}>
        { r = ReduceMax<axes = [1], keepdims = 0>(x) b = Greater(r, zero) p = NonZero(b) i = Squeeze(p, first)
          y = Gather<axis = 0>(x, i) total = ReduceSum<keepdims = 0>(y, first) }""", [x])
    c.chain("where_nonzero", """(float[5,6] x) => (int64[m,2] y, int64 n) <float zero = {0}>
        { b = Greater(x, zero) o = Constant<value_float = 1.0>() z = Constant<value_float = 0.0>() w = Where(b, o, z)
          p = NonZero(w) y = Transpose(p) n = Size(p) }""", [x])
    c.chain("nothing_found", """(float[5,6] x) => (float[m] y, float[m,3] z, int64[2] s) <float big = {100}, float[6,3] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18}, int64[1] first = {0}>
        { r = ReduceMax<axes = [1], keepdims = 0>(x) b = Greater(r, big) p = NonZero(b) i = Squeeze(p, first)
          k = Gather(x, i) z = MatMul(k, w) y = ReduceSum<keepdims = 0>(z, first) s = Shape(z) }""", [x])
    c.chain("products", """(float[5,6] x) => (float[m,3] z, float[m,3] s) <float zero = {0.3}, float[6,3] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18}, int64[1] first = {0}>
        { r = ReduceMax<axes = [1], keepdims = 0>(x) b = Greater(r, zero) p = NonZero(b) i = Squeeze(p, first)
          k = Gather(x, i) h = Gemm(k, w) z = Relu(h) s = Softmax<axis = 1>(h) }""", [x])
    c.chain("compress_concat", """(float[5,6] x, bool[5] m) => (float[k,6] y, float[k,12] z)
        { a = Compress<axis = 0>(x, m) z = Concat<axis = 1>(a, a) y = Concat<axis = 0>(a, x) }""",
            [x, np.array([True, False, True, True, False])])
    c.chain("unique_counts", """(float[5,6] x) => (float[m] share) { r = Round(x) y, i, v, n = Unique(r)
          f = Cast<to = 1>(n) t = ReduceSum<keepdims = 1>(f) share = Div(f, t) }""", [x])
    c.chain("compress_flat", """(float[5,6] x) => (float[m] y) <float zero = {0}, int64[1] all = {-1}>
        { b = Greater(x, zero) f = Reshape(b, all) y = Compress(x, f) }""", [x])
    c.chain("arg_and_sort", """(float[30] x) => (int64[k] i, float[k] v) <float zero = {0}, int64[1] first = {0}, int64[1] most = {4}>
        { b = Greater(x, zero) p = NonZero(b) q = Squeeze(p, first) k = Gather(x, q) s = Shape(k) c = Concat<axis = 0>(s, most)
          n = ReduceMin<keepdims = 1>(c) v, i = TopK<axis = 0>(k, n) }""", [c.f(30)])
    few = np.full(30, -1, np.float32)
    few[[3, 9]] = 2, 1
    c.chain("arg_and_sort_few", """(float[30] x) => (int64[k] i, float[k] v) <float zero = {0}, int64[1] first = {0}, int64[1] most = {4}>
        { b = Greater(x, zero) p = NonZero(b) q = Squeeze(p, first) k = Gather(x, q) s = Shape(k) c = Concat<axis = 0>(s, most)
          n = ReduceMin<keepdims = 1>(c) v, i = TopK<axis = 0>(k, n) }""", [few])


def halves(c):
    """float16, which the engine widens: the dtypes that rules give while a batch runs are the plan's."""
    c.chain("half", """(float16[5,6] x) => (float16[m] y, float16[m,6] z, float[m] f) <float16 zero = {0}, float half = {0.5}, int64[1] first = {0}>
        { b = Greater(x, zero) p = NonZero(b) t = Transpose(p) y = GatherND(x, t) h = Cast<to = 10>(y) f = Cast<to = 1>(h)
          x2 = Cast<to = 1>(x) s = ReduceMax<axes = [1], keepdims = 0>(x2) k = Greater(s, half) q = NonZero(k)
          i = Squeeze(q, first) g = Gather(x, i) sz = Shape(g) e = ConstantOfShape<value = float16[1] {2}>(sz) z = Mul(g, e) }""",
            [c.f(5, 6).astype(np.float16)])


SIZE = """b = Greater(x, zero) p = NonZero(b) s = Shape(p) n = Gather(s, one)"""  # how many are above zero, [1]


def sizes(c):
    """Sizes that come from the data, where operators take them."""
    x, given = c.f(8), "float zero = {0}, int64[1] one = {1}, int64[1] first = {0}"
    c.chain("slice_end", f"(float[8] x) => (float[m] y) <{given}> {{ {SIZE} y = Slice(x, first, n, first) }}", [x])
    c.chain("slice_start", f"(float[8] x) => (float[m] y) <{given}, int64[1] all = {{1000}}> {{ {SIZE} y = Slice(x, n, all) }}", [x])
    c.chain("slice_back", f"(float[8] x) => (float[m] y) <{given}, int64[1] end = {{-1000}}, int64[1] back = {{-2}}> {{ {SIZE} y = Slice(x, n, end, first, back) }}", [x])
    c.chain("slice_fed", "(float[8,5] x, int64[2] a, int64[2] b) => (float[m,n] y) { y = Slice(x, a, b) }",
            [c.f(8, 5), np.array([-7, 1]), np.array([100, 3])], dynamic=True)
    c.chain("slice_fed_axes", "(float[8,5] x, int64[1] a, int64[1] b, int64[1] k) => (float[m,n] y) { y = Slice(x, a, b, k) }",
            [c.f(8, 5), np.array([1]), np.array([4]), np.array([-1])])
    c.chain("topk", f"(float[8] x) => (float[m] v, int64[m] i) <{given}> {{ {SIZE} v, i = TopK(x, n) }}", [x])
    c.chain("topk_fed", "(float[3,8] x, int64[1] k) => (float[3,m] v, int64[3,m] i) { v, i = TopK<axis = 1, largest = 0>(x, k) }",
            [c.f(3, 8), np.array([3])])
    c.chain("range", f"(float[8] x) => (int64[m] y) <{given}, int64 o = {{0}}, int64 d = {{2}}> {{ {SIZE} l = Squeeze(n, first) y = Range(o, l, d) }}", [x])
    c.chain("constant_of_shape", f"(float[8] x) => (float[m,2] y) <{given}, int64[1] two = {{2}}> {{ {SIZE} q = Concat<axis = 0>(n, two) y = ConstantOfShape(q) }}", [x])
    c.chain("expand", f"(float[8] x) => (float[m,8] y) <{given}, int64[1] eight = {{8}}> {{ {SIZE} q = Concat<axis = 0>(n, eight) y = Expand(x, q) }}", [x])
    c.chain("tile", f"(float[8] x) => (float[m] y) <{given}> {{ {SIZE} y = Tile(x, n) }}", [x])
    c.chain("pad", f"(float[8] x) => (float[m] y) <{given}, int64[1] most = {{12}}, float v = {{7}}> {{ {SIZE} k = Sub(most, n) q = Concat<axis = 0>(first, k) y = Pad(x, q, v) }}", [x])
    c.chain("pad_to_fixed", f"""(float[8] x) => (float[2,4] y) <{given}, int64[1] most = {{8}}, float v = {{-1}}, int64[2] to = {{2,4}}>
        {{ {SIZE} i = Squeeze(p, first) g = Gather(x, i) k = Sub(most, n) q = Concat<axis = 0>(first, k) w = Pad(g, q, v) y = Reshape(w, to) }}""", [x])
    c.chain("reshape", f"""(float[8] x) => (float[m,1] y, float[1,m,1] z) <{given}, int64[3] to = {{1,-1,1}}>
        {{ {SIZE} i = Squeeze(p, first) g = Gather(x, i) q = Concat<axis = 0>(n, one) y = Reshape(g, q) z = Reshape(g, to) }}""", [x])
    c.chain("shape_checks", f"""(float[8] x) => (float[m] y) <{given}, int64 minus = {{-1}}>
        {{ {SIZE} i = Squeeze(p, first) g = Gather(x, i) q = Shape(g) e = ConstantOfShape<value = int64[1] {{1}}>(one) k = Mul(e, minus)
           h = Equal(n, k) w = Where(h, e, n) y = Expand(g, w) }}""", [x])
    c.chain("arithmetic", f"""(float[8] x) => (int64[1] y, float[m] z) <{given}, int64[1] two = {{2}}, int64[1] seven = {{7}}>
        {{ {SIZE} a = Mul(n, two) b2 = Add(a, seven) d = Div(b2, two) e = Sub(d, one) f = Min(e, seven) h = Max(f, one)
           r = Cast<to = 1>(h) fl = Floor(r) y = Cast<to = 7>(fl) z = Slice(x, first, y) }}""", [x])
    c.chain("split", f"""(float[8] x) => (float[m,2] y, float[m,1] z) <{given}, int64[2] to = {{-1,3}}, int64[2] parts = {{2,1}}>
        {{ {SIZE} i = Squeeze(p, first) g = Gather(x, i) u = Unsqueeze(g, one) k = Concat<axis = 1>(u, u, u) y, z = Split<axis = 1>(k, parts) }}""", [x])
    c.chain("one_hot", f"(float[8] x) => (float[m,8] y) <{given}, int64 eight = {{8}}, float[2] v = {{0,1}}> {{ {SIZE} i = Squeeze(p, first) y = OneHot(i, eight, v) }}", [x])
    c.chain("norms", f"""(float[8,6] x) => (float[m,6] y, float[m] a, int64[m] i) <{given}, float[6] w = {{1,2,3,4,5,6}}, int64[1] k = {{1}}>
        {{ r = ReduceSum<keepdims = 0>(x, one) b = Greater(r, zero) p = NonZero(b) q = Squeeze(p, first) g = Gather(x, q)
           y = LayerNormalization<axis = -1>(g, w) a = ReduceL2<axes = [1], keepdims = 0>(g) i = ArgMax<axis = 1, keepdims = 0>(g) }}""", [c.f(8, 6)])
    c.chain("convolution", f"""(float[6,3,5,5] x) => (float[m,2,5,5] y, float[m,3,1,1] z) <{given}, float[2,3,1,1] w = {{1,2,3,4,5,6}}>
        {{ r = ReduceSum<keepdims = 0>(x, axes) b = Greater(r, zero) p = NonZero(b) q = Squeeze(p, first) g = Gather(x, q)
           y = Conv(g, w) z = GlobalAveragePool(g) }}""".replace("int64[1] first", "int64[3] axes = {1,2,3}, int64[1] first"), [c.f(6, 3, 5, 5)])


def agreements(c):
    """Sizes that are known only when they meet others, which they must fit."""
    x, given = np.array([1, -1, 2, 3, -4, 5, 6, 7], np.float32), "float zero = {0}, int64[1] first = {0}, int64[1] one = {1}"
    picked = "b = Greater(x, zero) p = NonZero(b) i = Squeeze(p, first) v = Gather(x, i)"
    c.chain("add_known", f"(float[8] x) => (float[6] y) <{given}, float[6] c = {{1,2,3,4,5,6}}> {{ {picked} y = Add(v, c) }}", [x])
    c.chain("where_known", f"(float[8] x) => (float[6] y) <{given}, float[6] c = {{9,2,9,2,9,2}}> {{ {picked} q = Greater(v, c) w = Mul(v, c) y = Where(q, w, c) }}", [x])
    c.chain("concat_known", f"(float[8] x) => (float[6,2] y) <{given}, float[6,1] c = {{1,2,3,4,5,6}}> {{ {picked} u = Unsqueeze(v, one) y = Concat<axis = 1>(u, c) }}", [x])
    c.chain("two_picks", f"""(float[8] x, float[7] z) => (float[m] y) <{given}>
        {{ {picked} b2 = Greater(z, zero) p2 = NonZero(b2) i2 = Squeeze(p2, first) v2 = Gather(z, i2) y = Sub(v, v2) }}""", [x, np.array([1, 2, 3, -1, 4, 5, 6], np.float32)])
    c.chain("top_three", f"""(float[8] x) => (float[1,3] y, float[3] z) <{given}, int64[1] three = {{3}}, float[3] c = {{1,2,3}}>
        {{ {picked} t, at = TopK(v, three) y = Unsqueeze(t, first) z = Add(t, c) }}""", [x])
    c.chain("second", f"(float[8] x) => (float[1] y, float z) <{given}, int64 o = {{1}}> {{ {picked} y = Gather(v, one) z = Gather(v, o) }}", [x])


def tails(c):
    """Ends of detectors."""
    yolo = """(float[1,20,7] x) => (float[m,6] y) <int64[1] four = {4}, int64[1] five = {5}, int64[1] end = {7}, int64[1] zero = {0},
        int64[1] two = {2}, int64[3] perm = {0,2,1}, int64[1] most = {5}, float[1] iou = {0.4}, float[1] score = {0.2}, int64 col = {2}, int64 cls = {1}, int64[1] one = {1}>
        { xy = Slice(x, zero, four, two) obj = Slice(x, four, five, two) sc = Slice(x, five, end, two) conf = Mul(sc, obj)
          t = Transpose<perm = [0,2,1]>(conf) s = NonMaxSuppression<center_point_box = 1>(xy, t, most, iou, score)
          i = Gather<axis = 1>(s, col) k = Gather<axis = 1>(s, cls) bx = Squeeze(xy, zero) b = Gather(bx, i)
          cf = Squeeze(conf, zero) st = Unsqueeze(i, one) kt = Unsqueeze(k, one) at = Concat<axis = 1>(st, kt) v = GatherND(cf, at)
          v2 = Unsqueeze(v, one) kf = Cast<to = 1>(kt) y = Concat<axis = 1>(b, v2, kf) }"""
    x = c.rng.uniform(0, 1, (1, 20, 7)).astype(np.float32)
    c.chain("yolo", yolo, [x], group="tails")
    c.chain("yolo_nothing", yolo, [x * 0], group="tails")
    padded = """(float[1,20,4] b, float[1,3,20] s) => (float[1,10,4] boxes, float[1,10] scores, int64[1] n) <int64[1] most = {10}, float[1] iou = {0.4},
        float[1] score = {0.3}, int64 col = {2}, int64 cls = {1}, int64[1] one = {1}, int64[1] zero = {0}, int64[3] to = {1,10,4}, int64[2] to2 = {1,10}, int64[1] ten = {10}>
        { q = NonMaxSuppression(b, s, most, iou, score) i = Gather<axis = 1>(q, col) k = Gather<axis = 1>(q, cls) s2 = Squeeze(s, zero) b2 = Squeeze(b, zero)
          it = Unsqueeze(i, one) kt = Unsqueeze(k, one) at = Concat<axis = 1>(kt, it) v = GatherND(s2, at) sh = Shape(v) m = Concat<axis = 0>(sh, ten)
          n = ReduceMin<keepdims = 1>(m) v2, o = TopK(v, n) j = Gather(i, o) bb = Gather(b2, j) left = Sub(ten, n)
          p1 = Concat<axis = 0>(zero, left) sp = Pad(v2, p1) p2 = Concat<axis = 0>(zero, zero, left, zero) bp = Pad(bb, p2)
          boxes = Reshape(bp, to) scores = Reshape(sp, to2) }"""
    c.chain("padded", padded, [boxes_of(c, 1, 20), c.rng.uniform(0, 1, (1, 3, 20)).astype(np.float32)], group="tails")
    c.chain("padded_few", padded, [boxes_of(c, 1, 20), c.rng.uniform(0, 0.35, (1, 3, 20)).astype(np.float32)], group="tails")
    c.chain("padded_none", padded, [boxes_of(c, 1, 20), c.rng.uniform(0, 0.1, (1, 3, 20)).astype(np.float32)], group="tails")


def exported(c):
    """What torch writes of torchvision.ops and of masks, by its script exporter."""
    try:
        import torch
        import torchvision
    except ImportError:
        return

    class Nms(torch.nn.Module):
        def forward(self, boxes, scores):
            keep = torchvision.ops.nms(boxes, scores, 0.4)
            return boxes[keep], scores[keep]

    class Batched(torch.nn.Module):
        def forward(self, boxes, scores, labels):
            keep = torchvision.ops.batched_nms(boxes, scores, labels, 0.4)[:7]
            return boxes[keep], scores[keep], labels[keep]

    class Filter(torch.nn.Module):
        def forward(self, boxes, scores):
            keep = torch.where(scores > 0.5)[0]
            boxes, scores = boxes[keep], scores[keep]
            boxes = torchvision.ops.clip_boxes_to_image(boxes, (1, 1))
            keep = torchvision.ops.remove_small_boxes(boxes, 0.05)
            boxes, scores = boxes[keep], scores[keep]
            keep = torchvision.ops.nms(boxes, scores, 0.3)
            return boxes[keep], scores[keep]

    class Masked(torch.nn.Module):
        def forward(self, x):
            y = x.clone()
            y[x < 0] = 0.25
            picked = x[x > 0.5]
            return y, picked.sum(), torch.nonzero(x > 0.5)

    class Rows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.line = torch.nn.Linear(6, 3)

        def forward(self, x):
            rows = x[x.sum(1) > 0]
            return torch.softmax(self.line(rows), 1), rows.view(rows.shape[0], 2, 3).flatten(1)

    torch.manual_seed(3)
    boxes = torch.from_numpy(boxes_of(c, 1, 25)[0])
    scores, labels = torch.rand(25), torch.randint(0, 3, (25,))
    for name, module, inputs in (("nms", Nms(), (boxes, scores)), ("batched_nms", Batched(), (boxes, scores, labels)),
                                 ("filter", Filter(), (boxes, scores)), ("filter_none", Filter(), (boxes, scores * 0)),
                                 ("masked", Masked(), (torch.randn(5, 6),)), ("rows", Rows(), (torch.randn(5, 6),))):
        data = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module.eval(), inputs, data, dynamo=False, opset_version=17)
        model = onnx.load_from_string(data.getvalue())
        c.write("torchvision", name, model, [x.numpy() for x in inputs])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    c = Cases(pathlib.Path(sys.argv[1]))
    for family in (nonzero, compress, unique, nms, picked, halves, sizes, agreements, tails, exported):
        family(c)
    print(f"{c.count} cases in {c.root}")


if __name__ == "__main__":
    main()
