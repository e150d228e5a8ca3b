#!/usr/bin/env python3
"""Cases of If, Loop, Scan and of model-local functions, with the outputs that ONNX Runtime computed, in the form
run_cases reads:

    make_ort_control.py DIR

What decides (a condition, a trip count) is an input of the model where the graphs inside are to run as steps, and a
constant where they are to be unrolled.

Needs: pip install onnx onnxruntime numpy
"""
import pathlib
import shutil
import sys

import numpy as np
import onnx
from make_ort_cases import run, write
from onnx import TensorProto, helper, numpy_helper, parser

F, I = np.float32, np.int64
HEAD = '<ir_version: 8, opset_import: ["" : {opset}{more}]>'


class Cases:
    def __init__(self, root):
        self.root, self.count, self.left_out = root, 0, 0

    def add(self, group, label, text, inputs, opset=17, more="", functions="", tolerance=None, axes=None):
        model = parser.parse_model(HEAD.format(opset=opset, more=more) + text + functions)
        for node in model.graph.node:  # lists of integers are empty in the text form when they have one kind only
            for name, value in (axes or {}).get(node.op_type, {}).items():
                node.attribute.append(helper.make_attribute(name, value))
        self.model(group, label, model, inputs, tolerance)

    def model(self, group, label, model, inputs, tolerance=None):
        feeds = {port.name: value for port, value in zip(model.graph.input, inputs)}
        try:
            values = run(model, feeds)
        except Exception as error:
            self.left_out += 1
            print(f"left out: {group} {label}: {str(error)[:300]!r}")
            return
        write(self.root / group / f"{self.count:04}_{label}", model, feeds, values, tolerance)
        self.count += 1


def normal(rng, *shape):
    return rng.normal(size=shape).astype(F)


def flag(x):
    return np.array(x, bool)


def number(x):
    return np.array(x, I)


def if_cases(cases, rng):
    x = normal(rng, 3, 4)
    for c in (True, False):
        cases.add("If", f"plain_{c}", """
agraph (float[3,4] x, bool c) => (float[3,4] y) {
  y = If (c) <then_branch = t () => (float[3,4] a) { a = Neg (x) },
              else_branch = e () => (float[3,4] b) { s = Add (x, x)  b = Tanh (s) }>
}""", [x, flag(c)])
        cases.add("If", f"outer_values_and_constants_{c}", """
agraph (float[3,4] x, bool c) => (float[3,4] y, float[2] z) {
  h = Abs (x)
  y, z = If (c) <then_branch = t () => (float[3,4] o, float[2] k) { o = Identity (h)  k = Constant <value_floats = [1.0, 2.0]> () },
                 else_branch = e () => (float[3,4] u, float[2] w) { u = Identity (x)  w = Constant <value_floats = [3.0, 4.0]> () }>
}""", [x, flag(c)])
        cases.add("If", f"nested_{c}", """
agraph (float[3,4] x, bool c, bool d) => (float[3,4] y) {
  k = Exp (x)
  y = If (c) <then_branch = t () => (float[3,4] a) {
                a = If (d) <then_branch = tt () => (float[3,4] p) { p = Add (x, k) },
                            else_branch = te () => (float[3,4] q) { q = Sub (k, x) }> },
              else_branch = e () => (float[3,4] b) {
                n = Not (d)
                b = If (n) <then_branch = et () => (float[3,4] r) { r = Mul (x, k) },
                            else_branch = ee () => (float[3,4] s) { s = Div (x, k) }> }>
}""", [x, flag(c), flag(not c)])
        cases.add("If", f"one_output_unused_{c}", """
agraph (float[3,4] x, bool c) => (float[3,1] z) {
  y, z = If (c) <then_branch = t () => (float[3,4] a, float[3,1] p) { a = Neg (x)  p = ReduceSum (x, k) },
                 else_branch = e () => (float[3,4] b, float[3,1] q) { b = Abs (x)  q = ReduceMax <axes = [1]> (x) }>
}""".replace("p = ReduceSum (x, k)", "p = ReduceMin <axes = [1]> (x)"), [x, flag(c)])
        cases.add("If", f"condition_of_one_element_{c}", """
agraph (float[3,4] x, bool[1] c) => (float[3,4] y) {
  y = If (c) <then_branch = t () => (float[3,4] a) { a = Neg (x) }, else_branch = e () => (float[3,4] b) { b = Abs (x) }>
}""", [x, np.array([c])])
        cases.add("If", f"on_a_sum_{c}", """
agraph (float[3,4] x, float[] limit) => (float[3,4] y) {
  s = ReduceSum <keepdims = 0> (x)
  c = Greater (s, limit)
  y = If (c) <then_branch = t () => (float[3,4] a) { a = Neg (x) }, else_branch = e () => (float[3,4] b) { b = Abs (x) }>
}""", [x, np.array(-1e6 if c else 1e6, F)])
    cases.add("If", "known_by_shape", """
agraph (float[n,4] x) => (float[m] y) {
  shape = Shape (x)  one = Constant <value_ints = [1]> ()  zero = Constant <value_int = 0> ()
  first = Gather (shape, zero)  is_one = Equal (first, one)  axes = Constant <value_ints = [0]> ()
  y = If (is_one) <then_branch = t () => (float[m] a) { a = Squeeze (x, axes) },
                   else_branch = e () => (float[m,k] b) { b = Identity (x) }>
}""", [normal(rng, 1, 4)])


