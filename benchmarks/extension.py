"""Products in the quartic extension inside a kernel, on one core; prints JSON."""

import numpy as np

from benchmarks._harness import numpy_product_seconds, random_field, report, seconds
from wmproof.argument.kernels.extension import v_fold, v_mul

SIZE, CALLS = 4096, 200


def main() -> None:
    a, b = random_field((4, SIZE), 1), random_field((4, SIZE), 2)
    out = np.empty_like(a)
    r = a[:, 0].copy()

    def products() -> None:
        for _ in range(CALLS):
            v_mul(a, 0, b, 0, out, 0, SIZE)

    def folds() -> None:
        for _ in range(CALLS):
            v_fold(a, 0, SIZE // 2, r, out, 0, SIZE // 2)

    product = seconds(products) / CALLS / SIZE * 1e9
    numpy_product = numpy_product_seconds(SIZE) / SIZE * 1e9
    report(
        "extension",
        {
            "product_nanoseconds": product,
            "fold_nanoseconds": seconds(folds) / CALLS / SIZE * 2e9,
            "products_per_second": 1e9 / product,
            "ratio_to_one_base_product_in_numpy": product / numpy_product,
        },
    )


if __name__ == "__main__":
    main()
