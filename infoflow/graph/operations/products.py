"""Products of matrices, and functions of matrices whose cost is not known."""

from __future__ import annotations

from functools import partial

from infoflow.graph.operations import costs
from infoflow.graph.operations.operation import Moves, Operation, Role

_product = partial(Operation, family="product", role=Role.KERNEL)

OPERATIONS = (
    _product(
        name="matmul",
        functions=("matmul", "imatmul", "linalg_matmul"),
        in_place=("imatmul",),
        moves=Moves.PRODUCT,
        arguments=("input", "weight"),
        multiply_adds=costs.matrix_product,
    ),
    _product(
        name="bmm",
        functions=("bmm",),
        moves=Moves.PRODUCT,
        multiply_adds=costs.matrix_product,
    ),
    _product(
        name="baddbmm",
        functions=("baddbmm",),
        moves=Moves.PRODUCT,
        factors=(1, 2),
        multiply_adds=costs.matrix_product_and_sum,
    ),
    _product(
        name="mm",
        functions=("mm",),
        channels=-1,
        arguments=("input", "weight"),
        multiply_adds=costs.matrix_product,
    ),
    _product(
        name="addmm",
        functions=("addmm",),
        channels=-1,
        arguments=("bias", "input", "weight"),
        multiply_adds=costs.matrix_product_and_sum,
    ),
    _product(name="mv", functions=("mv",), multiply_adds=costs.matrix_product),
    _product(name="einsum", functions=("einsum",), multiply_adds="counted"),
    _product(name="tensordot", functions=("tensordot",), multiply_adds="counted"),
    *(
        Operation(name=name, family="product", functions=(name,), multiply_adds=cost)
        for name, cost in (
            ("addmv", costs.matrix_product_and_sum),
            ("addbmm", costs.sum_of_matrix_products),
            ("dot", costs.vector_product),
            ("vdot", costs.vector_product),
            ("vecdot", costs.vector_products),
            ("linalg_vecdot", costs.vector_products),
            ("inner", costs.inner_product),
            ("affine_grid", costs.matrix_product),
            ("linalg_solve_triangular", costs.triangular_solve),
            ("grouped_mm", costs.grouped_product),
            ("scaled_mm", costs.matrix_product),
        )
    ),
    *(
        # these are made of others, which torch counts
        Operation(name=name, family="product", functions=(name,), multiply_adds="counted")
        for name in (
            *("chain_matmul", "linalg_multi_dot", "matrix_power", "linalg_matrix_power"),
            *("cov", "corrcoef"),
        )
    ),
    *(
        Operation(name=name, family="linear algebra", functions=(name,))
        for name in (
            *("cholesky", "cholesky_inverse", "cholesky_solve", "det", "logdet", "slogdet"),
            *("inverse", "lu_solve", "matrix_exp", "pinverse", "qr", "svd"),
            *(f"linalg_{name}" for name in ("cholesky", "cholesky_ex", "cond", "det", "eig")),
            *(f"linalg_{name}" for name in ("eigh", "eigvals", "eigvalsh", "inv", "inv_ex")),
            *(f"linalg_{name}" for name in ("lstsq", "lu", "lu_factor", "lu_solve", "pinv")),
            *(f"linalg_{name}" for name in ("matrix_exp", "matrix_rank", "qr", "slogdet")),
            *(f"linalg_{name}" for name in ("solve", "svd", "svdvals")),
            *("pca_lowrank", "svd_lowrank", "lobpcg", "geqrf", "lu", "orgqr", "ormqr"),
        )
    ),
    *(
        Operation(name=name, family="fourier transform", functions=(name,))
        for name in (
            *(f"fft_{way}{kind}fft{n}" for way in ("", "i") for kind in ("", "r", "h")
              for n in ("", "2", "n")),
            *("stft", "istft"),
        )
    ),
)  # fmt: skip
