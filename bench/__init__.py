"""Benchmarks against NumPy and ONNX Runtime, side by side in one run.

    suites/      kernels and shapes, importable by path
    baselines/   the same work in NumPy and ONNX Runtime
    harness/     who runs when, what is written down, what is printed

Every claim is a ratio of interleaved runs with its spread; losses are listed like wins. Run it with
``loopstack bench gemm`` in a checkout, or ``pytest bench --benchmark-only``. Needs the packages
onnx and onnxruntime for that column; without them it says so.
"""