def varying_cases(cases, rng):
    """Sizes that only the batch knows go into branches, come out of them, or both."""
    x = normal(rng, 4, 5)
    for c in (True, False):
        cases.add("varying", f"sizes_of_branches_{c}", """
agraph (float[4,5] x, bool c) => (float[n,5] y, float[m] z) {
  y = If (c) <then_branch = t () => (float[8,5] a) { a = Concat <axis = 0> (x, x) },
              else_branch = e () => (float[4,5] b) { b = Neg (x) }>
  z = ReduceSum <keepdims = 0> (y, one)  one = Constant <value_ints = [1]> ()
}""".replace("z = ReduceSum <keepdims = 0> (y, one)  one = Constant <value_ints = [1]> ()",
             "one = Constant <value_ints = [1]> ()  z = ReduceSum <keepdims = 0> (y, one)"), [x, flag(c)])
        cases.add("varying", f"taken_inside_{c}", """
agraph (float[4,5] x, bool c) => (float[n] y, int64[k] s) {
  zero = Constant <value_float = 0.0> ()  p = Greater (x, zero)  where = NonZero (p)  turned = Transpose (where)
  values = GatherND (x, turned)
  y = If (c) <then_branch = t () => (float[n] a) { a = Exp (values) },
              else_branch = e () => (float[n] b) { m = Neg (values)  b = Concat <axis = 0> (m, m) }>
  s = Shape (y)
}""", [x, flag(c)])
        cases.add("varying", f"guarded_{c}", f"""
agraph (float[4,5] x) => (float y) {{
  limit = Constant <value_float = {-9.5 if c else 9.5}> ()  p = Greater (x, limit)  where = NonZero (p)  turned = Transpose (where)
  values = GatherND (x, turned)  count = Size (values)  none = Constant <value_int = 0> ()  empty = Equal (count, none)
  y = If (empty) <then_branch = t () => (float a) {{ a = Constant <value_float = 7.0> () }},
                  else_branch = e () => (float b) {{ b = ReduceMax <keepdims = 0> (values) }}>
}}""".replace("(float y)", "(float[] y)").replace("(float a)", "(float[] a)").replace("(float b)", "(float[] b)"), [x])
        cases.add("varying", f"found_inside_{c}", """
agraph (float[4,5] x, bool c) => (int64[2,n] y) {
  y = If (c) <then_branch = t () => (int64[2,n] a) { zero = Constant <value_float = 0.0> ()  p = Greater (x, zero)  a = NonZero (p) },
              else_branch = e () => (int64[2,n] b) { q = IsNaN (x)  b = NonZero (q) }>
}""", [x, flag(c)])
    cases.add("varying", "in_a_loop", """
agraph (float[4,5] x, int64 m) => (float[] y) {
  zero = Constant <value_float = 0.0> ()  p = Greater (x, zero)  where = NonZero (p)  turned = Transpose (where)
  values = GatherND (x, turned)
  y = Loop (m, , zero) <body = b (int64 i, bool c, float[] h) => (bool c, float[] n) {
    e = Sin (values)  d = Mul (e, e)  s = ReduceSum <keepdims = 0> (d)  n = Add (h, s) }>
}""", [x, number(3)])


