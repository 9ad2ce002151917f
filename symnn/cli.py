"""The command line: train, predict, evaluate, solve, formulas, summary, check, compare, steps, report,
playground, compile, cache.

Bad input is one line on standard error and exit status 2; a failed check is exit status 1. Libraries that take long to
import are imported by the command that needs them.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import import_module
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from symnn import __version__
from symnn.errors import DataError, SpecError, SymnnError
from symnn.terminal import printing, say

if TYPE_CHECKING:
    from codegen.compare import Row
    from codegen.export import Files
    from symnn.checkpoint import Checkpoint
    from symnn.data import Dataset
    from symnn.network import Network
    from symnn.physics import Physics
    from symnn.physics_spec import SolverSpec
    from symnn.resuming import Keeping
    from symnn.solving import Solution
    from symnn.training import TrainingResult

app = typer.Typer(
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Neural networks as SymPy graphs: derived, printed, checked, compiled and trained.",
)


class Style(StrEnum):
    """How formulas are written."""

    text = "text"
    latex = "latex"
    sympy = "sympy"
    python = "python"
    c = "c"
    spreadsheet = "spreadsheet"


class Level(StrEnum):
    """How fine formulas are."""

    layers = "layers"
    neurons = "neurons"


@dataclass(frozen=True)
class Target:
    """What a network is written as, beside a Python module: its name in sentences, and what gives the files."""

    title: str
    module: str = "codegen.export"
    """Has ``generate``, which gives the files of a request for a target; imported when it is asked for."""
    machines: bool = False
    """Whether it is for a machine that ``triple`` names."""


TARGETS: Mapping[str, Target] = {
    "c": Target("C99"),
    "object": Target("an object file", machines=True),
    "javascript": Target("a JavaScript module"),
    "webassembly": Target("WebAssembly"),
    "onnx": Target("ONNX", "symnn.onnx.saving"),
}
"""By name on the command line."""
PYTHON = "python"
WRITTEN = f"A Python module, {', '.join(target.title for target in TARGETS.values())}."


class TargetName(StrEnum):
    """What a network is written as, by name: typer makes help and completion of it."""

    vars().update({name: name for name in (PYTHON, *TARGETS)})


class Precision(StrEnum):
    """The type of real numbers."""

    float64 = "float64"
    float32 = "float32"


ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on where the same command was broken off.")]
SpecArgument = Annotated[Path, typer.Argument(metavar="SPEC", help="A network spec, .yaml or .json.")]

SeparatorOption = Annotated[
    str | None, typer.Option(help="What separates cells: comma, semicolon, tab, bar or space; else recognised.")
]
DecimalOption = Annotated[str | None, typer.Option(help="The decimal point of numbers, '.' or ','.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"symnn {__version__}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that every command has; ``main`` looks at --debug itself."""


@app.command(epilog="Example: [bold]symnn train examples/digits.yaml --out runs/digits[/bold]")
def train(
    spec: SpecArgument,
    data: Annotated[
        Path | None, typer.Option(help="A .csv, .tsv, .parquet or .npz file instead of the spec's data.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of --data to predict.")] = None,
    separator: SeparatorOption = None,
    decimal: DecimalOption = None,
    missing: Annotated[str | None, typer.Option(help="What to do about missing cells: refuse, drop or mean.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column to leave out; may be repeated.")] = None,
    categorical: Annotated[
        list[str] | None, typer.Option(help="A column of numbers that are categories; may be repeated.")
    ] = None,
    sequences: Annotated[
        str | None,
        typer.Option(help="The column that says of which sequence a row is a step; in .npz the array of lengths."),
    ] = None,
    weights: Annotated[str | None, typer.Option(help="The column of how much each row counts.")] = None,
    out: Annotated[Path | None, typer.Option(help="A directory for model.safetensors and history.csv.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs instead of the spec's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed instead of the spec's.")] = None,
    dtype: Annotated[Precision, typer.Option(help="The type of real numbers.")] = Precision.float64,
    resume: ResumeOption = False,
) -> None:
    """Train a network and print how it does on data it has not seen; exit status 1 if no epoch was an improvement.

    With --out, the state of the run is kept beside the model, once a minute and when the process is asked to end.
    """
    made = out and out / "model.safetensors"
    with _interruptible(made):
        from symnn import checkpoint
        from symnn.training import train as run

        network = _network(spec)
        options: dict[str, Any] = {"separator": separator, "decimal": decimal, "missing": missing}
        options |= {"ignore": ignore or None, "categorical": categorical or None}
        options |= {"sequences": sequences, "weights": weights}
        said = {name: value for name, value in options.items() if value is not None}
        dataset = _dataset(network, spec, data, target, said)
        assert network.spec is not None
        changes = {k: v for k, v in (("epochs", epochs), ("seed", seed)) if v is not None}
        settings = network.spec.training.model_copy(update=changes)
        if out is not None:
            _make_directory(out)
        say(f"{spec}: {network.parameter_count:,} parameters, {dataset.name}: {_sizes(dataset)}")
    with _keeping(made, resume) as keeping:
        with _interruptible(made):
            result = run(network, dataset, settings, model=network.compile(dtype.value), state=keeping, resume=resume)
        if not result.improved:
            _end(keeping, result.stopped)
            say(f"symnn: {spec}: {_failure(result, settings.learning_rate)}; nothing is saved", sys.stderr)
            raise typer.Exit(1 if result.history else INTERRUPTED_STATUS)
        say(_course(result))
        if out is not None:
            checkpoint.save(out / "model.safetensors", network, result.theta, dataset=dataset, dtype=dtype.value)
            _write_history(out / "history.csv", result)
        for line in _held_out(result):
            say(line)
        if out is not None:
            say(f"saved {out / 'model.safetensors'} and {out / 'history.csv'}")
            _end(keeping, result.stopped, out / "model.safetensors", out / "history.csv")


