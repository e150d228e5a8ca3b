"""What the sample scripts share: writing ONNX graphs, deterministic files, and a small CNN trained with JAX."""
import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def write_gz(path, data):
    """No name and no time in the header, so the same data gives the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=9) as f:
        f.write(data)
    path.write_bytes(buffer.getvalue())


def tar_bytes(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def write_json(path, value):
    write_text(path, json.dumps(value, indent=2) + "\n")


def initializer(name, array):
    return numpy_helper.from_array(np.ascontiguousarray(array, dtype=np.float32), name)


def save_model(path, nodes, inputs, outputs, weights, opset=17):
    """inputs, outputs: [(name, dims)], float; dims may hold the symbol "batch"."""
    info = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, d) for n, d in part] for part in (inputs, outputs)]
    graph = helper.make_graph(nodes, path.parent.parent.name, info[0], info[1], weights)
    model = helper.make_model(graph, producer_name="sluice-samples", opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def train_cnn(sample_batch, init, forward, steps, rate=2e-3, decay=1e-4):
    """Adam over batches from sample_batch(step) -> (x, y). forward(params, x) -> logits."""
    import jax
    import jax.numpy as jnp

    def loss(params, x, y):
        logp = jax.nn.log_softmax(forward(params, x))
        weight = sum(jnp.sum(p * p) for p in jax.tree_util.tree_leaves(params))
        return -jnp.mean(jnp.take_along_axis(logp, y[:, None], 1)) + decay * weight

    @jax.jit
    def update(params, m, v, t, x, y):
        value, grad = jax.value_and_grad(loss)(params, x, y)
        m = jax.tree_util.tree_map(lambda a, g: 0.9 * a + 0.1 * g, m, grad)
        v = jax.tree_util.tree_map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grad)
        lr = rate * 0.5 * (1 + jnp.cos(jnp.pi * t / steps))
        new = jax.tree_util.tree_map(
            lambda p, a, b: p - lr * (a / (1 - 0.9 ** (t + 1))) / (jnp.sqrt(b / (1 - 0.999 ** (t + 1))) + 1e-8), params, m, v)
        return new, m, v, value

    params = init
    m = jax.tree_util.tree_map(jnp.zeros_like, params)
    v = jax.tree_util.tree_map(jnp.zeros_like, params)
    for t in range(steps):
        x, y = sample_batch(t)
        params, m, v, value = update(params, m, v, float(t), x, y)
        if t % 200 == 0 or t == steps - 1:
            print(f"  step {t}: loss {float(value):.4f}", flush=True)
    return jax.tree_util.tree_map(np.asarray, params)


def conv(x, w, b, stride=1):
    """The same arithmetic as ONNX Conv with pads 1 and NCHW."""
    import jax

    y = jax.lax.conv_general_dilated(x, w, (stride, stride), [(1, 1), (1, 1)], dimension_numbers=("NCHW", "OIHW", "NCHW"))
    return y + b[None, :, None, None]


def pool(x):
    import jax

    return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
