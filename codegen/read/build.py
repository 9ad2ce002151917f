"""The equations of successive expressions: what is large, deep or reduced becomes a vertex of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from math import prod

import sympy
from sympy import (
    Derivative,
    Determinant,
    Expr,
    Idx,
    Indexed,
    Integer,
    Mul,
    Not,
    Piecewise,
    Pow,
    Product,
    Sum,
    Symbol,
    Trace,
    oo,
)
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef
from sympy.functions.elementary.miscellaneous import MinMaxBase
from sympy.matrices.expressions.matexpr import MatrixElement

from codegen.errors import GraphError, of_type
from codegen.functions import canonical, canonical_node, equal
from codegen.functions.eliminations import Elimination
from codegen.functions.extrema import Maximum, Minimum
from codegen.functions.matrices import Eliminated
from codegen.ir.affine import Affine, affine, data_of
from codegen.ir.equation import Equation, Variable, over
from codegen.ir.ranges import (
    Ends,
    Known,
    asked_of,
    conjuncts,
    defined,
    forms_of,
    guarded,
    is_natural,
    missing,
    on_axis,
    simplified,
)
from codegen.ir.reduction import Reduction
from codegen.ir.summation import Summand, over_present
from codegen.ir.validation import known_names
from codegen.ir.whole import bounds_of, whole_numbers
from codegen.read import matrices, products
from codegen.read.admission import OPAQUE, check, describe, is_opaque
from codegen.read.complex_forms import made_real
from codegen.read.eliminations import Formulas
from codegen.read.motions import motion_name
from codegen.read.rewriting import rewritten
from codegen.read.scope import Limits, Scope, axis_length, ends, on_long_axes, with_extents
from codegen.read.simple import is_simple
from codegen.walk import (
    Extent,
    annotate,
    as_extent,
    base_name,
    extent,
    fold,
    fresh_index,
    fresh_names,
    indices,
    is_fixed,
    is_leaf,
    is_plain,
    is_plain_on,
    is_reference,
    is_sample,
    lengths_in,
    moved,
    postorder,
    rebuild,
    references,
    reindex,
    samples_first,
    subscripts,
)

BODY_DEPTH = 24
"""A body nested deeper than this is cut: SymPy recurses about six Python frames a level when it differentiates."""
SHARED_SIZE = 8
"""A subexpression of this many nodes that is used twice is cut, lest a body be exponentially larger than it looks."""
BRANCH_SIZE, BRANCH_DEPTH = 200, 72
"""Up to this size and depth a branch of a ``Piecewise`` stays whole; SymPy fails on about 145 levels."""
ELEMENTS = 1000
"""As many elements are written out one by one, for a product or for subscripts such as i*j."""


@dataclass(frozen=True)
class _Part:
    """A rebuilt subexpression, how large and deep it makes the body it stands in, and whether it reads a vertex."""

    expression: Basic
    size: int = 1
    depth: int = 1
    reads: bool = True


@dataclass(frozen=True)
class Place:
    """A subscript that is made of vertices, and the axis and the conditions under which it is read."""

    found: str
    """What was read, for a message."""
    subscript: Expr
    computed: tuple[Expr, ...]
    axis: Extent
    guard: Expr


class Reader:
    """Builds the equations of successive expressions; a node that was cut is the vertex it became."""

    def __init__(
        self,
        inputs: Sequence[Variable],
        arrays: Mapping[str, Variable],
        names: Sequence[str],
        decompose: bool,
        written: Mapping[str, Expr],
    ):
        self.equations: list[Equation] = []
        self.known: dict[str, Variable] = {variable.name: variable for variable in inputs}
        self.arrays, self.names, self.decompose = arrays, tuple(names), decompose
        self.written: dict[str, Expr] = dict(written)
        """Symbols and functions of time as the user wrote them: two of one name with different assumptions are two
        symbols to SymPy."""
        self.fresh = fresh_names("v", {*self.known, *names})
        self.vertices: dict[object, Expr] = {}
        self.elements: dict[Indexed, Expr] = {}
        """What stands for elements at known places."""
        self.factors: dict[object, Formulas] = {}
        """Those of matrices of formulas."""
        self.limits: dict[str, Extent] = {}
        """What integers that are read for subscripts have to be below, by the name of their input."""
        self.places: list[Place] = []
        """Subscripts that are vertices."""
        self.order: tuple[Idx, ...] = ()
        """The order of the axes of vertices: that of a recurrence, whose steps lie one after the other."""

    def assign(self, target: Expr, expression: Expr, scope: Scope) -> None:
        """Append the equations of one entry."""
        if not is_simple(expression):
            expression = rewritten(made_real(expression))
            check(scope.place, expression)
        own = indices(target)
        self.order = own if own and any(base_name(r) == base_name(target) for r in references(expression)) else ()
        if isinstance(expression, Sum):
            body, reduced = self._sum(expression, scope)
            self.equations.append(Equation.over(target, canonical(body), Reduction.SUM, reduced))
        else:
            self.define(target, self.body(expression, scope))

    def assign_by_parts(self, target: Expr, parts: Sequence[tuple[Expr, Scope]]) -> None:
        """Append the equation of entries that are branches of one, each in its scope, whose guard says where it is."""
        written = [(rewritten(made_real(expression)), scope) for expression, scope in parts]
        for expression, scope in written:
            check(scope.place, expression)
        recurrent = any(base_name(r) == base_name(target) for expression, _ in written for r in references(expression))
        self.order = indices(target) if recurrent else ()
        pairs = []
        passed: Expr = sympy.true
        for expression, scope in written:
            pairs.append((self.body(expression, scope.guarded(passed)), scope.guard))
            passed = sympy.And(passed, Not(scope.guard))
        self.define(target, Piecewise(*pairs))

    def define(self, target: Expr, body: Expr) -> None:
        """Append the equation of a value that has been built; a vertex that was made for it takes the name."""
        if not self._renamed(body, target):
            self.equations.append(Equation(target, canonical(body)))

    def _renamed(self, vertex: Expr, target: Expr) -> bool:
        """Give the last vertex another name, if it is this one and nothing has read it."""
        if not self.equations or self.equations[-1].target != vertex or set(indices(vertex)) != set(indices(target)):
            return False
        last = self.equations[-1]
        memo = (last.body, last.reduced, last.reduction)
        if self.vertices.get(memo) != vertex:
            return False
        del self.vertices[memo]
        self.equations[-1] = Equation(target, last.body, last.reduction, last.reduced)
        return True

    # --- one expression -------------------------------------------------------------------------------------------

    def body(self, expression: Basic, scope: Scope) -> Basic:
        """The expression over vertices and indices; its reductions and what is too large or deep are cut out."""
        nodes = list(postorder(expression, is_opaque))
        guarded = _guarded_branches(expression, nodes, self._may_be_absent)

        def stop(node: Basic) -> bool:
            return is_opaque(node) or id(node) in guarded

        if guarded:
            nodes = list(postorder(expression, stop))
        uses = Counter(id(argument) for node in nodes if not stop(node) for argument in node.args)
        inlined = _inside_branches(nodes, stop)

        def step(node: Basic, arguments: list[_Part]) -> _Part:
            if stop(node):
                return _measured(self._value(node, scope))
            part = _rebuilt(node, arguments)
            wanted = self._is_cut(node, part, shared=uses[id(node)] > 1, inlined=id(node) in inlined)
            return _Part(self.vertex(part.expression)) if wanted and node is not expression else part

        return annotate(expression, step, stop)[id(expression)].expression

    def _value(self, node: Basic, scope: Scope) -> Basic:
        """What stands for a node that is not an operation on the values of its arguments."""
        for kind, value in VALUES:
            if isinstance(node, kind):
                found: Basic = value(self, node, scope)
                return node if found == node else found  # what stands around it stays as it is
        return node

    def _is_cut(self, node: Basic, part: _Part, *, shared: bool, inlined: bool) -> bool:
        if not isinstance(part.expression, Expr) or is_leaf(part.expression) or not part.reads:
            return False
        if inlined and part.size < BRANCH_SIZE and part.depth < BRANCH_DEPTH:
            return False
        operation = self.decompose and not _is_sign_or_reciprocal(node)
        return operation or (shared and part.size >= SHARED_SIZE) or part.depth >= BODY_DEPTH

    def vertex(self, body: Expr, reduced: tuple[Idx, ...] = (), reduction: Reduction = Reduction.SUM) -> Expr:
        """A reference to the vertex that has this value, or the sum of it over the reduced indices."""
        key = (body, reduced, reduction if reduced else None)
        if key not in self.vertices:
            found = [index for index in self.order if index in indices(body)]
            found += [index for index in indices(body) if index not in (*reduced, *found)]
            target = over(next(self.fresh), samples_first(found))
            value = defined(canonical(body))
            total = Equation.total(target, Summand(value, reduced))
            self.equations.append(total if reduction is Reduction.SUM else Equation(target, value, reduction, reduced))
            self.vertices[key] = target
        return self.vertices[key]

    def eliminated(self, body: Elimination) -> Expr:
        """A reference to the vertex of what elimination makes of a matrix, its own indices behind all others."""
        memo = (body, body.binds, Reduction.ELIMINATION)
        if memo not in self.vertices:
            others = [i for operand in body.read for i in indices(operand) if i not in body.binds]
            target = over(next(self.fresh), (*samples_first(dict.fromkeys(others)), *body.own))
            self.equations.append(Equation.eliminating(target, body))
            self.vertices[memo] = target
        return self.vertices[memo]

    def summed(self, body: Expr, reduced: Sequence[Idx]) -> Expr:
        """The sum of a body over indices; over one that it does not have, a multiple."""
        term = over_present(body, reduced)
        return self.vertex(term.body, term.reduced) if term.reduced else term.body

    # --- symbols and indices --------------------------------------------------------------------------------------

    def _symbol(self, symbol: Symbol, scope: Scope) -> Expr:
        if symbol in scope.bound:
            return scope.bound[symbol]
        label = str(symbol.name)
        if label in self.known and self.written.setdefault(label, symbol) != symbol:
            raise GraphError(f"{scope.place} contains a second symbol named {label!r} with other assumptions")
        if label in self.known and not self.known[label].shape:
            return self.known[label].symbol
        if label in self.known or label in self.arrays:
            raise GraphError(f"{scope.place} contains the symbol {label!r}, which is an array, expected its elements")
        if any(str(n) == label for variable in self.known.values() for n in variable.shape):
            return axis_length(symbol)
        raise self._unknown(f"the symbol {label!r}", label, scope)

    def _motion(self, node: Basic, scope: Scope) -> Expr:
        label = motion_name(node)
        if label in self.known and self.written.get(label) == node:
            return self.known[label].symbol
        if label in (*self.known, *self.names) and self.written.get(label) != node:
            raise GraphError(
                f"{scope.place} contains {node}, but {label!r} is {self.written.get(label, 'another entry')}"
            )
        if isinstance(node, AppliedUndef) and label not in self.names:
            what = f"{describe(node)}, which has no translation into real scalar code unless {node} is an input"
            raise GraphError(f"{scope.place} contains {what}")
        raise self._unknown(str(node), label, scope)

    def _unknown(self, found: str, label: str, scope: Scope) -> GraphError:
        if f"the output {label!r}" == scope.place:
            return GraphError(f"{scope.place} refers to itself")
        if label in self.names:
            return GraphError(f"{scope.place} refers to {label!r}, which is defined after it")
        known = known_names([*self.known])
        return GraphError(f"{scope.place} contains {found}, which is neither an input nor an entry ({known})")

    def _index(self, index: Idx, scope: Scope) -> Expr:
        if index not in scope.bound:
            found = f"{scope.place} contains the index {index}, which is neither in its key nor summed over"
            raise GraphError(f"{found}; write Sum(…, ({index}, 0, n - 1))")
        return scope.bound[index]

    # --- references -----------------------------------------------------------------------------------------------

    def _indexed(self, node: Indexed, scope: Scope) -> Expr:
        if scope.guard is not sympy.true or not all(isinstance(place, Integer) for place in node.indices):
            return self._element_at(node, scope)
        if node not in self.elements:
            self.elements[node] = self._element_at(node, scope)
        return self.elements[node]

    def _element_at(self, node: Indexed, scope: Scope) -> Expr:
        for leaf in (leaf for i in node.indices for leaf in postorder(i, is_opaque)):
            if isinstance(leaf, Idx):
                self._index(leaf, scope)
        return self.reference(base_name(node), [self._subscript(i, scope) for i in node.indices], str(node), scope)

    def _may_be_absent(self, node: Indexed) -> bool:
        """Whether an element is at a sum of indices, or at a place that an axis of symbolic length may lack."""
        variable = self.known.get(base_name(node)) or self.arrays.get(base_name(node))
        lengths = variable.shape if variable is not None and len(variable.shape) == node.rank else ()
        return any(not is_leaf(i) or isinstance(i, Indexed) for i in node.indices) or any(
            isinstance(i, Integer) and not isinstance(n, int) and not is_natural(n - 1 - i)
            for i, n in zip(node.indices, lengths)
        )

    def _subscript(self, subscript: Expr, scope: Scope) -> Expr:
        """A subscript in terms of the indices; the integers that are read for it are elements themselves."""

        def step(node: Basic, arguments: list[Basic]) -> Basic:
            if isinstance(node, OPAQUE):
                check(scope.place, node)  # a place is one of the axis whether or not a branch reads there
                return self.body(node, replace(scope, guard=sympy.true))
            if not is_leaf(node):
                return rebuild(node, arguments)
            return self._indexed(node, scope) if isinstance(node, Indexed) else scope.bound.get(node, node)

        return fold(subscript, step, is_opaque)

    def reference(self, name: str, key: Sequence[Expr], shown: str, scope: Scope) -> Expr:
        """The element of a variable; where a subscript is no sum of indices, of a vertex that has it so."""
        variable = self.known.get(name) or self.arrays.get(name)
        if variable is None:
            raise self._unknown(shown, name, scope)
        if len(key) != len(variable.shape):
            found = f"{scope.place} contains {shown} with {len(key)} subscripts"
            raise GraphError(f"{found}, but {name} has {len(variable.shape)} axes")
        if any(map(self._computed, key)):
            return self._looked_up(variable, key, shown, scope)
        key = tuple(subscript if isinstance(subscript, Idx) else with_extents(subscript) for subscript in key)
        if all(affine(subscript) is not None or data_of(subscript) for subscript in key):
            self._note_limits(variable, key, scope.guard, f"{scope.place} contains {shown}")
            return self._shifted(variable, key, shown, scope)
        return self._gathered(variable, key, shown, scope)

    def _computed(self, subscript: Expr) -> tuple[Expr, ...]:
        """The vertices that are read for a subscript."""
        found = () if is_leaf(subscript) and not is_reference(subscript) else references(subscript)
        made = {*map(base_name, self.vertices.values()), *self.arrays} if found else ()
        return tuple(read for read in found if base_name(read) in made)

    def _looked_up(self, variable: Variable, key: Sequence[Expr], shown: str, scope: Scope) -> Expr:
        """A vertex with elements at whole numbers that vertices are, Σ_j [a[s] = j]·E[j], of which the one j is run."""
        chosen: dict[Idx, Expr] = {}
        element: list[Expr] = []
        taken = {i.name for subscript in key for i in indices(subscript)}
        for subscript, n in zip(key, variable.shape):
            if computed := self._computed(subscript):
                index = fresh_index(Idx("j", n), taken)
                taken.add(index.name)
                chosen[index] = with_extents(subscript, computed)
                self.places.append(Place(f"{scope.place} contains {shown}", chosen[index], computed, n, scope.guard))
            element.append(index if computed else subscript)
        body = self.reference(variable.name, element, shown, scope)
        return self.summed(Mul(body, *[equal(value, index) for index, value in chosen.items()]), tuple(chosen))

    def check_places(self) -> None:
        """Raise :class:`GraphError` for what is read at a vertex that may be beyond an axis, or no whole number."""
        known = whole_numbers(self.known.values(), self.equations) if self.places else {}
        for place in self.places:
            (read, *others), found = place.computed, f"{place.found}: a subscript"
            ends = Ends.of(place.subscript, place.axis, conjuncts(place.guard), read)
            bounds = known.get(base_name(read))
            if others or ends is None or bounds is None:
                raise GraphError(f"{found} is no multiple of an argmax or argmin with indices and numbers added")
            if not ends.hold(bounds):
                least, greatest = bounds_of(place.subscript, known) or bounds
                raise GraphError(f"{found} has values from {least} to {greatest} on an axis of {place.axis}")

    def _note_limits(self, variable: Variable, key: Sequence[Expr], guard: Expr, found: str) -> None:
        """Integers that are read for a subscript have to stay on its axis; compiled functions check it."""
        for subscript, n in zip(key, variable.shape):
            read = None if isinstance(subscript, Idx) else data_of(subscript)
            ends = Ends.of(subscript, n, conjuncts(guard))
            if read is None or ends is None or not ends.forms:
                continue
            name, limit = base_name(read.integer), ends.limit()
            own = 0 if limit is None else as_extent(limit)
            if own < 1 if isinstance(own, int) else not lengths_in(own):
                found = f"{found}: the subscript {subscript} is not on an axis of {n} whatever {read.integer} is"
                raise GraphError(
                    f"{found}; padded(…), or a condition on {read.integer} around it, says where it is read"
                )
            known = self.limits.setdefault(name, own)
            if known != own and not (isinstance(known, int) and isinstance(own, int)):
                raise GraphError(f"{found}: the integers {name} have to be below {known} and below {own}, expected one")
            self.limits[name] = known if known == own else min(known, own)

    def _shifted(self, variable: Variable, key: tuple[Expr, ...], shown: str, scope: Scope) -> Expr:
        """The element at sums of indices, which has to be there.

        What is there for long axes alone, or for a reason that the graph does not see, is 0 where it is not.
        """
        element = variable[key]
        if is_plain(element) or asked_of(element, Known.of(scope.guard)) == ():
            return element
        moving = tuple(dict.fromkeys(i for subscript in key for i in indices(subscript)))
        if _is_small(moving) and is_fixed(variable.shape):
            self._elements(variable, key, moving, _within(scope.guard, moving), f"{scope.place} contains {shown}")
        else:
            for subscript, n in zip(key, variable.shape):
                _check_within(subscript, n, scope, shown)
        return guarded(element, *(asked_of(element) or ()))

    def _gathered(self, variable: Variable, key: tuple[Expr, ...], shown: str, scope: Scope) -> Expr:
        """A vertex that holds x[i·j] at i and j, its elements assigned one by one."""
        plain = [is_plain_on(subscript, n) for subscript, n in zip(key, variable.shape)]
        moving = tuple(dict.fromkeys(i for subscript, p in zip(key, plain) if not p for i in indices(subscript)))
        sizes = [extent(i) for i in moving]
        for subscript, n, p in zip(key, variable.shape, plain):
            if not p:
                _check_subscript(subscript, f"{scope.place} contains {shown}")
            if not p and not is_fixed((n, *sizes)):
                _check_within(subscript, n, scope, shown)
        bent = _bent(key, moving)
        if len(bent) < len(moving):
            return self._rows(variable, key, bent, shown, scope)
        if not _is_small(moving):
            raise GraphError(f"{scope.place} contains {shown}: {prod(sizes):,} elements are more than {ELEMENTS:,}")
        still = tuple(i for i in dict.fromkeys(i for s in key for i in indices(s)) if i not in moving)
        guard = _within(scope.guard, (*moving, *still))
        memo = (variable, key, guard)
        if memo not in self.vertices:
            elements = self._elements(variable, key, moving, guard, f"{scope.place} contains {shown}")
            gathered = Variable(next(self.fresh), (*sizes, *(extent(i) for i in still)))
            for place, element in elements.items():
                target = gathered[(*map(Integer, place), *still)]
                # What no branch that is taken reads is 0.
                self.equations.append(Equation(target, Integer(0) if element is None else variable[element]))
            self.vertices[memo] = gathered[(*moving, *still)]
        return self.vertices[memo]

    def _rows(self, variable: Variable, key: tuple[Expr, ...], bent: tuple[Idx, ...], shown: str, scope: Scope) -> Expr:
        """A vertex that holds x[i·(i − 1)/2 + j] at i and j: for each i its elements are a row, at j plus a number."""
        if not _is_small(bent):
            lengths = " × ".join(str(extent(i)) for i in bent)
            raise GraphError(f"{scope.place} contains {shown}: {lengths} rows are more than {ELEMENTS:,}")
        still = tuple(i for i in dict.fromkeys(i for s in key for i in indices(s)) if i not in bent)
        known = {*bent, *still}
        guard = sympy.And(*[c for c in conjuncts(scope.guard) if {*indices(c)} <= known])
        memo = (variable, key, guard, bent)
        if memo not in self.vertices:
            rows = Variable(next(self.fresh), tuple(extent(i) for i in (*bent, *still)))
            for values in product(*(range(int(extent(i))) for i in bent)):
                at = dict(zip(bent, map(Integer, values)))
                here = simplified([reindex(guard, at)])
                element = variable[tuple(reindex(subscript, at) for subscript in key)]
                asked = None if here == False else asked_of(element, Known.of(here))  # noqa: E712 - a SymPy boolean
                if asked:
                    for subscript, n in zip(subscripts(element), variable.shape):
                        _check_within(subscript, n, replace(scope, guard=here), shown)
                body = Integer(0) if asked is None else guarded(element, here, *asked)
                self.equations.append(Equation(rows[(*map(Integer, values), *still)], body))
            self.vertices[memo] = rows[(*bent, *still)]
        return self.vertices[memo]

    def _elements(
        self, variable: Variable, key: Sequence[Expr], moving: Sequence[Idx], guard: Expr, found: str
    ) -> dict[tuple[int, ...], tuple[Expr, ...] | None]:
        """The subscripts for all values of the moving indices; None where no branch reads an element that is not there.

        Raises :class:`GraphError` if one does.
        """
        elements: dict[tuple[int, ...], tuple[Expr, ...] | None] = {}
        for values in product(*(range(int(extent(i))) for i in moving)):
            at = dict(zip(moving, map(Integer, values)))
            element = tuple(reindex(subscript, at) for subscript in key)
            outside = [(e, n) for e, n in zip(element, variable.shape) if isinstance(e, Integer) and not 0 <= e < n]
            if outside and reindex(guard, at) != False:  # noqa: E712 - a SymPy boolean
                (e, n), place = outside[0], ", ".join(f"{i} = {value}" for i, value in zip(moving, values))
                raise GraphError(f"{found}: at {place} it is element {e} of an axis of {n}; {WITHIN}")
            elements[values] = None if outside else element
        return elements

    # --- reductions -----------------------------------------------------------------------------------------------

    def _sum(self, node: Sum, scope: Scope) -> tuple[Expr, tuple[Idx, ...]]:
        """Body and reduced indices; a sum of a sum is one sum."""
        inner, new = scope.bind(node.limits)
        if any(extent(index) == 0 for index in new):
            return Integer(0), ()
        if isinstance(node.function, Sum):
            body, more = self._sum(node.function, inner)
            return body, (*new, *more)
        return self.guarded(self.body(node.function, inner), inner, Integer(0)), new

    def _summed(self, node: Sum, scope: Scope) -> Expr:
        return self.summed(*self._sum(node, scope))

    def _maximum(self, node: Maximum, scope: Scope) -> Expr:
        return self._largest(node, scope, Integer(1))

    def _minimum(self, node: Minimum, scope: Scope) -> Expr:
        return -self._largest(node, scope, Integer(-1))

    def _largest(self, node: Maximum | Minimum, scope: Scope, sign: Integer) -> Expr:
        """The largest value of a body, or of its negative; over indices that it does not have it is the body."""
        inner, new = scope.bind(node.limits)
        if any(extent(index) == 0 for index in new):
            raise GraphError(f"{scope.place} contains {of_type(node)} of no values")
        body = canonical(self.guarded(sign * self.body(node.function, inner), inner, -oo))
        reduced = tuple(index for index in new if index in indices(body))
        return self.vertex(body, reduced, Reduction.MAX) if reduced else body

    def _product(self, node: Product, scope: Scope) -> Expr:
        """A chain of partial products: backpropagation through it multiplies what is before and behind each factor.

        No derivative is ever divided by a factor, so zeros are right.
        """
        if self._may_recur(node, scope):
            return self._running_product(node, scope)
        if any(is_sample(index) for index in scope.bind(node.limits)[1]):
            return self._symbolic_product(node, scope)
        result: Expr = Integer(1)
        for number, inner in enumerate(self._factors(node.limits, scope)):
            if number == ELEMENTS:
                raise GraphError(f"{scope.place} contains a product of more than {ELEMENTS:,} factors")
            factor = self.guarded(self.body(node.function, inner), inner, Integer(1))
            result = factor if result == 1 else self.vertex(Mul(result, factor))
        return result

    def _may_recur(self, node: Product, scope: Scope) -> bool:
        """Whether a product up to another index has factors that may be earlier values of what reads it."""
        bounded = any(leaf in scope.bound for _, *ends in node.limits for end in ends for leaf in postorder(end))
        return bounded and any(base_name(one) in self.arrays for one in node.function.atoms(Indexed))

    def _running_product(self, node: Product, scope: Scope) -> Expr:
        """The last of the products p[j] = p[j − 1]·f[j], or for f up to j = i + c of which no i is told p[i + c]."""
        *limits, outermost = node.limits
        inner, (index,) = scope.bind((outermost,))
        if extent(index) == 0:
            return Integer(1)
        body = self.body(Product(node.function, *limits) if limits else node.function, inner)
        conditions = conjuncts(inner.guard)
        last, others = index.upper, [i for i in indices(body) if i != index]
        ends = [(part, form) for part in conditions for form in forms_of(part) or () if form.coefficient(index)]
        if len(ends) == 1 and (along := _runs_with(ends[0][1], index)) is not None and along not in others:
            last, conditions = along + ends[0][1].constant, ()
        else:
            others += [i for part in conditions for i in indices(part) if i not in (*others, index)]
        there = missing(on_axis(last, extent(index)) or ())
        if there is None:
            return Integer(1)
        factor = Piecewise((body, sympy.And(*conditions)), (Integer(1), True)) if conditions else body
        key = (factor, index, tuple(others))
        if key not in self.vertices:
            target = over(next(self.fresh), samples_first((*others, index)))
            before = Piecewise((moved(target, (index,), (index - 1,)), index >= 1), (Integer(1), True))
            self.equations.append(Equation(target, canonical(defined(Mul(before, factor)))))
            self.vertices[key] = target
        found = moved(self.vertices[key], (index,), (last,))
        return Piecewise((found, sympy.And(*there)), (Integer(1), True)) if there else found

    def _symbolic_product(self, node: Product, scope: Scope) -> Expr:
        inner, new = scope.bind(node.limits)
        factor = self.guarded(self.body(node.function, inner), inner, Integer(1))
        factor = factor if is_leaf(factor) or not references(factor) else self.vertex(factor)
        return products.product(factor, lambda body: self.summed(canonical(body), new))

    def _factors(self, limits: Limits, scope: Scope) -> Iterator[Scope]:
        """A scope for each factor of a product, the outermost variable moving slowest."""
        if not limits:
            yield scope
            return
        found = scope.range(limits[-1])
        for value in (found.first + number for number in range(int(found.count))):
            inner = scope.at(found.variable, value).guarded(found.condition(value))
            if inner.guard != False:  # noqa: E712 - a SymPy boolean
                yield from self._factors(limits[:-1], inner)

    def guarded(self, body: Expr, scope: Scope, otherwise: Expr) -> Expr:
        """The body where its value is asked for: a vertex is computed whether or not a branch takes it."""
        return body if scope.guard == True else Piecewise((body, scope.guard), (otherwise, True))  # noqa: E712

    def _branches(self, node: Piecewise, scope: Scope) -> Expr:
        """A choice whose branches have sums: those are computed under the condition of their branch."""
        pairs = []
        passed: Expr = sympy.true
        for branch in node.args:
            condition = simplified([self.body(branch.cond, scope)])
            value = self.body(branch.expr, scope.guarded(sympy.And(passed, condition)))
            pairs.append((value, condition))
            passed = sympy.And(passed, Not(condition))
        return Piecewise(*pairs)

    # --- matrices -------------------------------------------------------------------------------------------------

    def _element(self, node: MatrixElement, scope: Scope) -> Expr:
        row, column = (scope.value(i) for i in (node.i, node.j))
        return matrices.entry(self, node.parent, row, column, scope)

    def _trace(self, node: Trace, scope: Scope) -> Expr:
        return matrices.trace(self, node.arg, scope)

    def _determinant(self, node: Determinant, scope: Scope) -> Expr:
        return matrices.determinant(self, node.arg, scope)

    def _eliminated(self, node: Eliminated, scope: Scope) -> Expr:
        return matrices.elimination(self, node, scope)

    def total(self, body: Expr, index: Expr, scope: Scope) -> Expr:
        """The sum over an index, or the value itself where the axis has one element."""
        guarded = self.guarded(body, scope, Integer(0))
        return self.summed(guarded, (index,)) if isinstance(index, Idx) else guarded

    def family(self, elements: Mapping[tuple[int, ...], Expr], moving: Sequence[Idx]) -> Expr:
        """A vertex whose elements are these expressions, read at the moving indices."""
        still = tuple(dict.fromkeys(i for body in elements.values() for i in indices(body)))
        memo = (tuple(elements.items()), tuple(map(extent, moving)))
        if memo not in self.vertices:
            gathered = Variable(next(self.fresh), tuple(extent(i) for i in (*moving, *still)))
            for place, body in elements.items():
                self.equations.append(Equation(gathered[(*map(Integer, place), *still)], canonical(body)))
            self.vertices[memo] = gathered[(*moving, *still)]
        return moved(self.vertices[memo], subscripts(self.vertices[memo]), moving)


#: What stands for a node that a walk over operations stops at.
VALUES: tuple[tuple[type[Basic] | tuple[type[Basic], ...], Callable[..., Basic]], ...] = (
    (Symbol, Reader._symbol),
    (Idx, Reader._index),
    (Indexed, Reader._indexed),
    (Sum, Reader._summed),
    (Product, Reader._product),
    (Maximum, Reader._maximum),
    (Minimum, Reader._minimum),
    (MatrixElement, Reader._element),
    (Trace, Reader._trace),
    (Determinant, Reader._determinant),
    (Eliminated, Reader._eliminated),
    (Piecewise, Reader._branches),
    ((AppliedUndef, Derivative), Reader._motion),
)


def _rebuilt(node: Basic, arguments: list[_Part]) -> _Part:
    expressions = [part.expression for part in arguments]
    if isinstance(node, MinMaxBase) and sum(not part.reads for part in arguments) <= 1:
        # SymPy compares every two arguments of a maximum, in 8 ms, which it has done when the formula was written.
        new = node.func(*expressions, evaluate=False)
    else:
        new = rebuild(node, expressions)
    replacement = canonical_node(new)
    return _Part(
        new if replacement is None else replacement,
        1 + sum(part.size for part in arguments),
        1 + max((part.depth for part in arguments), default=0),
        any(part.reads for part in arguments),
    )


def _measured(expression: Basic) -> _Part:
    if is_leaf(expression):
        return _Part(expression, reads=not isinstance(expression, sympy.Number))

    def step(_: Basic, arguments: list[tuple[int, int]]) -> tuple[int, int]:
        return 1 + sum(size for size, _ in arguments), 1 + max((depth for _, depth in arguments), default=0)

    return _Part(expression, *annotate(expression, step)[id(expression)])


def _bent(key: Sequence[Expr], moving: Sequence[Idx]) -> tuple[Idx, ...]:
    """The fewest indices at whose values all subscripts are sums of the others: of i·(i − 1)/2 + j it is i."""
    for count in range(1, len(moving)):
        for chosen in combinations(moving, count):
            at = dict.fromkeys(chosen, Integer(2))
            if all(affine(reindex(subscript, at)) is not None for subscript in key):
                return chosen
    return tuple(moving)


def _is_small(moving: Sequence[Idx]) -> bool:
    """Whether all values of indices can be gone through."""
    sizes = [extent(i) for i in moving]
    return is_fixed(sizes) and prod(sizes) <= ELEMENTS


def _runs_with(form: Affine, index: Idx) -> Idx | None:
    """The index i of what is at least 0, i − index + c; None of anything else."""
    if dict(form.coefficients).get(index) != -1 or sorted(factor for _, factor in form.coefficients) != [-1, 1]:
        return None
    return next(i for i, factor in form.coefficients if factor == 1)


def _within(guard: Expr, known: Collection[Idx]) -> Expr:
    """A condition, if these are all of its indices."""
    return guard if set(indices(guard)) <= {*known} else sympy.true


def _check_subscript(subscript: Expr, found: str) -> None:
    nodes = [*postorder(subscript)]
    if any(isinstance(leaf, (Indexed, Symbol)) for leaf in nodes) or not indices(subscript):
        read = next((leaf for leaf in nodes if isinstance(leaf, Indexed)), None)
        hint = (
            ""
            if read is None
            else f"; what is read is one integer, or a multiple of it with something added, 2*{read} + 1"
        )
        raise GraphError(f"{found}: the subscript {subscript} is neither an index nor an integer{hint}")


WITHIN = (
    "read it as padded(…, 0), in a sum that stops before, or in a branch of a Piecewise whose condition bounds the "
    "index, or give first and last elements equations of their own, as {h[t]: …, h[0]: …}"
)
"""What is written where a subscript leaves its axis."""


def _check_within(subscript: Expr, n: Extent, scope: Scope, shown: str) -> None:
    """Raise :class:`GraphError` unless a subscript is known to be on its axis wherever its value is asked for."""
    found = f"{scope.place} contains {shown}: the subscript {subscript}"
    limits, forms = ends(subscript, scope.guard), on_axis(subscript, n)
    if limits is None or forms is None:
        raise GraphError(f"{found} of an axis of {n} is no sum of indices, lengths and numbers")
    known, natural = Known.of(scope.guard), on_long_axes if indices(subscript) else is_natural
    least, greatest = limits
    if not all(known.says(form, natural) or natural(end) for form, end in zip(forms, (least, n - 1 - greatest))):
        raise GraphError(f"{found} has values from {least} to {greatest} on an axis of {n}; {WITHIN}")


def _is_sign_or_reciprocal(node: Basic) -> bool:
    """A negated or inverted symbol is part of the difference or quotient it is in: a − b and a/b are one operation."""
    if isinstance(node, Pow):
        return node.exp == -1 and is_leaf(node.base)
    return isinstance(node, Mul) and len(node.args) == 2 and node.args[0] == -1 and is_leaf(node.args[1])


def _inside_branches(nodes: Sequence[Basic], stop: Callable[[Basic], bool]) -> set[int]:
    """Nodes inside a ``Piecewise``: cut out, a branch not taken would be evaluated and could leak nan."""
    found: set[int] = set()
    for node in reversed(nodes):
        if not stop(node) and (isinstance(node, Piecewise) or id(node) in found):
            found.update(id(argument) for argument in node.args)
    return found


def _guarded_branches(
    expression: Basic, nodes: Sequence[Basic], may_be_absent: Callable[[Indexed], bool]
) -> Collection[int]:
    """Each ``Piecewise`` with something inside that becomes a vertex, a sum, or an element that may not be there."""
    choices = [node for node in nodes if isinstance(node, Piecewise)]
    if not choices:
        return ()

    def step(node: Basic, inside: list[bool]) -> bool:
        if isinstance(node, Indexed):
            return may_be_absent(node)
        return isinstance(node, OPAQUE) or any(inside)

    found = annotate(expression, step, is_opaque)
    return {id(node) for node in choices if found[id(node)]}
