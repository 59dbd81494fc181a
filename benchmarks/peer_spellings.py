"""The gradient of the mean squared error as each peer writes it, in all the spellings that may be its best."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fastgd

Compute = Callable[[], Any]
Spellings = dict[str, Compute]

FEW = 3  # up to so many features, a pass for each column may be a peer's best
MOST_IN_TURN = 1 << 20  # rows that numexpr may add up in float32, one after the other


class Problem(NamedTuple):
    n_samples: int
    n_features: int
    dtype: str
    order: str

    @property
    def read_bytes(self) -> int:
        """Bytes of X and y."""
        return self.n_samples * (self.n_features + 1) * np.dtype(self.dtype).itemsize


class Data:
    """X, y and w of a problem, the same in every process, and what spellings need of them."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        n, k, dtype, order = problem
        rng = np.random.default_rng(0)
        values: Any = rng.standard_normal(n * k, dtype=dtype)  # type: ignore[call-overload]
        self.by_rows = order == "C"
        self.X = values.reshape(n, k) if self.by_rows else values.reshape(k, n).T
        self.XT = self.X.T
        self.y = rng.standard_normal(n, dtype=dtype)  # type: ignore[call-overload]
        self.w = rng.standard_normal(k, dtype=dtype)  # type: ignore[call-overload]
        self.columns = [self.X[:, j] for j in range(k)] if k <= FEW else []
        self.residuals = np.empty(n, dtype)
        self.scale = self.w.dtype.type(2 / n)

    @property
    def few(self) -> bool:
        return bool(self.columns)


def fastgd_spellings(data: Data) -> Spellings:
    X, y, w = data.X, data.y, data.w.astype(np.float64)
    return {"gradient(X, y, w)": lambda: fastgd.gradient(X, y, w)}


def numpy_spellings(data: Data) -> Spellings:
    X, XT, y, w, r, scale = data.X, data.XT, data.y, data.w, data.residuals, data.scale

    def residuals() -> Any:
        np.dot(X, w, out=r)
        return np.subtract(r, y, out=r)

    spellings: Spellings = {
        "(X.dot(w) - y).dot(X)": lambda: (X.dot(w) - y).dot(X) * scale,
        "X.T.dot(X.dot(w) - y)": lambda: XT.dot(X.dot(w) - y) * scale,
        "dot(X, w, out=r); r -= y; r.dot(X)": lambda: residuals().dot(X) * scale,
        "dot(X, w, out=r); r -= y; X.T.dot(r)": lambda: XT.dot(residuals()) * scale,
    }
    if data.few:
        spellings |= _numpy_by_columns(data)
    return spellings


def _numpy_by_columns(data: Data) -> Spellings:
    X, y, w, r, scale, columns = data.X, data.y, data.w, data.residuals, data.scale, data.columns
    w_first, *w_others = w
    first, *others = columns
    pairs = list(zip(others, w_others, strict=True))

    def residuals() -> Any:
        np.multiply(first, w_first, out=r)
        for column, weight in pairs:
            np.add(r, column * weight, out=r)
        return np.subtract(r, y, out=r)

    def by_columns() -> Any:
        residuals()
        return np.array([column.dot(r) for column in columns]) * scale

    def einsum() -> Any:
        np.einsum("ij,j->i", X, w, out=r)
        np.subtract(r, y, out=r)
        return np.einsum("ij,i->j", X, r) * scale

    return {
        "r = x0*w0 + ... - y; [xj.dot(r)]": by_columns,
        "r = x0*w0 + ... - y; r.dot(X)": lambda: residuals().dot(X) * scale,
        "einsum('ij,j->i'); einsum('ij,i->j')": einsum,
    }


def scipy_spellings(data: Data) -> Spellings:
    from scipy.linalg import blas

    letter = "d" if data.y.dtype == np.float64 else "s"
    gemv = getattr(blas, letter + "gemv")
    # What BLAS can read without a copy is column-major: X of rows is its transpose's columns.
    A, rows_trans, columns_trans = (data.XT, 1, 0) if data.by_rows else (data.X, 0, 1)
    y, w, r, scale = data.y, data.w, data.residuals, data.scale

    def copying() -> Any:
        return gemv(scale, A, gemv(1.0, A, w, beta=-1.0, y=y, trans=rows_trans), trans=columns_trans)

    def reusing() -> Any:
        np.copyto(r, y)
        gemv(1.0, A, w, beta=-1.0, y=r, overwrite_y=1, trans=rows_trans)
        return gemv(scale, A, r, trans=columns_trans)

    spellings: Spellings = {f"{letter}gemv twice": copying, f"{letter}gemv twice, into a copy of y": reusing}
    if data.few:
        spellings |= _scipy_by_columns(data, letter)
    return spellings


def _scipy_by_columns(data: Data, letter: str) -> Spellings:
    from scipy.linalg import blas

    axpy, dot = getattr(blas, letter + "axpy"), getattr(blas, letter + "dot")
    n, k = data.X.shape
    flat = data.X.ravel(order="K")
    y, w, r, scale = data.y, data.w, data.residuals, data.scale
    places = [(j, k) if data.by_rows else (j * n, 1) for j in range(k)]

    def by_columns() -> Any:
        np.copyto(r, y)
        for (offset, stride), weight in zip(places, w, strict=True):
            axpy(flat, r, n, -weight, offset, stride)
        return np.array([dot(flat, r, n, offset, stride) for offset, stride in places]) * -scale

    return {f"{letter}axpy and {letter}dot by columns": by_columns}