WHILE = """
agraph (float[3,4] x, int64 most, bool go) => (float[3,4] y{outs}) {{
  {before}
  y{names} = Loop ({most}, {go}, x) <body = b (int64 i, bool c, float[3,4] h) => (bool again, float[3,4] n{body_outs}) {{
    f = Cast <to = 1> (i)
    half = Constant <value_float = 0.5> ()
    g = Mul (h, half)
    n = Add (g, f)
    {extra}
  }}>
}}"""


def while_loop(before="", most="most", go="go", extra="again = Identity (c)", outs="", names="", body_outs=""):
    return WHILE.format(before=before, most=most, go=go, extra=extra, outs=outs, names=names, body_outs=body_outs)


GATHERED = dict(outs=", float[k,4] z", names=", z", body_outs=", float[4] row")
ROW = "first = Constant <value_int = 0> ()  row = Gather (n, first)"


def loop_cases(cases, rng):
    x = normal(rng, 3, 4)
    for trips in (0, 1, 2, 7):
        for go in (True, False):
            cases.add("Loop", f"for_{trips}_{go}", while_loop(), [x, number(trips), flag(go)])
        constant = f"m = Constant <value_int = {trips}> ()"
        cases.add("Loop", f"constant_{trips}", while_loop(constant + " dead = Identity (most)", most="m", go=""), [x, number(3), flag(True)])
        same = "again = Identity (c)  "
        cases.add("Loop", f"gathered_{trips}", while_loop(constant, most="m", go="", extra=same + ROW, **GATHERED),
                  [x, number(0), flag(True)])
        cases.add("Loop", f"gathered_maybe_{trips}", while_loop(constant, most="m", go="go", extra=same + ROW, **GATHERED),
                  [x, number(0), flag(True)])
    cases.add("Loop", "many_trips", while_loop("m = Constant <value_int = 3000> ()", most="m", go="", extra="again = Identity (c)  " + ROW,
                                               **GATHERED), [x, number(0), flag(True)])
    for limit in (0, 3, 50):
        stop = f"limit = Constant <value_int = {limit}> ()  again = Less (i, limit)  "
        cases.add("Loop", f"break_by_number_{limit}", while_loop("m = Constant <value_int = 20> ()", most="m", go="", extra=stop + ROW,
                                                                 **GATHERED), [x, number(0), flag(True)])
        far = f"limit = Constant <value_float = {limit}.5> ()  sum = ReduceMax <keepdims = 0> (n)  again = Less (sum, limit)  "
        for m in (9, 3000):
            cases.add("Loop", f"break_by_value_{limit}_{m}", while_loop(f"m = Constant <value_int = {m}> ()", most="m", go="",
                                                                        extra=far + ROW, **GATHERED), [x, number(0), flag(True)])
        cases.add("Loop", f"while_{limit}", while_loop("", most="", go="go", extra=far), [x, number(0), flag(limit != 3)])
    cases.add("Loop", "outer_values", """
agraph (float[3,4] x, float[4] w, int64 m) => (float[3,4] y) {
  scale = Sigmoid (w)
  y = Loop (m, , x) <body = b (int64 i, bool c, float[3,4] h) => (bool c, float[3,4] n) { g = Mul (h, scale)  n = Add (g, w) }>
}""", [x, normal(rng, 4), number(5)])
    for m in (4, 2000):
        cases.add("Loop", f"swap_{m}", f"""
agraph (float[3,4] x, float[3,4] v) => (float[3,4] a, float[3,4] b, float[k,3,4] z) {{
  m = Constant <value_int = {m}> ()
  a, b, z = Loop (m, , x, v) <body = b (int64 i, bool c, float[3,4] p, float[3,4] q) => (bool c, float[3,4] q, float[3,4] p, float[3,4] s) {{
    s = Sub (p, q) }}>
}}""", [x, normal(rng, 3, 4)])
        cases.add("Loop", f"if_inside_{m}", f"""
agraph (float[3,4] x) => (float[3,4] y) {{
  m = Constant <value_int = {m}> ()
  y = Loop (m, , x) <body = b (int64 i, bool c, float[3,4] h) => (bool c, float[3,4] n) {{
    two = Constant <value_int = 2> ()  r = Mod (i, two)  zero = Constant <value_int = 0> ()  even = Equal (r, zero)
    n = If (even) <then_branch = t () => (float[3,4] p) {{ p = Tanh (h) }},
                   else_branch = e () => (float[3,4] q) {{ q = Sub (x, h) }}> }}>
}}""", [x])
        cases.add("Loop", f"if_of_data_inside_{m}", f"""
agraph (float[3,4] x) => (float[3,4] y) {{
  m = Constant <value_int = {m}> ()
  y = Loop (m, , x) <body = b (int64 i, bool c, float[3,4] h) => (bool c, float[3,4] n) {{
    s = ReduceMax <keepdims = 0> (h)  one = Constant <value_float = 1.0> ()  big = Greater (s, one)
    n = If (big) <then_branch = t () => (float[3,4] p) {{ p = Mul (h, h2)  h2 = Sigmoid (x) }},
                  else_branch = e () => (float[3,4] q) {{ q = Add (h, one) }}> }}>
}}""".replace("p = Mul (h, h2)  h2 = Sigmoid (x)", "h2 = Sigmoid (x)  p = Mul (h, h2)"), [x])
        cases.add("Loop", f"loop_inside_{m}", f"""
agraph (float[3,4] x, int64 k) => (float[3,4] y) {{
  m = Constant <value_int = {m // 4}> ()
  y = Loop (m, , x) <body = b (int64 i, bool c, float[3,4] h) => (bool c, float[3,4] n) {{
    n = Loop (k, , h) <body = bb (int64 j, bool d, float[3,4] g) => (bool d, float[3,4] o) {{
      f = Cast <to = 1> (i)  e = Mul (g, x)  t = Tanh (e)  u = Add (t, f)  o = Sin (u) }}> }}>
}}""", [x, number(3)], tolerance=1e-3)
        cases.add("Loop", f"rows_alone_{m}", f"""
agraph (float[3,4] x) => (float[k,3,4] z, int64[k] n) {{
  m = Constant <value_int = {m}> ()
  one = Constant <value_int = 1> ()  go = Cast <to = 9> (one)
  z, n = Loop (m, go) <body = b (int64 i, bool c) => (bool c, float[3,4] r, int64 j) {{
    f = Cast <to = 1> (i)  r = Add (x, f)  j = Mul (i, i) }}>
}}""".replace("int64 j)", "int64[] j)"), [x])
        cases.add("Loop", f"some_unused_{m}", f"""
agraph (float[3,4] x, float[3,4] v) => (float[3,4] b, float[k,3,4] t) {{
  m = Constant <value_int = {m}> ()
  a, b, s, t = Loop (m, , x, v) <body = b (int64 i, bool c, float[3,4] p, float[3,4] q) =>
      (bool c, float[3,4] e, float[3,4] f, float[3,4] g, float[3,4] h) {{
    e = Sin (q)  f = Cos (p)  g = Add (p, q)  h = Sub (p, q) }}>
}}""", [x, normal(rng, 3, 4)])
        cases.add("Loop", f"same_value_twice_{m}", f"""
agraph (float[3,4] x) => (float[3,4] a, float[3,4] b, float[k,3,4] s, float[k,3,4] t) {{
  m = Constant <value_int = {m}> ()
  a, b, s, t = Loop (m, , x, x) <body = b (int64 i, bool c, float[3,4] p, float[3,4] q) =>
      (bool c2, float[3,4] e, float[3,4] e2, float[3,4] e3, float[3,4] k) {{
    c2 = Identity (c)  e = Sin (q)  e2 = Identity (e)  e3 = Identity (e)  k = Constant <value = float[3,4] {{1,2,3,4,5,6,7,8,9,10,11,12}}> () }}>
}}""", [x])
    cases.add("Loop", "growing", """
agraph (float[1,4] x) => (float[k,4] y) {
  m = Constant <value_int = 6> ()
  y = Loop (m, , x) <body = b (int64 i, bool c, float[n,4] h) => (bool c, float[o,4] g) { g = Concat <axis = 0> (h, x) }>
}""", [normal(rng, 1, 4)])
    cases.add("Loop", "row_by_number", """
agraph (float[6,4] x, float[4] s) => (float[4] y, float[k,4] z) {
  m = Constant <value_int = 6> ()
  y, z = Loop (m, , s) <body = b (int64 i, bool c, float[4] h) => (bool c, float[4] n, float[4] n2) {
    r = Gather (x, i)  n = Add (h, r)  n2 = Neg (n) }>
}""", [normal(rng, 6, 4), normal(rng, 4)])
    cases.add("Loop", "row_by_number_many", """
agraph (float[2000,4] x, float[4] s) => (float[4] y, float[k,4] z) {
  m = Constant <value_int = 2000> ()
  y, z = Loop (m, , s) <body = b (int64 i, bool c, float[4] h) => (bool c, float[4] n, float[4] n2) {
    r = Gather (x, i)  half = Constant <value_float = 0.5> ()  g = Mul (h, half) n = Add (g, r)  n2 = Neg (n) }>
}""", [normal(rng, 2000, 4), normal(rng, 4)])


