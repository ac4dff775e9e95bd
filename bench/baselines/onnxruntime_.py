"""ONNX Runtime: one operator, bound inputs and outputs, so that a call copies nothing.

``constant`` operands are initialisers: the session packs them before the first run, as it does
with the weights of a network. Without, both operands arrive at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def available() -> str | None:
    """Return None, or what is missing."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        return f"no ONNX Runtime column: {error.name} is not installed"
    return None


def make(
    row: Mapping[str, Any],
    names: Sequence[str],
    inputs: list[np.ndarray],
    out: np.ndarray,
    threads: int,
    constant: str | None = None,
) -> Callable[[], object]:
    """Return a call that runs one bound inference into a buffer of its own."""
    given = dict(zip(names, inputs))
    session = _session(_model(row["onnx"], given, out, constant), threads)
    import onnxruntime

    binding = session.io_binding()
    for name, array in given.items():
        if name != constant:
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
    result = onnxruntime.OrtValue.ortvalue_from_numpy(np.empty_like(out))
    binding.bind_ortvalue_output("out", result)
    return lambda: session.run_with_iobinding(binding)


def _model(
    operator: tuple[str, dict[str, Any]],
    given: Mapping[str, np.ndarray],
    out: np.ndarray,
    constant: str | None,
) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    def value(name: str, shape: Sequence[int]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))

    kind, attributes = operator
    node = helper.make_node(kind, list(given), ["out"], **attributes)
    run_time = [value(n, a.shape) for n, a in given.items() if n != constant]
    weights = [numpy_helper.from_array(given[constant], constant)] if constant else []
    graph = helper.make_graph([node], "row", run_time, [value("out", out.shape)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    data: bytes = model.SerializeToString()
    return data


def _session(model: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
