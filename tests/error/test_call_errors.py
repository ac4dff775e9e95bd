"""What a caller sees when arguments do not fit: one test each, with the exact text."""

from __future__ import annotations

import numpy as np
import pytest

import loopstack as ls


@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def refused(error: type[Exception], call) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def test_wrong_rank() -> None:
    text = refused(ls.ArgumentError, lambda: matmul(ones(3), ones(3, 4)))
    assert text == "argument A must have rank 2 (m k), found rank 1 with shape (3,)"


def test_wrong_dtype() -> None:
    text = refused(ls.ArgumentError, lambda: matmul(ones(2, 3).astype("f8"), ones(3, 4)))
    assert text == "argument A must have dtype f32, found f64: pass A.astype(np.float32)"


def test_index_with_two_extents() -> None:
    text = refused(ls.ShapeError, lambda: matmul(ones(2, 3), ones(4, 5)))
    assert "size k" in text and "3" in text and "4" in text and "A" in text and "B" in text


def test_missing_size() -> None:
    text = refused(ls.ShapeError, lambda: matmul.specialize(m=4, n=4))
    assert text == "matmul: size k unknown; give k=..., or arrays that carry them"


def test_unknown_size() -> None:
    text = refused(ls.ShapeError, lambda: matmul.specialize(m=4, n=4, k=4, q=1))
    assert "q" in text


def test_too_many_arguments() -> None:
    text = refused(ls.ArgumentError, lambda: matmul(ones(2, 2), ones(2, 2), ones(2, 2)))
    assert text == "matmul() takes 2 arguments (A, B), found 3"


def test_missing_argument() -> None:
    assert refused(ls.ArgumentError, lambda: matmul(ones(2, 2))) == "matmul() is missing argument B"


def test_unknown_keyword() -> None:
    text = refused(ls.ArgumentError, lambda: matmul(ones(2, 2), C=ones(2, 2)))
    assert text == "matmul() has no parameter 'C': expected A, B or out"


def test_argument_given_twice() -> None:
    text = refused(ls.ArgumentError, lambda: matmul(ones(2, 2), A=ones(2, 2)))
    assert text == "matmul() got argument 'A' twice"


def test_out_overlapping_an_input_leaves_it_untouched() -> None:
    a = ones(3, 3)
    text = refused(ls.ArgumentError, lambda: matmul(a, ones(3, 3), out=a))
    assert text == (
        "argument out is written by the kernel and shares memory with argument A: "
        "pass a copy of one of them"
    )
    assert (a == 1).all()


def test_out_overlapping_is_refused_on_the_fast_path_too() -> None:
    a, b = ones(3, 3), ones(3, 3)
    matmul(a, b)
    matmul(a, b, out=ones(3, 3))
    assert "shares memory" in refused(ls.ArgumentError, lambda: matmul(a, b, out=b))


def test_out_of_the_wrong_shape() -> None:
    text = refused(ls.ShapeError, lambda: matmul(ones(2, 3), ones(3, 4), out=ones(4, 2)))
    assert text == "out has shape (4, 2), but the result has shape (2, 4)"


def test_read_only_out() -> None:
    out = ones(2, 4)
    out.flags.writeable = False
    text = refused(ls.ArgumentError, lambda: matmul(ones(2, 3), ones(3, 4), out=out))
    assert text == "argument out is written by the kernel but is read-only"


def test_list_instead_of_an_array() -> None:
    text = refused(ls.ArgumentError, lambda: matmul([[1.0]], ones(1, 1)))
    assert text == (
        "argument A must be a NumPy array, a torch CPU tensor or an object with __dlpack__, "
        "found list: pass np.asarray(A, dtype=...)"
    )


def test_tensor_that_requires_grad() -> None:
    torch = pytest.importorskip("torch")
    a = torch.ones(2, 2, requires_grad=True)
    text = refused(ls.ArgumentError, lambda: matmul(a, torch.ones(2, 2)))
    assert text == (
        "argument A requires grad and kernels record no gradients: pass A.detach()"
    )


def test_tensors_and_arrays_mixed() -> None:
    torch = pytest.importorskip("torch")
    text = refused(ls.ArgumentError, lambda: matmul(torch.ones(2, 2), ones(2, 2)))
    assert text == (
        "a call takes NumPy arrays or torch tensors, not both: "
        "pass tensor.numpy() or torch.from_numpy(array)"
    )


def test_specialised_kernel_with_other_sizes() -> None:
    kernel = matmul.specialize(m=2, n=2, k=2)
    text = refused(ls.ShapeError, lambda: kernel(ones(3, 2), ones(2, 2)))
    assert "m" in text and "2" in text and "3" in text


def test_specialised_kernel_with_other_strides() -> None:
    kernel = matmul.specialize(m=2, n=2, k=3)
    text = refused(ls.ArgumentError, lambda: kernel(ones(3, 2).T, ones(3, 2)))
    assert text == (
        "argument A has other strides than this kernel was specialised for (found (1, 2), "
        "expected dense elements): specialise with like=, or call matmul itself"
    )


def test_unknown_view() -> None:
    text = refused(ls.ArgumentError, lambda: matmul.specialize(m=2, n=2, k=2).show("soul"))
    assert text == (
        "show('soul'): expected one of program, dependences, loops, nest, asm, c, roofline"
    )


def test_unknown_instruction_set() -> None:
    with pytest.raises(ls.UnsupportedTarget) as caught, ls.isa("sse2"):
        pass
    assert str(caught.value) == (
        "unknown instruction set 'sse2': expected one of avx2, avx512, neon, neon_fp16"
    )


def test_instruction_set_of_another_cpu() -> None:
    with pytest.raises(ls.UnsupportedTarget) as caught, ls.isa("neon_fp16"):
        pass
    assert "cannot run neon_fp16 code: it has" in str(caught.value)


def test_constant_of_the_wrong_shape() -> None:
    text = refused(
        ls.ShapeError, lambda: matmul.specialize(m=2, n=2, k=2, const={"B": ones(3, 2)})
    )
    assert text == "constant B has shape (3, 2), expected (2, 2)"


def test_constant_that_is_no_input() -> None:
    text = refused(
        ls.ArgumentError, lambda: matmul.specialize(m=2, n=2, k=2, const={"Q": ones(2, 2)})
    )
    assert text == "const= names 'Q': expected one of A, B"