SCAN = """
agraph (float{state} s, float{shape} x, float{shape} v) => (float{state} y, float z, float w) {{
  y, z, w = Scan (s, x, v) <num_scan_inputs = 2, body = b (float{state} h, float p, float q) => (float{state} n, float a, float b) {{
    d = Mul (p, q)
    r = ReduceSum <keepdims = 0> (d)
    g = Tanh (h)
    n = Add (g, r)
    a = Sub (p, q)
    b = Add (p, r) }}>
}}"""


def scan_cases(cases, rng):
    for n, (length, axes, dirs, out_axes, out_dirs) in enumerate([
            (5, None, None, None, None), (1, None, None, None, None), (7, [1, 1], [0, 1], [1, 0], [1, 0]),
            (4, [-1, 2], [1, 1], [-1, 1], [0, 1]), (2000, None, [1, 0], None, [1, 0]), (1500, [2, -1], [0, 1], [2, -1], [1, 1]),
            (0, None, None, None, None)]):
        shape = [3, 4]
        shape.insert((axes[0] if axes[0] >= 0 else 3 + axes[0]) if axes else 0, length)
        state = [2, 3]
        text = SCAN.format(state="[2,3]", shape="[" + ",".join(map(str, shape)) + "]")
        text = text.replace("float z, float w)", "float[i,j,k] z, float[i,j,k] w)").replace("float p, float q", "float[3,4] p, float[3,4] q").replace(
            "float a, float b)", "float[3,4] a, float[3,4] b)")
        attrs = {"scan_input_axes": axes, "scan_input_directions": dirs, "scan_output_axes": out_axes,
                 "scan_output_directions": out_dirs}
        cases.add("Scan", f"general_{n}", text, [normal(rng, *state), normal(rng, *shape), normal(rng, *shape)],
                  axes={"Scan": {k: v for k, v in attrs.items() if v}}, tolerance=1e-4 if length > 100 else None)
    for length in (5, 1100):
        cases.add("Scan", f"recurrent_{length}", f"""
agraph (float[2,3] h0, float[{length},2,4] x, float[4,3] w, float[3,3] r) => (float[2,3] y, float[k,2,3] z) {{
  y, z = Scan (h0, x) <num_scan_inputs = 1, body = b (float[2,3] h, float[2,4] p) => (float[2,3] n, float[2,3] o) {{
    a = MatMul (p, w)  c = MatMul (h, r)  s = Add (a, c)  n = Tanh (s)  o = Identity (n) }}>
}}""", [normal(rng, 2, 3), normal(rng, length, 2, 4), normal(rng, 4, 3), normal(rng, 3, 3) / 2], tolerance=1e-3)
        cases.add("Scan", f"no_state_{length}", f"""
agraph (float[{length},4] x) => (float[k] z) {{
  z = Scan (x) <num_scan_inputs = 1, body = b (float[4] p) => (float o) {{ o = ReduceMax <keepdims = 0> (p) }}>
}}""".replace("=> (float o)", "=> (float[] o)"), [normal(rng, length, 4)])


