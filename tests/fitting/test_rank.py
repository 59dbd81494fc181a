"""Ranks and least norms: factors of rows from anywhere, and fits beside LAPACK's singular values."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from exact import least_norm, least_squares
from problems import centred_least_norm, features

import fastgd
from fastgd.inputs.sparse import read
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.factor import factor_of
from fastgd.rows.rows import rows_of
from fastgd.sklearn import GDRegressor

EPS = 2.0**-52

# Fits are of dependent columns, which they warn of.
pytestmark = pytest.mark.filterwarnings("ignore::fastgd.RankWarning")


# Factors.


@pytest.mark.parametrize("layout", ["rows", "columns", "float32", "sparse", "batches"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("n_samples", "n_features"), [(30_000, 5), (700, 90), (7, 20), (1, 1)])
def test_a_factor_has_the_products_of_the_columns(layout, weighted, centred, n_samples, n_features):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n_samples, n_features)) + 10.0
    X[rng.random(X.shape) < 0.3] = 0.0
    X = X.astype(np.float32).astype(np.float64)
    y = rng.standard_normal(n_samples)
    s = rng.integers(0, 3, n_samples) + 0.5 * (np.arange(n_samples) == 0) if weighted else None
    centre = np.append(np.full(n_features, 7.0), -1.0) if centred else None
    if layout == "batches":
        pieces = np.array_split(np.arange(n_samples), 3) if n_samples > 3 else [np.arange(n_samples)]
        batches = [(X[i], y[i]) if s is None else (X[i], y[i], s[i]) for i in pieces]
        rows = fastgd.from_batches(lambda: iter(batches)).rows(2)
    elif layout == "sparse":
        rows = rows_of(read(scipy.sparse.csr_array(X)), y, s, 2)
    else:
        given = {"rows": X, "columns": np.asfortranarray(X), "float32": X.astype(np.float32)}[layout]
        rows = rows_of(given, y, s, n_threads=2)
    factor = factor_of(rows, centre)
    A = np.column_stack((np.ones(n_samples), X - 7.0, y + 1.0)) if centred else np.column_stack((X, y))
    A = A * np.sqrt(np.ones(n_samples) if s is None else s)[:, np.newaxis]
    assert factor.shape[1] == A.shape[1]
    assert len(factor) <= max(A.shape)
    # Householder's reflections err by the columns' lengths times the unit roundoff and the operations for each entry.
    lengths = np.linalg.norm(A, axis=0)
    bound = 4 * EPS * np.sqrt(n_samples) * n_features * np.outer(lengths, lengths)
    assert (abs(factor.T @ factor - A.T @ A) <= bound).all()


def test_a_factor_has_the_same_bits_for_any_number_of_threads_and_leaves_out_what_has_no_weight():
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((40_000, 7)), np.zeros(40_000)
    s = rng.integers(0, 2, 40_000).astype(float)
    expected = factor_of(ArrayRows(X, y, s, 1), None)
    for n_threads in (2, 3, 8):
        assert factor_of(ArrayRows(X, y, s, n_threads), None).tobytes() == expected.tobytes()
    X[s == 0] = np.nan
    assert factor_of(ArrayRows(X, y, s, 1), None).tobytes() == expected.tobytes()


def test_sparse_rows_are_made_dense_in_any_order():
    X = scipy.sparse.random_array((50, 9), density=0.2, rng=np.random.default_rng(3)).tocsr()
    rows = np.array([3, 0, 49, 3, 17])
    assert isinstance(read(X), CSR)
    assert (read(X).dense(rows) == X.toarray()[rows]).all()
    assert read(X).dense(np.arange(0)).shape == (0, 9)


# Fits: the cases that were wrong.


def test_all_dummies_of_a_factor_beside_a_column_of_ones_and_one_far_from_zero():
    rng = np.random.default_rng(0)
    dummies = np.eye(4)[np.r_[np.arange(4), rng.integers(0, 4, 496)]]
    year = rng.integers(1990, 2024, 500).astype(float)
    y = 0.1 * (year - 2000) + rng.standard_normal(500)
    X = np.column_stack((np.ones(500), dummies, year))
    expected, _, rank, _ = np.linalg.lstsq(X, y)
    result = fastgd.fit(X, y, intercept=False)
    assert result.rank == rank == 5
    np.testing.assert_allclose(result.theta, expected, rtol=1e-9)


def test_a_column_twice_beside_one_that_nearly_is_the_same():
    rng = np.random.default_rng(199)
    x = rng.standard_normal(50)
    z, y = x + 0.01 * rng.standard_normal(50), rng.standard_normal(50)
    X = np.column_stack((x, z, x))
    result = fastgd.fit(X, y)
    expected = np.linalg.lstsq(features(X), y)[0]
    np.testing.assert_allclose(result.theta, expected, rtol=1e-9)
    assert result.rank == 3


@pytest.mark.parametrize(("n", "k"), [(95, 100), (50, 600), (50, 400), (300, 700)])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_wide_data_have_the_least_norm_at_every_shape(n, k, sparse, intercept):
    random = np.random.RandomState(0)
    X, y = random.uniform(size=(n, k)), random.uniform(size=n)
    result = fastgd.fit(scipy.sparse.csr_array(X) if sparse else X, y, intercept=intercept)
    expected = centred_least_norm(X, y, intercept=intercept)[intercept:]
    np.testing.assert_allclose(result.coef, expected, atol=1e-9 * abs(expected).max())
    assert (result.rank, result.converged) == (n, True)


@pytest.mark.parametrize("options", [{}, {"sample_weight": "counts"}, {"standardize": True}, {"l2": 1e-3}], ids=str)
@pytest.mark.parametrize("home", ["rows", "columns", "float32", "sparse", "frame", "batches", "parquet", "targets"])
def test_every_home_finds_a_dependence_beside_a_small_curvature(home, options, tmp_path):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(7)
    n = 900
    dummies = np.eye(3)[rng.integers(0, 3, n)]
    x = np.round(rng.uniform(45, 46, n), 4)
    X = np.column_stack((dummies, x, x * x, rng.standard_normal(n))).astype(np.float32).astype(np.float64)
    y = X @ [1.0, 2.0, 3.0, 0.5, -0.1, 1.0] + 0.1 * rng.standard_normal(n)
    s = rng.integers(0, 3, n).astype(float) if "sample_weight" in options else np.ones(n)
    options = {name: value for name, value in options.items() if name != "sample_weight"}
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(y=y, s=s)
    if home == "targets":
        result, other = GDRegressor(**options).fit(X, np.column_stack((y, -y)), sample_weight=s).result_
        np.testing.assert_allclose(other.theta, -result.theta, rtol=1e-6)
    elif home == "batches":
        batches = [(X[i::4], y[i::4], s[i::4]) for i in range(4)]
        result = fastgd.fit(fastgd.from_batches(lambda: iter(batches)), **options)
    elif home == "parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(tmp_path / "rows.parquet", index=False, row_group_size=100)
        source = fastgd.scan_parquet(tmp_path / "rows.parquet", target="y", sample_weight="s")
        result = fastgd.fit(source, **options)
    else:
        features = {
            "rows": X,
            "columns": np.asfortranarray(X),
            "float32": X.astype(np.float32),
            "sparse": scipy.sparse.csr_array(X),
            "frame": frame[list("abcdef")],
        }[home]
        result = fastgd.fit(features, y, sample_weight=s, **options)
    root = np.sqrt(s)[:, np.newaxis]
    A, b = (X - np.average(X, axis=0, weights=s)) * root, (y - np.average(y, weights=s)) * root[:, 0]
    if options.get("l2"):
        A, b = np.concatenate((A, np.sqrt(s.sum() * options["l2"]) * np.eye(6))), np.append(b, np.zeros(6))
        assert result.rank == 7
    else:
        assert result.rank == 6
    unit = np.sqrt((A[:n] ** 2).sum(axis=0) / s.sum()) if options.get("standardize") else np.ones(6)
    expected = np.linalg.lstsq(A / unit, b, rcond=1e-12)[0] / unit
    # The smaller of the two columns' directions is 2e-6 of the larger: LAPACK itself has ten digits.
    np.testing.assert_allclose(result.coef, expected, atol=1e-8 * abs(expected).max())
    assert result.converged


@pytest.mark.parametrize("sparse", [False, True])
def test_a_method_that_does_not_look_at_the_rank_says_so(sparse):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((40, 3))
    result = fastgd.fit(scipy.sparse.csr_array(X) if sparse else X, X[:, 0], method="cg")
    assert result.rank is None
    assert "rank was not looked at" in result.message


@pytest.mark.parametrize("offset", [1e3, 1e4, 1e5, 1e6])
def test_a_dependence_of_sparse_columns_far_from_zero_is_found(offset):
    # Their sums hold the mean's square, so what rounding leaves there of a dependence is as large as a true direction.
    rng = np.random.default_rng(0)
    X = offset + rng.standard_normal((400, 3))
    X[:, 2] = X[:, 0] + X[:, 1]
    y = X[:, 0] - X[:, 1] + rng.standard_normal(400)
    result = fastgd.fit(scipy.sparse.csr_array(X), y)
    assert result.rank == 3
    expected = least_norm(X - X.mean(axis=0), y - y.mean(), 2)
    # The third column, a sum of two that were rounded, and its mean are rounded to eps of the offset.
    np.testing.assert_allclose(result.coef, expected.astype(float), rtol=0, atol=400 * EPS * offset)


# Sweeps.


def with_target(rng, X):
    """Return X, and a y in which each column has as large a part."""
    n, k = X.shape
    sizes = np.sqrt((X**2).mean(axis=0))
    y = X @ np.divide(rng.standard_normal(k), sizes, out=np.zeros_like(sizes), where=sizes > 0)
    return X, y + 10.0 ** rng.integers(-3, 2) * rng.standard_normal(n)


def dependent_problem(rng):
    """Draw dummies beside plain columns and one of the neighbours that lead moments astray."""
    n = int(rng.integers(20, 500))
    levels = int(rng.integers(2, 8))
    parts = [np.eye(levels)[rng.integers(0, levels, n)]]
    if rng.random() < 0.4:
        parts.append(np.eye(3)[rng.integers(0, 3, n)])
    base = rng.standard_normal((n, int(rng.integers(1, 10))))
    base *= 10.0 ** rng.integers(-3, 4, base.shape[1])
    latitude = rng.uniform(45, 46, (n, 1))
    near = base[:, :1] + 10.0 ** -rng.integers(1, 10) * abs(base[:, :1]).mean() * rng.standard_normal((n, 1))
    neighbours = [
        rng.integers(1990, 2024, (n, 1)).astype(float),
        near,
        np.column_stack((latitude, latitude**2)),
        base @ rng.standard_normal((base.shape[1], 2)),
        np.column_stack((np.ones(n), base[:, 0])),
        rng.standard_normal((n, int(rng.integers(1, 45)))),
    ]
    X = np.column_stack((*parts, base, neighbours[rng.integers(len(neighbours))]))
    X = X[:, rng.permutation(X.shape[1])]
    return with_target(rng, X)


def large_problem(rng):
    """Draw hundreds of columns, in a third to three times as many rows: dummies, a latitude, its square, and an exact sum."""
    n_features = int(rng.integers(300, 801))
    n = int(n_features * 3.0 ** rng.uniform(-1, 1))
    levels = int(rng.integers(2, 40))
    latitude = rng.uniform(45, 46, (n, 1))
    special = [np.eye(levels)[rng.integers(0, levels, n)], latitude, latitude**2]
    # Multiples of 2^-10, so that sums have no rounding.
    base = np.round(1024 * rng.standard_normal((n, n_features - levels - 3))) / 1024
    if rng.random() < 0.5:
        base[rng.random(base.shape) < 0.8] = 0.0
    base *= 2.0 ** rng.integers(-5, 6, base.shape[1])
    summed = base[:, rng.permutation(base.shape[1])[: int(rng.integers(2, 6))]].sum(axis=1, keepdims=True)
    X = np.column_stack((*special, base, summed))[:, rng.permutation(n_features)]
    return with_target(rng, X)


def check_dependent_problem(draw, seed):
    """Compare a fit with the singular values of scaled columns, and the exact least norm; return whether its rank is sure."""
    rng = np.random.default_rng(seed)
    X, y = draw(rng)
    intercept, sparse = bool(rng.random() < 0.6), rng.random() < 0.4
    s = rng.integers(0, 4, len(y)).astype(float) if rng.random() < 0.5 else np.ones(len(y))
    s[0] = 1.0
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        result = fastgd.fit(scipy.sparse.csr_array(X) if sparse else X, y, intercept=intercept, sample_weight=s)
    weights, X, y = (each.astype(np.longdouble) for each in (s, X, y))
    root = np.sqrt(weights)[:, np.newaxis]
    exact = (X - (weights @ X) / weights.sum() * intercept) * root
    b = (y - (weights @ y) / weights.sum() * intercept) * root[:, 0]
    A, sizes = exact.astype(float), np.linalg.norm((X * root).astype(float), axis=0)
    lengths = np.linalg.norm(A, axis=0)
    constant = lengths <= 1e-13 * sizes
    exact[:, constant] = A[:, constant] = 0.0
    lengths = np.where(constant, 1.0, lengths)
    _, values, Vt = np.linalg.svd(A / lengths, full_matrices=False)
    criterion = EPS * max(len(y), X.shape[1]) * values[0]
    surely = int(((values > 100 * criterion) & (values > 1e-12 * (abs(Vt) @ (sizes / lengths)))).sum())
    perhaps = int((values > 0.01 * criterion).sum())
    if not warned:
        # Of directions that may be real or rounding, whichever makes theta longer.
        norms = [np.linalg.norm(least_norm(exact, b, rank).astype(float)) for rank in {surely, perhaps}]
        assert np.linalg.norm(result.coef) <= 1e3 * max(norms), seed
    if result.rank is None:
        assert "rank was not looked at" in result.message, seed
        return False
    assert result.converged, seed
    if perhaps != surely:
        return False
    assert result.rank == surely + intercept, seed
    coef = least_norm(exact, b, surely).astype(float)
    condition = values[0] / values[surely - 1]
    error = np.linalg.norm(result.coef - coef) / np.linalg.norm(coef)
    # Some hundred roundings, times the condition number; the dependences themselves are rounded, in columns whose sizes differ
    # by up to 1e6, and so is what the norm is least along.
    assert error <= max(1e-9, 1000 * EPS * condition), (seed, error, condition)
    return True


@pytest.mark.parametrize(
    ("draw", "seeds", "least", "columns"),
    [
        (dependent_problem, range(150), 110, "dependent columns"),
        pytest.param(dependent_problem, range(150, 5150), 4000, "dependent columns", marks=pytest.mark.slow),
        pytest.param(large_problem, range(50), 30, "300 to 800 columns", marks=pytest.mark.slow),
    ],
    ids=["150", "5000", "hundreds of columns"],
)
def test_random_problems_with_dependences(draw, seeds, least, columns, reached):
    told = sum(check_dependent_problem(draw, seed) for seed in seeds)
    assert told > least
    reached(f"random problems with {columns} whose rank and least norm were right", told)


def scaled_problem(rng):
    """Draw dummies, a column that is the sum of two others, and plain columns, each times a power of two of its own.

    Returns X and y, the powers, the columns of each dependence with its weights, and which columns to leave out to be rid of
    the dependences.
    """
    n, levels, n_plain = int(rng.integers(60, 400)), int(rng.integers(2, 6)), int(rng.integers(1, 4))
    dummies = np.eye(levels)[rng.permutation(np.arange(n) % levels)]
    pair = rng.integers(-50, 50, (n, 2)).astype(float)
    offset = 10.0 ** rng.integers(0, 9, n_plain) * rng.choice((-1.0, 1.0), n_plain)
    plain = rng.standard_normal((n, n_plain)) + np.round(offset)
    X = np.column_stack((dummies, pair, pair.sum(axis=1), plain))
    y = X[:, :-n_plain] @ rng.standard_normal(levels + 3) + (plain - np.round(offset)) @ rng.standard_normal(n_plain)
    y += 10.0 ** rng.integers(-3, 1) * rng.standard_normal(n)
    powers = 2.0 ** rng.integers(*((-60, 61) if rng.random() < 0.7 else (-1, 2)), X.shape[1])
    powers[:levels] = powers[0] if rng.random() < 0.5 else powers[:levels]
    dependences = [(np.arange(levels), np.ones(levels)), (levels + np.arange(3), np.array([1.0, 1.0, -1.0]))]
    return X, y, powers, dependences, [0, levels]


def check_scaled_problem(home, seed):
    X, y, powers, dependences, left_out = scaled_problem(np.random.default_rng(seed))
    data = {
        "array": lambda: (X * powers, y),
        "columns": lambda: (np.asfortranarray(X * powers), y),
        "batches": lambda: (fastgd.from_batches(lambda: iter([(X[i::3] * powers, y[i::3]) for i in range(3)])),),
        "moments": lambda: (fastgd.Moments.from_rows(X * powers, y),),
    }[home]()
    result = fastgd.fit(*data)
    assert (result.converged, result.rank) == (True, X.shape[1] - 1), seed
    A, b = X.astype(np.longdouble), y.astype(np.longdouble)
    A, b = A - A.mean(axis=0), b - b.mean()
    kept = np.delete(np.arange(X.shape[1]), left_out)
    coef = np.zeros(X.shape[1], np.longdouble)
    coef[kept] = least_norm(A[:, kept], b, len(kept))
    sizes = abs(coef * A.std(axis=0)).astype(float)
    exact = [Fraction(*each.as_integer_ratio()) / Fraction(power) for each, power in zip(coef, powers, strict=True)]
    for columns, weights in dependences:  # no column is in two of them, so each is taken out by itself
        nothing = {j: Fraction(weight) / Fraction(powers[j]) for j, weight in zip(columns, weights, strict=True)}
        share = sum(exact[j] * each for j, each in nothing.items()) / sum(each**2 for each in nothing.values())
        for j, each in nothing.items():
            exact[j] -= share * each
    coef = np.array([float(each) for each in exact])
    error = result.coef - coef
    # What each column adds to the hypothesis is right, though means are up to 1e8 standard deviations, and so are the
    # coefficients along each dependence in their own units, whatever the powers: some hundred roundings, times the condition
    # number, which is below 100 for columns of the same length; moments square it.
    bound = {"moments": 1e-9, "batches": 1e-10}.get(home, 1e-11)
    assert abs(error * powers * A.std(axis=0)).max() <= bound * sizes.max(), seed
    for columns, _ in dependences:
        share = sizes[columns].max() / sizes.max()
        assert np.linalg.norm(error[columns]) * share <= bound * np.linalg.norm(coef[columns]), seed


@pytest.mark.parametrize("home", ["array", "columns", "batches", "moments"])
@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(40, 1040), marks=pytest.mark.slow)], ids=len)
def test_units_and_means_far_apart_change_neither_slopes_nor_the_least_norm(home, seeds):
    for seed in seeds:
        check_scaled_problem(home, seed)


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1e-16, 1e6, 1e9, 1e18, 1e30, 1e150])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("options", [{}, {"standardize": True}], ids=str)
def test_two_columns_that_are_one_share_its_coefficient_at_any_scale(scale, intercept, options):
    x, z = np.random.default_rng(1).standard_normal((2, 200))
    X = np.column_stack((x * scale, x * scale, z))
    for data in ((X, x + z), (fastgd.from_batches(lambda: iter([(X, x + z)])),), (fastgd.Moments.from_rows(X, x + z),)):
        result = fastgd.fit(*data, intercept=intercept, **options)
        np.testing.assert_allclose(result.coef, [0.5 / scale, 0.5 / scale, 1.0], rtol=1e-12)
        assert (result.rank, result.converged) == (2 + intercept, True)


@pytest.mark.parametrize("dependent", [False, True])
@pytest.mark.parametrize("home", ["array", "batches"])
def test_columns_that_nearly_agree_keep_their_digits_beside_one_far_from_zero(home, dependent):
    # Moments lose them by their squares, and passes by the far column's roundoff: 1e-3 of the slopes of the first two.
    rng = np.random.default_rng(2)
    v, u, difference = rng.standard_normal((3, 5000))
    X = np.column_stack((v, v + 1e-6 * difference + 1e6, u + 1e9))
    y = v + u + 0.1 * rng.standard_normal(5000)
    exact = X.astype(np.longdouble)
    exact, target = exact - exact.mean(axis=0), y.astype(np.longdouble)
    expected = least_norm(exact, target - target.mean(), 3).astype(float)
    if dependent:
        X = np.column_stack((X, np.ones(5000)))
        expected = np.append(expected, 0.0)
    data = (X, y) if home == "array" else (fastgd.from_batches(lambda: iter([(X[i::4], y[i::4]) for i in range(4)])),)
    result = fastgd.fit(*data)
    assert result.rank == 4
    # LAPACK's bound for centred columns, with a condition number of 2e6, and the roundoff of y in the residuals.
    np.testing.assert_allclose(result.coef, expected, rtol=0, atol=100 * EPS * 2e6 * abs(expected).max())


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_several_targets_of_dependent_columns_are_those_of_each(standardize, intercept, weighted):
    rng = np.random.default_rng(3)
    x = rng.standard_normal(300)
    X = np.column_stack((np.eye(4)[rng.integers(0, 4, 300)], x, 1e5 + rng.standard_normal(300), 3.0 * x))
    Y = X[:, :5] @ rng.standard_normal((5, 3)) + rng.standard_normal((300, 3)) + [0.0, 1e4, -50.0]
    s = rng.integers(0, 3, 300).astype(float) if weighted else None
    model = GDRegressor(standardize=standardize, fit_intercept=intercept).fit(X, Y, sample_weight=s)
    for t, result in enumerate(model.result_):
        alone = fastgd.fit(X, Y[:, t], sample_weight=s, standardize=standardize, intercept=intercept)
        assert (result.rank, alone.rank) == (6, 6)
        # Both are the least norm to the rounding of 300 rows, of columns up to 1e5 deviations from zero without an intercept.
        np.testing.assert_allclose(result.coef, alone.coef, atol=1e-9 * abs(alone.coef).max())


def test_from_a_start_dependent_columns_end_at_the_nearest_theta():
    x, z = np.random.default_rng(5).standard_normal((2, 50))
    for X in (np.column_stack((x, x, z)), np.column_stack((x, x, z, x + z))):
        start = np.arange(1.0 + X.shape[1])
        result = fastgd.fit(X, 3.0 * x - z, theta0=start)
        # The least norm of the difference: of what is left for it to explain.
        left = 3.0 * x - z - X @ start[1:]
        expected = start[1:] + centred_least_norm(X, left)[1:]
        np.testing.assert_allclose(result.coef, expected, atol=1e-12)
        assert "least |coef - coef of theta0|" in result.message


@pytest.mark.parametrize("offset", [1e3, 1e6, 1.7e9, 1e10])
@pytest.mark.parametrize(("n", "noise"), [(2, 0.0), (3, 1e-9), (30, 1e-6), (30, 1.0)])
def test_a_slope_far_from_zero_has_its_digits_in_few_rows_on_a_line_or_near_one(offset, n, noise):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        t = offset + rng.permutation(3000)[:n] / 1024
        y = 2.0 * (t - offset) + noise * rng.standard_normal(n)
        centred = [Fraction(each) - Fraction(t[0]) for each in t]
        mean = sum(centred) / n
        products = sum((x - mean) * Fraction(each) for x, each in zip(centred, y, strict=True))
        slope = products / sum((x - mean) ** 2 for x in centred)
        for data in ((t[:, None], y), (fastgd.from_batches([(t[:, None], y)]),)):
            # The intercept is rounded to the roundoff of the offset, and what that leaves of a slope by that of the mean.
            bound = max(1e-12, 10 * (EPS * offset) ** 2)
            np.testing.assert_allclose(fastgd.fit(*data).coef, [float(slope)], rtol=bound)


@pytest.mark.parametrize("constant", [1.0, 1e16, 2.0**108, 1e31, 1e100])
@pytest.mark.parametrize("l2", [0.0, 1e-300])
def test_a_constant_of_any_size_hides_no_other_column(constant, l2):
    # What is left of it without its mean is rounding, whatever its size.
    for extra in ([[0, 0], [1, 1], [0, 0]], [[0, 0], [1, 1], [2, 2], [5, 5], [7, 7]]):
        X = np.column_stack((np.full(len(extra), constant), extra))
        result = fastgd.fit(X, 3.0 * X[:, 1] + 1.0, l2=l2)
        np.testing.assert_allclose(result.coef, [0.0, 1.5, 1.5], atol=1e-13)
        assert result.converged


def test_columns_that_are_one_share_evenly_beside_one_of_a_tiny_unit_in_few_rows():
    X = np.array([[-1.1, -0.9, 0, 0, -6], [-0.6, 0, 1, 1, -8], [0.1, 1.5, 1, 1, -14], [-0.8, -0.3, 1, 1, 5]])
    for unit in (1.0, 2.0**-30, 2.0**-50, 2.0**-60):
        result = fastgd.fit(X * [1, 1, 1, 1, unit], [1.0, 1, 0, 0])
        np.testing.assert_allclose(result.coef[2:4], result.coef[2:4].mean(), rtol=1e-13)
        assert (result.converged, result.rank) == (True, 4)


@pytest.mark.parametrize("l2", [1e-12, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("intercept", [False, True])
def test_a_penalty_beside_a_column_of_zeros_converges_in_few_rows(l2, intercept):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X, y = rng.integers(-5, 6, (5, 8)).astype(float), rng.integers(-5, 6, 5).astype(float)
        X[:, 3] = 0.0
        result = fastgd.fit(X, y, l2=l2, intercept=intercept)
        expected = least_squares(X, y, intercept=intercept, l2=l2)
        # The penalty is the smallest singular value, and 1e6 times smaller than the others where it is smallest.
        np.testing.assert_allclose(result.theta, expected, atol=1000 * EPS * 1e6 * abs(expected).max())
        assert (result.converged, result.coef[3]) == (True, pytest.approx(0.0, abs=1e-15))


@pytest.mark.parametrize("seed", range(10))
def test_columns_that_agree_to_many_digits_converge(seed):
    rng = np.random.default_rng(seed)
    for closeness in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10):
        X = rng.standard_normal((80, 3))
        X[:, 2] = X[:, 0] + closeness * X[:, 2]
        for y in (X @ rng.standard_normal(3) + rng.standard_normal(80), X[:, 0]):
            result = fastgd.fit(X, y)
            assert (result.converged, result.rank) == (True, 4)
            assert result.n_iter <= 20
            theta, _, rank, _ = np.linalg.lstsq(np.column_stack((np.ones(80), X)), y)
            assert rank == 4
            best = np.linalg.norm(y - theta[0] - X @ theta[1:])
            # LAPACK's residuals err by the roundoff of the terms, 80 rows of theta that may be as large as 1 / closeness.
            rounding = 80 * EPS * (abs(X) @ abs(theta[1:])).max()
            assert np.sqrt(80 * result.cost) <= best + rounding