@app.command(epilog="Example: [bold]symnn predict runs/iris/model.safetensors flowers.csv --out kinds.csv[/bold]")
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A trained network, model.safetensors.")],
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A .csv, .tsv, .parquet or .npz file with the columns it was trained on."),
    ],
    out: Annotated[Path | None, typer.Option(help="A .csv file for the rows instead of printing them.")] = None,
    proba: Annotated[bool, typer.Option("--proba/--no-proba", help="With the probability of each class.")] = True,
    separator: SeparatorOption = None,
    decimal: DecimalOption = None,
) -> None:
    """Predict every row of a file, read and scaled as in training: its class and probabilities, or its numbers."""
    from symnn import checkpoint
    from symnn.files import write_atomically
    from symnn.prediction import as_csv, predictions
    from symnn.tables import read_table

    if out is not None and (out.suffix != ".csv" or out.is_dir() or not out.parent.is_dir()):
        raise SpecError(f"--out: expected a file that ends in .csv in a directory that exists, found '{out}'")
    trained = checkpoint.load(model)
    names, rows = predictions(trained, read_table(file, (), trained.layout(separator, decimal)))
    if not proba and names[0] == "class":
        names, rows = names[:1], [row[:1] for row in rows]
    text = as_csv(names, rows)
    if out is None:
        say(text.removesuffix("\n"))
    else:
        write_atomically(out, text.encode())
        say(f"wrote {out} ({len(rows):,} rows)")


@app.command(epilog="Example: [bold]symnn evaluate runs/iris/model.safetensors flowers.csv[/bold]")
def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A trained network, model.safetensors.")],
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A .csv, .tsv, .parquet or .npz file with the columns it was trained on."),
    ],
    target: Annotated[
        list[str] | None, typer.Option(help="The column with the truth, unless it is called as in training.")
    ] = None,
    separator: SeparatorOption = None,
    decimal: DecimalOption = None,
) -> None:
    """Compare the predictions for a file with its target: by class, or R², errors and what the mean would give."""
    from symnn import checkpoint
    from symnn.tables import read_table

    trained = checkpoint.load(model)
    names = tuple(target or trained.target_names)
    if not names:
        raise DataError(f"{model}: does not say what was predicted, expected --target beside it")
    table = read_table(file, names, trained.layout(separator, decimal))
    say(f"{file}: {len(table.rows):,} rows" + ("" if table.lengths is None else f", {len(table.lengths):,} sequences"))
    say(trained.evaluate(table, targets=names))


