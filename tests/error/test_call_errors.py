"""What a caller sees when arguments do not fit: one test each, with the exact text."""

from __future__ import annotations

import numpy as np
import pytest

import loopstack as ls
from loopstack.machine import features


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
    assert text == "size k has two extents: 3 (A dimension 1) and 4 (B dimension 0)"


def test_missing_size() -> None:
    text = refused(ls.ShapeError, lambda: matmul.specialize(m=4, n=4))
    assert text == "matmul: size k unknown; give k=..., or arrays that carry them"


def test_unknown_size() -> None:
    text = refused(ls.ShapeError, lambda: matmul.specialize(m=4, n=4, k=4, q=1))
    assert text == "matmul has no size q; its sizes are m, k, n"


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


def test_out_of_the_wrong_dtype() -> None:
    text = refused(ls.ArgumentError, lambda: matmul(ones(2, 3), ones(3, 4), out=np.ones((2, 4))))
    assert text == "out has dtype f64, but the result has dtype f32"


def test_out_with_elements_that_share_memory() -> None:
    out = np.lib.stride_tricks.as_strided(ones(4), (2, 4), (0, 4))
    text = refused(ls.ArgumentError, lambda: matmul(ones(2, 3), ones(3, 4), out=out))
    assert text == (
        "argument out is written by the kernel but has elements that share memory "
        "(shape (2, 4), strides (0, 4) bytes): pass a copy"
    )


@pytest.mark.parametrize("count", [0, 2])
def test_the_wrong_number_of_outputs(count: int) -> None:
    out = tuple(ones(2, 4) for _ in range(count))
    text = refused(ls.ArgumentError, lambda: matmul(ones(2, 3), ones(3, 4), out=out))
    assert text == f"out= needs 1 array (C), found {count}"


def test_out_of_a_kernel_that_works_in_place() -> None:
    @ls.affine
    def double(N: ls.size, x: ls.f64["N"]):
        for i in range(N):
            x[i] = 2.0 * x[i]

    text = refused(ls.ArgumentError, lambda: double(3, np.ones(3), out=np.ones(3)))
    assert text == "double() updates its arrays in place and takes no out="


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
    assert text == ("argument A requires grad and kernels record no gradients: pass A.detach()")


def test_tensor_inside_vmap() -> None:
    torch = pytest.importorskip("torch")
    b = torch.ones(2, 2)
    text = refused(
        ls.ArgumentError, lambda: torch.vmap(lambda a: matmul(a, b))(torch.ones(3, 2, 2))
    )
    assert text == (
        "argument A is a tensor without memory of its own, as inside torch.vmap or torch.compile: "
        "kernels take plain tensors"
    )


class _Foreign:
    """Offers DLPack and fails at it."""

    def __dlpack_device__(self) -> tuple[int, int]:
        raise RuntimeError("no device today")

    def __dlpack__(self) -> object:
        raise ValueError("never called")


def test_an_object_whose_dlpack_fails() -> None:
    text = refused(ls.ArgumentError, lambda: matmul(_Foreign(), ones(2, 2)))
    assert text == "argument A cannot be read through DLPack: no device today"


def test_a_class_instead_of_an_array() -> None:
    text = refused(ls.ArgumentError, lambda: matmul(np.ndarray, ones(2, 2)))
    assert text == (
        "argument A must be a NumPy array, a torch CPU tensor or an object with __dlpack__, "
        "found type"
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
    assert text == "size m has two extents: 2 (given) and 3 (A dimension 0)"


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
    found = features.detect()
    foreign = "neon_fp16" if "avx2" in found.isas else "avx2"
    with pytest.raises(ls.UnsupportedTarget) as caught, ls.isa(foreign):
        pass
    assert str(caught.value) == (
        f"this CPU ({found.brand}) cannot run {foreign} code: it has {', '.join(found.isas)}"
    )


def test_truth_values_in_memory() -> None:
    @ls.kernel
    def inverted(x: ls.bool_["n"]) -> ls.bool_["n"]:
        return ~x[ls.indices("n")]

    asked = refused(ls.UnsupportedTarget, lambda: inverted(np.ones(3, bool)))
    assert asked == (
        "inverted: x is stored as ls.bool_, which the code generator cannot do yet: use ls.i32 "
        "(ls.where(condition, 1, 0), and x != 0)"
    )


def test_constant_of_the_wrong_shape() -> None:
    text = refused(ls.ShapeError, lambda: matmul.specialize(m=2, n=2, k=2, const={"B": ones(3, 2)}))
    assert text == "constant B has shape (3, 2), expected (2, 2)"


def test_constant_that_is_no_input() -> None:
    text = refused(
        ls.ArgumentError, lambda: matmul.specialize(m=2, n=2, k=2, const={"Q": ones(2, 2)})
    )
    assert text == "const= names 'Q': expected one of A, B"