def scan_8_cases(cases, rng):
    """Built by hand: the text form has no empty first input."""
    body = parser.parse_graph("""b (float[2] h, float[3] p, float[3] q) => (float[2] n, float[3] o) {
  t = ReduceSum <keepdims = 0> (p)  n = Add (h, t)  o = Sub (p, q) }""")
    for n, (lengths, directions) in enumerate([(None, None), ([4, 2, 1], None), (None, [0, 1]), ([3, 4, 1], [1, 0])]):
        node = helper.make_node("Scan", ["lengths" if lengths else "", "s", "x", "v"], ["y", "z"], num_scan_inputs=2, body=body)
        if directions:
            node.attribute.append(helper.make_attribute("directions", directions))
        ports = [("s", 1, [3, 2]), ("x", 1, [3, 4, 3]), ("v", 1, [3, 4, 3])] + ([("lengths", 7, [3])] if lengths else [])
        graph = helper.make_graph([node], "g", [helper.make_tensor_value_info(*p) for p in ports],
                                  [helper.make_tensor_value_info("y", 1, [3, 2]), helper.make_tensor_value_info("z", 1, [3, 4, 3])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=4)
        inputs = [normal(rng, 3, 2), normal(rng, 3, 4, 3), normal(rng, 3, 4, 3)] + ([np.array(lengths, I)] if lengths else [])
        cases.model("Scan_8", f"{n}", model, inputs)


def function_cases(cases, rng):
    x = normal(rng, 3, 4)
    more = ', "my" : 1'
    head = '<domain: "my", opset_import: ["" : 17, "my" : 1]>'
    cases.add("functions", "plain", "agraph (float[3,4] x) => (float[3,4] y) { y = my.f (x) }", [x], more=more,
              functions=head + "f (a) => (b) { c = Neg (a)  b = Exp (c) }")
    cases.add("functions", "attributes", "agraph (float[3,4] x) => (float[3,4] y, float[3,4] z) { y = my.f <alpha = 0.25> (x)  z = my.f <alpha = 0.5, k = 2.0> (x) }", [x],
              more=more, functions='<domain: "my", opset_import: ["" : 17]> f <alpha, k: float = 3.0> (a) => (b) { n = LeakyRelu <alpha: float = @alpha> (a)  '
              'c = Constant <value_float: float = @k> ()  b = Mul (n, c) }')
    cases.add("functions", "nested", "agraph (float[3,4] x) => (float[3,4] y) { h = my.g (x, x)  y = my.g (h, x) }", [x], more=more,
              functions=head + "f (a) => (b) { c = Neg (a)  b = Sigmoid (c) }" + head + "g (p, q) => (r) { c = my.f (p)  d = my.f (q)  r = Add (c, d) }")
    cases.add("functions", "same_names_as_outside", "agraph (float[3,4] a) => (float[3,4] c) { b = Abs (a)  c = my.f (b) }", [x], more=more,
              functions=head + "f (b) => (a) { c = Neg (b)  a = Exp (c) }")
    cases.add("functions", "passes_on", "agraph (float[3,4] x) => (float[3,4] y, float[3,4] z) { y, z = my.f (x) }", [x], more=more,
              functions=head + "f (a) => (c, b) { c = Identity (a)  b = Neg (a) }")
    cases.add("functions", "with_an_if", "agraph (float[3,4] x, bool c) => (float[3,4] y) { y = my.f (x, c) }", [x, flag(False)], more=more,
              functions=head + "f (a, c) => (r) { r = If (c) <then_branch = t () => (p) { p = Neg (a) }, else_branch = e () => (q) { k = Abs (a)  q = my.g (k) }> }"
              + head + "g (a) => (b) { b = Exp (a) }")
    cases.add("functions", "in_a_loop", """agraph (float[3,4] x, int64 m) => (float[3,4] y) {
  y = Loop (m, , x) <body = b (int64 i, bool c, float[3,4] h) => (bool c, float[3,4] n) { n = my.f (h, x) }>
}""", [x, number(4)], more=more, functions=head + "f (a, b) => (c) { d = Mul (a, b)  c = Tanh (d) }")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root, rng = pathlib.Path(sys.argv[1]), np.random.default_rng(5)
    shutil.rmtree(root, ignore_errors=True)
    cases = Cases(root)
    for family in (if_cases, varying_cases, loop_cases, scan_cases, scan_8_cases, function_cases):
        family(cases, rng)
    print(f"{cases.count} cases in {root}, {cases.left_out} left out, onnxruntime")


if __name__ == "__main__":
    main()