@app.command(epilog="Example: [bold]symnn solve examples/burgers.yaml --out burgers.npz[/bold]")
def solve(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A spec with differential equations, .yaml or .json.")],
    out: Annotated[Path | None, typer.Option(help="An .npz file for the parameters, by name.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="An .html file: the solution, its error, residuals, the course, the points.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(min=0, help="Iterations of the last method instead of the spec's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed instead of the spec's.")] = None,
    resume: ResumeOption = False,
) -> None:
    """Solve differential equations by a network whose loss is what they leave over; print what is left.

    With --out, the state of the run is kept beside the file, once a minute and when the process is asked to end.
    """
    with _interruptible(out):
        import io

        import numpy as np

        from symnn.files import write_atomically
        from symnn.physics import Physics
        from symnn.references import reference_of
        from symnn.resuming import INTERRUPTED
        from symnn.solving import coefficients, points_of, solve_spec
        from symnn.stages import tangent, tangent_points

        if out is not None and (out.suffix != ".npz" or out.is_dir() or not out.parent.is_dir()):
            raise SpecError(f"--out: expected a file that ends in .npz in a directory that exists, found '{out}'")
        if report is not None and (report.suffix != ".html" or report.is_dir() or not report.parent.is_dir()):
            raise SpecError(
                f"--report: expected a file that ends in .html in a directory that exists, found '{report}'"
            )
        physics = Physics.from_spec(spec)
        assert physics.spec is not None
        settings = physics.spec.solver.changed(iterations, seed)
        count = physics.parameter_count
        sizes = ", ".join(
            f"{name} {part.points:,}" if part.points else f"{name} of a file"
            for name, part in physics.spec.on_points.items()
        )
        say(f"{spec}: {count:,} parameters, points: {sizes}")
    if physics.spec.slabs:
        with _interruptible(out):
            _march(physics, settings, spec, out, report, resume)
        return
    with _keeping(out, resume) as keeping:
        with _interruptible(out):
            found, losses = solve_spec(physics, settings, keeping, resume, directory=spec.parent)
            if found.stopped == INTERRUPTED and not found.iterations:
                raise KeyboardInterrupt
            second = None
            if physics.spec.tangent is not None and found.stopped != INTERRUPTED:
                others = tangent_points(physics.spec, settings.seed, spec.parent)
                second = tangent(physics.compile(), found.theta, *others)
                losses = dict(second.losses)
        if out is not None:
            buffer = io.BytesIO()
            parameters = physics.split(found.theta) if second is None else second.parameters
            np.savez(buffer, allow_pickle=False, **parameters)
            write_atomically(out, buffer.getvalue())
        say(f"loss {found.loss:.3e} after {found.iterations:,} iterations in {found.seconds:.1f} s ({found.stopped})")
        if second is not None:
            say(f"second stage: loss {second.loss:.3e} where the first has {second.before:.3e}, on other points")
            found = second.after(found)
        for name, loss in losses.items():
            weight = physics.spec.residuals[name].weight
            say(f"{name}: root mean square of the residual {(loss / weight) ** 0.5:.2e}")
        if physics.coefficients:
            model = physics.compile()
            problem = model.least_squares(*points_of(physics.spec, settings.seed, spec.parent))
            for name, (value, deviation) in coefficients(model, problem, found.theta).items():
                noise = f" ± {deviation:.2g}, by the noise of what was measured" if deviation >= 0 else ""
                say(f"{name} = {value:.7g}{noise}")
        reference = reference_of(physics, settings.seed, spec.parent)
        if reference is not None:
            model = physics.compile()
            errors = second.errors(reference) if second is not None else reference.errors(model, found.theta)
            for name, off in errors.items():
                say(f"{name}: relative L2 error {off:.2e} against {reference.said}")
        if report is not None:
            from symnn.report.solved import Single, points_by_name, solved

            points = points_by_name(physics, points_of(physics.spec, settings.seed, spec.parent))
            field = Single(physics.compile(), found.theta) if second is None else second
            page = solved(field, found, spec.stem, points, reference)
            write_atomically(report, page.encode())
            say(f"saved {report}")
        if out is not None:
            say(f"saved {out}")
            _end(keeping, found.stopped, out)


def _march(
    physics: Physics, settings: SolverSpec, spec: Path, out: Path | None, report: Path | None, resume: bool
) -> None:
    """One slab after the other."""
    import io

    import numpy as np

    from symnn.files import write_atomically
    from symnn.marching import march
    from symnn.references import reference_of
    from symnn.resuming import INTERRUPTED

    def each(number: int, found: Solution) -> None:
        say(f"slab {number + 1}: loss {found.loss:.3e} after {found.iterations:,} iterations in {found.seconds:.1f} s")

    reference = reference_of(physics, settings.seed, spec.parent)
    with _keeping(out, resume) as keeping:
        found = march(physics, settings, each=each, state=keeping, resume=resume)
        if found.solutions[-1].stopped == INTERRUPTED and not found.whole.iterations:
            raise KeyboardInterrupt
        if found.until < inf:
            page = "" if report is None else "; there is a page of all slabs only"
            say(f"interrupted: {len(found.solutions)} slabs were solved, up to {found.until:g}{page}")
        elif reference is not None:
            for name, off in found.errors_against(reference).items():
                say(f"{name}: relative L2 error {off:.2e} against {reference.said}")
        if report is not None and found.until == inf:
            from symnn.report.solved import points_by_name, solved
            from symnn.solving import points_of

            assert physics.spec is not None
            points = points_by_name(physics, points_of(physics.spec.first_slab(), settings.seed, spec.parent))
            first = {f"{name}, first slab": where for name, where in points.items()}
            page = solved(found, found.whole, spec.stem, first, reference)
            write_atomically(report, page.encode())
            say(f"saved {report}")
        if out is not None:
            buffer = io.BytesIO()
            theta = found.theta
            each_slab = {p.name: theta[:, p.where].reshape(-1, *p.shape) for p in physics.layout.values()}
            np.savez(buffer, allow_pickle=False, **each_slab)
            write_atomically(out, buffer.getvalue())
            say(f"saved {out}, with the slabs first")
            _end(keeping, found.whole.stopped, out)


@app.command(epilog="Example: [bold]symnn formulas examples/digits.yaml --format latex[/bold]")
def formulas(
    spec: Annotated[
        Path, typer.Argument(metavar="SPEC", help="A network spec, .yaml or .json; with --numbers model.safetensors.")
    ],
    style: Annotated[
        Style,
        typer.Option("--format", help="Plain text or LaTeX; with --numbers also code or a spreadsheet's formula."),
    ] = Style.text,
    level: Annotated[Level, typer.Option(help="One formula a layer, or one a neuron.")] = Level.layers,
    numbers: Annotated[bool, typer.Option("--numbers", help="A trained network with its weights as numbers.")] = False,
    digits: Annotated[
        int | None, typer.Option(min=1, max=17, help="With --numbers: round to so many significant digits.")
    ] = None,
    prune: Annotated[
        float, typer.Option(min=0, max=1, help="With --numbers: leave out weights below this part of the largest.")
    ] = 0.0,
    data: Annotated[
        Path | None, typer.Option(help="With --numbers: a file with targets, on which each step's loss is computed.")
    ] = None,
) -> None:
    """Print the forward pass, the loss and every derived gradient formula, after sharing.

    With --numbers, print the formula that a trained network is, and on standard error what each simplification costs.
    """
    if numbers:
        _closed_form(spec, style, digits, prune, data)
        return
    given = {"--digits": digits is not None, "--prune": prune > 0, "--data": data is not None}
    for option in (name for name, found in given.items() if found):
        raise SpecError(f"{option}: expected --numbers beside it")
    if style not in (Style.text, Style.latex):
        raise SpecError(f"--format: found '{style}', expected --numbers beside it, or text or latex")
    from symnn.inspect import formulas as render

    say(render(_network(spec), level=level.value, style=style.value))  # type: ignore[arg-type]  # it says what it knows


def _closed_form(model: Path, style: Style, digits: int | None, prune: float, data: Path | None) -> None:
    from symnn import checkpoint
    from symnn.closed_form import closed_form, price, simplified
    from symnn.tables import read_table

    trained = checkpoint.load(model)
    steps = simplified(trained, digits=digits, smallest=prune)
    table = None if data is None else read_table(data, trained.target_names, trained.layout())
    say(price(trained, steps, table), sys.stderr)
    say(closed_form(trained, steps[-1], style.value))


@app.command(epilog="Example: [bold]symnn summary examples/digits.yaml[/bold]")
def summary(spec: SpecArgument) -> None:
    """Print the layers, the shapes between them, their parameters and the operations of a prediction for one sample."""
    say(_network(spec).summary())


@app.command(epilog="Example: [bold]symnn check examples/digits.yaml[/bold]")
def check(
    spec: SpecArgument,
    samples: Annotated[int, typer.Option(min=1, help="Random samples to check on.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Seed of parameters and samples.")] = 0,
    exact: Annotated[bool, typer.Option("--exact", help="Also against mpmath at 50 digits (slow).")] = False,
    dtype: Annotated[Precision, typer.Option(help="The type of real numbers.")] = Precision.float64,
) -> None:
    """Check the compiled gradient against numerical derivatives; exit status 1 if it is wrong."""
    from symnn.verify import METHODS
    from symnn.verify import check as verify

    methods = (*METHODS, "exact") if exact else METHODS
    report = verify(_network(spec), methods=methods, dtype=dtype.value, samples=samples, seed=seed)
    say(report)
    undefined = [row.parameter for row in report.rows if not isfinite(row.analytic)]
    if undefined:
        say(f"the gradient is not finite at this point: {', '.join(dict.fromkeys(undefined))}")
    if undefined or not report.passed:
        raise typer.Exit(1)


@app.command(epilog="Example: [bold]symnn compare examples/xor.yaml --out report.md[/bold]")
def compare(
    spec: Annotated[
        Path | None, typer.Argument(metavar="[SPEC]", help="A network spec; functions and small networks without.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Random samples to compare on.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of parameters and samples.")] = 0,
    dtype: Annotated[Precision | None, typer.Option(help="The type of real numbers; both unless given.")] = None,
    only: Annotated[str, typer.Option(metavar="TEXT", help="Only rows whose name contains the text.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Without SPEC: a few rows in float64, in seconds.")] = False,
    out: Annotated[Path | None, typer.Option(help="A file for the table in Markdown.")] = None,
) -> None:
    """Compare every derivative by every oracle, emitter and schedule; exit status 1 if any disagrees."""
    from codegen.compare import compare as run
    from symnn.compare import DTYPES, QUICK, default_rows, network_rows
    from symnn.files import write_atomically

    if out is not None and not out.parent.is_dir():
        raise SpecError(f"--out: there is no directory '{out.parent}'")
    dtypes = DTYPES if dtype is None else (dtype.value,)
    if spec is not None:
        network = _network(spec)
        rows = [row for d in dtypes for row in network_rows(network, spec.stem, dtype=d, samples=samples, seed=seed)]
    elif quick:
        rows = list(default_rows(QUICK, (dtypes[0],), samples, seed))
    else:
        rows = list(default_rows(dtypes=dtypes, samples=samples, seed=seed))
    chosen = [row for row in rows if only in row.title]
    if not chosen:
        raise SpecError(f"--only: no row's name contains '{only}', expected a part of one like '{rows[0].title}'")
    found = run(_counted(chosen))
    say(found)
    if out is not None:
        write_atomically(out, found.markdown().encode())
        say(f"wrote {out}")
    if not found.passed:
        raise typer.Exit(1)


def _counted(rows: list[Row]) -> Iterator[Row]:
    """The rows, each announced on the terminal while it is worked on."""
    shown = sys.stderr.isatty()
    for number, row in enumerate(rows, 1):
        if shown:
            print(f"\r\x1b[K{number} of {len(rows)}: {row.title}", end="", file=sys.stderr, flush=True)
        yield row
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@app.command(epilog="Example: [bold]symnn steps examples/xor.yaml --input 1,0 --label 1[/bold]")
def steps(
    spec: SpecArgument,
    inputs: Annotated[str, typer.Option("--input", help="The features of one sample, separated by commas.")],
    label: Annotated[
        str | None, typer.Option(help="The class of the sample: its number, or its name in --weights.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The target row of the sample, separated by commas.")] = None,
    weights: Annotated[Path | None, typer.Option(help="A saved network instead of random parameters.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random parameters.")] = 0,
) -> None:
    """Show the forward and backward pass with numbers: values, local derivatives, accumulated gradients."""
    from symnn.checkpoint import Checkpoint
    from symnn.inspect import steps as trace

    network = _network(spec)
    trained = _trained(weights, network) if weights else Checkpoint(network, network.initial_parameters(seed))
    values = _sample(trained, inputs, label, target)
    for name, scaling in (("x", trained.scaling), ("y", trained.target_scaling)):
        if scaling is not None:
            say(f"{name} is standardised as in training: (given − mean) / scale")
    say(trace(network, values, of="loss"))


@app.command(epilog="Example: [bold]symnn report examples/digits.yaml --out digits.html[/bold]")
def report(
    spec: SpecArgument,
    out: Annotated[Path, typer.Option(help="The .html file to write.")],
    model: Annotated[
        Path | None, typer.Option(help="A trained network, model.safetensors, instead of training one for the page.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="A .csv, .tsv, .parquet or .npz file instead of the spec's data.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of --data to predict.")] = None,
) -> None:
    """Write one page that holds everything and needs no network: formulas, both passes step by step, paths, code, the
    gradient check, training and mistakes.

    Without --model the network is trained on the data, if there are any, and followed while it learns.
    """
    from symnn.files import write_atomically
    from symnn.report import report as render
    from symnn.report.example import as_trained
    from symnn.report.learning import read_history

    _require_page(out)
    network = _network(spec)
    described = network.spec.data if network.spec else None
    dataset = _dataset(network, spec, data, target, {}) if data is not None or described is not None else None
    theta, history = None, []
    if model is not None:
        trained = _trained(model, network)
        theta, beside = trained.theta, model.parent / "history.csv"
        dataset = None if dataset is None else as_trained(dataset, trained)
        history = read_history(beside) if beside.is_file() else []
    page = render(network, spec.stem, theta=theta, dataset=dataset, history=history).encode()
    write_atomically(out, page)
    say(f"wrote {out} ({len(page):,} bytes)")


@app.command(epilog="Example: [bold]symnn playground[/bold]")
def playground(
    spec: Annotated[Path | None, typer.Argument(help="The network to begin with, with its data.")] = None,
    out: Annotated[Path | None, typer.Option(help="The .html file to write; no server then.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 is any port that is free.")] = 0,
) -> None:
    """Show a network that learns in the browser, and can be changed there, by the code that is compiled for it.

    A server on this machine, for this machine alone, makes the code; Ctrl-C ends it. With --out there is none, and the
    page has the networks of its presets. Where there is a linker for WebAssembly, code comes as that too.
    """
    from codegen.runtime.linker import linker
    from symnn.files import write_atomically
    from symnn.report.playground import playground as render
    from symnn.report.server import Server

    if out is not None:
        _require_page(out)
    network = None if spec is None else _network(spec)
    described = None if network is None or network.spec is None else network.spec.data
    dataset = None if network is None or spec is None or described is None else _dataset(network, spec, None, None, {})
    page = render(network, dataset, server=out is None, webassembly=linker() is not None)
    if out is not None:
        write_atomically(out, page.encode())
        say(f"wrote {out} ({len(page.encode()):,} bytes)")
        return
    try:
        server = Server(page, port)
    except OSError as error:
        raise SpecError(f"--port: {port} cannot be listened on: {error.strerror or error}") from None
    with server:
        try:
            say(f"the playground is at {server.link}")
            say("Ctrl-C ends it")
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")


def _require_page(out: Path) -> None:
    if out.suffix != ".html" or out.is_dir() or not out.parent.is_dir():
        raise SpecError(f"--out: expected a file that ends in .html in a directory that exists, found '{out}'")


@app.command("compile", epilog="Example: [bold]symnn compile examples/digits.yaml --target c --out digits[/bold]")
def compile_command(
    spec: Annotated[
        Path, typer.Argument(metavar="SPEC", help="A network spec, .yaml or .json, or a trained one, .safetensors.")
    ],
    out: Annotated[Path, typer.Option(help="The Python file to write, or else the directory.")],
    target: Annotated[TargetName, typer.Option(help=WRITTEN)] = PYTHON,  # type: ignore[assignment]
    model: Annotated[
        Path | None, typer.Option(help="A trained network, model.safetensors, whose weights go into the code.")
    ] = None,
    dtype: Annotated[
        Precision | None, typer.Option(help="The type of real numbers; float64, or that of the model, unless given.")
    ] = None,
    triple: Annotated[
        str | None,
        typer.Option(help="Another machine for an object file, such as aarch64-linux-gnu."),
    ] = None,
) -> None:
    """Write the network with a self-test: a Python module that needs numpy and numba only, C99, an object file, a
    module of JavaScript, or WebAssembly with a module that calls it; or a file of ONNX.

    Of a spec alone the Python module has forward and value_and_grad, all others one function, value and gradient. Of a
    trained network, or with --model, all have the prediction for raw rows, with its weights and scaling inside.
    """
    if spec.suffix != ".safetensors":
        network = _network(spec)
        trained = None if model is None else _trained(model, network)
    elif model is not None:
        raise SpecError(f"--model: found {model} beside the model {spec}, expected one of them")
    else:
        from symnn import checkpoint

        trained = checkpoint.load(spec)
        network = trained.layered
    if triple is not None and not (target in TARGETS and TARGETS[target].machines):
        raise SpecError("--triple: expected --target object beside it")
    if target in TARGETS:
        _export(network, spec.stem, out, trained, dtype, target, triple)
        return
    from symnn.files import write_atomically
    from symnn.standalone import standalone, standalone_prediction

    if out.suffix != ".py":
        raise SpecError(f"--out: expected a file that ends in .py, found '{out}'")
    if not out.parent.is_dir():
        raise SpecError(f"--out: there is no directory '{out.parent}'")
    if trained is None:
        source = standalone(network, (dtype or Precision.float64).value)
    else:
        source = standalone_prediction(trained, None if dtype is None else dtype.value)
    write_atomically(out, source.encode())
    say(f"wrote {out} ({len(source.splitlines())} lines); run it for its self-test: python {out}")


def _export(
    network: Network,
    name: str,
    out: Path,
    trained: Checkpoint | None,
    dtype: Precision | None,
    target: str,
    triple: str | None,
) -> None:
    """Write code into a directory, which is made if everything that goes there can be."""
    from codegen.export import write_together
    from symnn.export import gradient_request, prediction_request

    if out.exists() and not out.is_dir():
        raise SpecError(f"--out: expected a directory, found the file '{out}'")
    chosen = None if dtype is None else dtype.value
    if trained is None:
        request = gradient_request(network, name, chosen or "float64")
    else:
        request = prediction_request(trained, name, chosen)
    try:
        generate: Callable[..., Files] = import_module(TARGETS[target].module).generate
    except ImportError as error:
        raise SpecError(f"--target: {error}") from None
    files = generate(replace(request, triple=triple), target)
    _make_directory(out)
    for path in write_together(out, files):
        content = files[path.name]
        size = f"{len(content):,} bytes" if isinstance(content, bytes) else f"{len(content.splitlines()):,} lines"
        say(f"wrote {path} ({size})")
        if path.name.endswith("_test.mjs"):
            say(f"test: node {path}")
    if "CMakeLists.txt" in files:
        build = out / "build"
        say(f"build and test: cmake -S {out} -B {build} && cmake --build {build} && ctest --test-dir {build}")


# --- runs that can be broken off ----------------------------------------------------------------------------------

INTERRUPTED_STATUS, TERMINATED_STATUS = 128 + signal.SIGINT, 128 + signal.SIGTERM
"""The exit statuses that a shell gives commands which Ctrl-C and SIGTERM have ended."""


@contextmanager
def _keeping(output: Path | None, resume: bool) -> Iterator[Keeping]:
    """Where the state of a run that makes a file is kept; SIGTERM ends the run when its state is written."""
    from symnn.resuming import Keeping, Terminated, state_path

    if output is None:
        if resume:
            raise SpecError("--resume: expected --out beside it, where the state of the run is kept, found none")
        yield Keeping(None)
        return
    path = state_path(output)
    asked = threading.Event()
    before = signal.getsignal(signal.SIGTERM)
    # Who has it ignored wants that; only the main thread may set handlers.
    handled = threading.current_thread() is threading.main_thread() and before not in (None, signal.SIG_IGN)
    if handled:
        signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        with Keeping(path, asked=asked.is_set) as keeping:
            if resume:
                none = f"there is no {path} to go on from: this is the beginning"
                say(f"going on from {path}" if path.exists() else none)
            yield keeping
    except Terminated:
        goes_on = f"the same command with --resume goes on, from {path}" if path.exists() else "before its first step"
        say(f"symnn: terminated: {goes_on}", sys.stderr)
        raise typer.Exit(TERMINATED_STATUS) from None
    finally:
        if handled:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _interruptible(output: Path | None) -> Iterator[None]:
    """Say what Ctrl-C leaves of a run that makes a file, where it comes before there is anything to end with."""
    try:
        yield
    except KeyboardInterrupt:
        from symnn.resuming import state_path

        state = output and state_path(output)
        goes_on = f"the same command with --resume goes on, from {state}"
        say(f"symnn: interrupted: {goes_on if state and state.exists() else 'nothing was computed yet'}", sys.stderr)
        raise typer.Exit(INTERRUPTED_STATUS) from None


def _end(keeping: Keeping, stopped: str, *made: Path) -> None:
    """What the run has made is saved: its state is of no more use, unless it was broken off."""
    from symnn.files import remove_leftovers

    for path in made:
        remove_leftovers(path)  # of a run that was killed while it saved
    keeping.end(stopped)
    if keeping.path is not None and keeping.path.exists():
        say(f"the same command with --resume goes on, from {keeping.path}")


# --- from options to objects --------------------------------------------------------------------------------------


def _network(spec: Path) -> Network:
    from symnn.network import Network

    return Network.from_spec(spec)


def _dataset(network: Network, spec: Path, file: Path | None, target: str | None, options: dict[str, Any]) -> Dataset:
    """The data of a file or else of the spec; ``options`` say how a file is read, before the spec does."""
    from symnn.data import BUILTIN, load_file
    from symnn.spec import FILE_FIELDS

    described = network.spec.data if network.spec else None
    if described is not None and described.file is not None:
        options = {name: getattr(described, name) for name in FILE_FIELDS} | options
    if file is not None:
        if target is None:
            target = described.target if described else None  # type: ignore[assignment]
        if target is None:
            raise DataError("--data: expected --target, the column to predict, beside it")
        return load_file(file, target, task=_task(network), **options)
    if described is None:
        raise DataError(f"{spec}: data: expected a data set to train on, found none; give one here or with --data")
    split: dict[str, Any] = {
        "seed": described.seed,
        "validation_fraction": described.validation_fraction,
        "test_fraction": described.test_fraction,
    }
    if described.name is not None:
        if options:
            raise DataError(f"--{next(iter(options))}: expected --data or a file in {spec} beside it, found neither")
        return BUILTIN[described.name](**split)
    assert described.file is not None
    assert described.target is not None
    # A relative path in a spec is relative to the spec.
    task = _task(network) if described.task == "auto" else described.task
    return load_file(spec.parent / described.file, described.target, task=task, **options, **split)


def _task(network: Network) -> Literal["classification", "regression"]:
    """What the loss wants of the target column: 0, 1, 2 … may be classes or numbers."""
    labelled = network.plain_targets or (network.takes_sequences and network.loss_row.target == "labels")
    return "classification" if labelled and network.reading != "values" else "regression"


def _trained(path: Path, network: Network) -> Checkpoint:
    from symnn import checkpoint

    loaded = checkpoint.load(path)
    if loaded.network.forward_graph != network.forward_graph:
        raise SymnnError(f"{path}: holds the parameters of another network than the spec's")
    return loaded


def _numbers(option: str, text: str, count: int) -> list[float]:
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        raise DataError(f"{option}: expected numbers separated by commas, found '{text[:60]}'") from None
    if not all(isfinite(number) for number in numbers):
        raise DataError(f"{option}: expected finite numbers, found '{text[:60]}'")
    if len(numbers) != count:
        raise DataError(f"{option}: expected {count} numbers, found {len(numbers)}")
    return numbers


def _sample(trained: Checkpoint, inputs: str, label: str | None, target: str | None) -> dict[str, Any]:
    """The values of the network's inputs at one sample, scaled as the network was trained."""
    import numpy as np

    network = trained.network
    given = np.array([_numbers("--input", inputs, network.features)])
    (part,) = trained.samples_of(given, np.array([1]) if network.takes_sequences else None).parts
    x = dict(zip((variable.name for variable in network.input_variables), part.arrays))
    return {**network.unmerged(trained.theta), **x, "y": _target(trained, label, target)}


def _target(trained: Checkpoint, label: str | None, target: str | None) -> Any:
    import numpy as np

    network = trained.layered
    if network.steps != "all":
        raise DataError(f"steps: found {network.steps!r}, expected a network whose loss takes all steps")
    if network.target.kind == "integer":
        return [_class(trained, label)]
    if target is None:
        raise DataError(f"--target: expected {network.outputs} numbers separated by commas, found none")
    return trained.standardise_targets(np.array([_numbers("--target", target, network.outputs)]))


def _class(trained: Checkpoint, label: str | None) -> int:
    """The number of a class that is given by its name or, where it is the name of none, by its number."""
    from symnn.suggest import listing, quote

    names, count = trained.classes or (), trained.network.outputs
    if label in names:
        return names.index(label)
    if label is not None and label.isdecimal() and len(label) < 10 and int(label) < count:
        return int(label)
    found = "none" if label is None else quote(label)
    known = f", or its name {listing(names)}" if names else "; --weights knows the names of a trained network's classes"
    raise DataError(f"--label: expected a class from 0 to {count - 1}, found {found}{known}")


def _make_directory(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)


# --- output -------------------------------------------------------------------------------------------------------


def _sizes(dataset: Dataset) -> str:
    parts = ((getattr(dataset, name).samples, name) for name in ("train", "validation", "test"))
    dropped = f" (rows with missing cells left out: {dataset.dropped:,})" if dataset.dropped else ""
    return ", ".join(f"{count:,} {name}" for count, name in parts) + dropped


def _course(result: TrainingResult) -> str:
    if not result.history:
        return f"{result.stopped} before the first epoch was done"
    last = result.history[-1]
    return (
        f"{result.stopped} after {last.number} epochs in {sum(e.seconds for e in result.history):.2f} s "
        f"({result.samples_per_second:,.0f} samples a second); best epoch {result.best_epoch}"
    )


def _held_out(result: TrainingResult) -> list[str]:
    lines = []
    if result.test_loss is not None:
        accuracy = "" if result.test_accuracy is None else f", accuracy {result.test_accuracy:.2%}"
        lines.append(f"held-out data: loss {result.test_loss:.4g}{accuracy}")
    elif not len(result.dataset.test.x):
        best = result.history[result.best_epoch - 1]
        held = best.validation_loss is not None
        right = best.validation_accuracy if held else best.fitted_accuracy
        accuracy = "" if right is None else f", accuracy {right:.2%}"
        lines.append(f"no held-out data; {'validation' if held else 'training'} rows: loss {best.score:.4g}{accuracy}")
    if result.test_fit is not None:
        columns = zip(*(getattr(result.test_fit, name).tolist() for name in ("r2", "error", "baseline")), strict=True)
        for number, (r2, error, baseline) in enumerate(columns):
            name = "" if len(result.test_fit.r2) == 1 else f"output[{number}], "
            lines.append(
                f"  {name}R² {r2:.3g}, root mean square error {error:.4g}; predicting the mean: {baseline:.4g}"
            )
    return lines


def _failure(result: TrainingResult, learning_rate: float) -> str:
    """Why there is nothing to keep, where no epoch was better than the untrained network."""
    if result.stopped == "diverged":
        last = result.history[-1]
        return f"diverged in epoch {last.number}, loss {last.score:g}; try a learning_rate below {learning_rate:g}"
    if not result.history:
        return f"{result.stopped} before the first epoch was done"
    best = min(epoch.score for epoch in result.history)
    return (
        f"none of {len(result.history)} epochs was better than the untrained network, the best has loss {best:g}; "
        f"try a learning_rate below {learning_rate:g}"
    )


def _write_history(path: Path, result: TrainingResult) -> None:
    from symnn.files import write_atomically

    columns = ("number", "training_loss", "validation_loss", "validation_accuracy", "seconds")
    rows = [",".join("" if (v := getattr(e, c)) is None else repr(v) for c in columns) for e in result.history]
    write_atomically(path, "\n".join([",".join(columns), *rows, ""]).encode())


@app.command(epilog="Example: [bold]symnn cache --clear[/bold]")
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all that no process holds.")] = False,
) -> None:
    """Show where compiled functions are kept and what they take, or remove them."""
    from codegen.errors import CacheError
    from codegen.runtime.store import MEGABYTE, SIZE_VARIABLE, cache_directory, prune, size_limit, stored

    root = cache_directory()
    try:
        entries = stored(root)
    except OSError as error:
        raise CacheError(f"the cache is refused and left as it is: {error}") from None
    size = sum(entry.size for entry in entries) / MEGABYTE
    limit = f"at most {size_limit() / MEGABYTE:,.0f} ({SIZE_VARIABLE})"
    say(f"{root}: {len(entries):,} compiled functions, {size:,.1f} million bytes, {limit}")
    if clear:
        say(f"removed {prune(root, 0) / MEGABYTE:,.1f} million bytes")


# --- entry --------------------------------------------------------------------------------------------------------


UsageError = cast("type[Exception]", typer.BadParameter.__base__)
"""Click's, of the copy that Typer uses."""


def main() -> None:
    """Run the command line; errors of input and of usage end in one line and exit status 2."""
    # Python looks for cycles after every 700 new objects, through all of a million in the end: 0.2 s of compiling 1.6.
    gc.set_threshold(100_000, 50)
    status = 0
    with printing():
        status = _run(sys.argv[1:])
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    """The exit status."""
    warnings.showwarning = lambda message, *_, **__: say(f"symnn: warning: {message}", sys.stderr)
    try:
        # --debug may stand anywhere.
        chosen = [a for a in arguments if a != "--debug"] or ["--help"]
        return app(chosen, prog_name="symnn", standalone_mode=False) or 0
    except SystemExit as error:
        # Typer makes exit status 1 of a reader that has gone.
        raise (error.__context__ if isinstance(error.__context__, BrokenPipeError) else error) from None
    except UsageError as error:
        say(f"symnn: {_usage(error)}", sys.stderr)
    except Exception as error:
        if "--debug" in arguments or not _is_mistake(error):
            raise
        say(f"symnn: {_one_line(error)}", sys.stderr)
    return 2


def _is_mistake(error: Exception) -> bool:
    """Whether an error says what is wrong with the input."""
    if isinstance(error, (SymnnError, OSError)):
        return True
    from codegen.errors import CodegenError  # brings SymPy and LLVM, which --help and a wrong option do without

    return isinstance(error, CodegenError)


def _usage(error: Any) -> str:
    """What is wrong with the arguments, and where they are described."""
    path = error.ctx.command_path if error.ctx else "symnn"
    return f"{' '.join(error.format_message().split())} (see {path} --help)"


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