def jax_spellings(data: Data) -> Spellings:
    import jax

    jax.config.update("jax_enable_x64", True)
    # An array of JAX is row-major, so X of columns is given as its transpose.
    A, y, w = (jax.numpy.array(a) for a in (data.X if data.by_rows else data.XT, data.y, data.w))
    both, products, sums = _jax_functions(data.by_rows)
    spellings: Spellings = {
        "jit(value_and_grad(mean((X @ w - y)**2)))": lambda: both(w, A, y)[1].block_until_ready(),
        "jit((X @ w - y) @ X)": lambda: products(w, A, y).block_until_ready(),
    }
    if data.few:
        spellings["jit of sums: (X * w).sum(1), (X * r).sum(0)"] = lambda: sums(w, A, y).block_until_ready()
    return spellings


@functools.cache
def _jax_functions(by_rows: bool) -> tuple[Any, Any, Any]:
    import jax
    import jax.numpy as jnp

    def predict(w: Any, A: Any) -> Any:
        return A @ w if by_rows else w @ A

    def cost(w: Any, A: Any, y: Any) -> Any:
        return jnp.mean((predict(w, A) - y) ** 2)

    def products(w: Any, A: Any, y: Any) -> Any:
        r = predict(w, A) - y
        return (r @ A if by_rows else A @ r) * (2 / len(y))

    def sums(w: Any, A: Any, y: Any) -> Any:
        if by_rows:
            r = (A * w).sum(1) - y
            return (A * r[:, None]).sum(0) * (2 / len(y))
        r = (A * w[:, None]).sum(0) - y
        return (A * r).sum(1) * (2 / len(y))

    return jax.jit(jax.value_and_grad(cost)), jax.jit(products), jax.jit(sums)


def torch_spellings(data: Data) -> Spellings:
    import torch

    torch.set_grad_enabled(False)
    X, y, w, r = (torch.from_numpy(a) for a in (data.X, data.y, data.w, data.residuals))
    XT, scale = X.T, float(data.scale)

    def reusing() -> Any:
        torch.addmv(y, X, w, beta=-1, out=r)
        return XT.mv(r).mul_(scale)

    spellings: Spellings = {
        "X.T.mv(X.mv(w) - y)": lambda: XT.mv(X.mv(w) - y).mul_(scale),
        "X.T.mv(X.mv(w).sub_(y))": lambda: XT.mv(X.mv(w).sub_(y)).mul_(scale),
        "X.T.mv(addmv(y, X, w, beta=-1))": lambda: XT.mv(torch.addmv(y, X, w, beta=-1)).mul_(scale),
        "addmv(y, X, w, beta=-1, out=r); X.T.mv(r)": reusing,
    }
    if data.few:
        spellings |= _torch_by_columns(data)
    return spellings


def _torch_by_columns(data: Data) -> Spellings:
    import torch

    X, y, r = (torch.from_numpy(a) for a in (data.X, data.y, data.residuals))
    XT, scale = X.T, float(data.scale)
    columns = list(X.unbind(1))
    weights = data.w.tolist()
    first, *others = columns
    pairs = list(zip(others, weights[1:], strict=True))

    def residuals() -> Any:
        torch.mul(first, weights[0], out=r)
        for column, weight in pairs:
            r.add_(column, alpha=weight)
        return r.sub_(y)

    def by_columns() -> Any:
        residuals()
        return torch.stack([column.dot(r) for column in columns]).mul_(scale)

    def by_sums() -> Any:
        residuals()
        return torch.stack([(column * r).sum() for column in columns]).mul_(scale)

    return {
        "r = x0*w0 + ... - y; [xj.dot(r)]": by_columns,
        "r = x0*w0 + ... - y; [(xj*r).sum()]": by_sums,
        "r = x0*w0 + ... - y; X.T.mv(r)": lambda: XT.mv(residuals()).mul_(scale),
    }


def numexpr_spellings(data: Data) -> Spellings:
    if not data.few:
        return {}
    X, y, w, r, scale, columns = data.X, data.y, data.w, data.residuals, data.scale, data.columns
    residuals, components = _numexpr_functions(data.y.dtype.str, len(columns))
    inputs = [*columns, *w, y]

    def by_columns() -> Any:
        residuals(*inputs, out=r)
        return np.array([column.dot(r) for column in columns]) * scale

    def then_product() -> Any:
        residuals(*inputs, out=r)
        return r.dot(X) * scale

    spellings: Spellings = {
        "r = evaluate('x0*w0 + ... - y'); [xj.dot(r)]": by_columns,
        "r = evaluate('x0*w0 + ... - y'); r.dot(X)": then_product,
    }
    if y.dtype == np.float64 or len(y) <= MOST_IN_TURN:
        spellings["[evaluate('sum((x0*w0 + ... - y) * xj)')]"] = lambda: (
            np.array([f(*inputs) for f in components]) * scale
        )
    return spellings


@functools.cache
def _numexpr_functions(dtype: str, n_features: int) -> tuple[Any, list[Any]]:
    import numexpr

    kind = numexpr.necompiler.getType(np.empty(0, dtype))
    xs, ws = ([f"{letter}{j}" for j in range(n_features)] for letter in "xw")
    signature = [(name, kind) for name in (*xs, *ws, "y")]
    residual = " + ".join(f"{x}*{w}" for x, w in zip(xs, ws, strict=True)) + " - y"

    def compiled(expression: str) -> Any:
        return functools.partial(numexpr.NumExpr(expression, signature), ex_uses_vml=False)

    return compiled(residual), [compiled(f"sum(({residual}) * {x})") for x in xs]


PEERS: dict[str, Callable[[Data], Spellings]] = {
    "numpy": numpy_spellings,
    "scipy": scipy_spellings,
    "jax": jax_spellings,
    "torch": torch_spellings,
    "numexpr": numexpr_spellings,
}
