"""Kummer's confluent hypergeometric function, which averages over spheres lead to."""

import sympy as sp


class Kummer(sp.Function):
    r"""$M(a, b, z) = \sum_j \frac{(a)_j}{(b)_j} \frac{z^j}{j!}$, of which only the derivative in z is known here.

    $\partial_z M(a, b, z) = \frac ab M(a + 1, b + 1, z)$.

    References:
        NIST Digital Library of Mathematical Functions, 13.2.2 and 13.3.15.
    """

    nargs = 3
    is_real = True

    @classmethod
    def eval(cls, a, b, z):
        """A polynomial where the series ends, and 1 at z = 0."""
        if z == 0 or a == 0:
            return sp.S.One
        if a.is_Integer and a < 0:
            return sp.Add(*(kummer_coefficient(a, b, j) * z**j for j in range(-int(a) + 1)))
        return None

    def fdiff(self, argindex=1):
        """Differentiate in the third argument."""
        if argindex != 3:
            raise sp.ArgumentIndexError(self, argindex)  # pyright: ignore[reportAttributeAccessIssue]
        a, b, z = self.args
        return a / b * Kummer(a + 1, b + 1, z)

    def _latex(self, printer, exp=None):
        written = rf"M\left({', '.join(map(printer._print, self.args))}\right)"
        return written if exp is None else rf"{written}^{{{exp}}}"

    def _sympystr(self, printer):
        return f"M({', '.join(map(printer._print, self.args))})"


def kummer_coefficient(a: sp.Expr, b: sp.Expr, j: int) -> sp.Expr:
    """(a)_j / ((b)_j j!)."""
    return sp.expand_func(sp.rf(a, j)) / (sp.expand_func(sp.rf(b, j)) * sp.factorial(j))
