"""Hostile specs: each is loaded within two seconds and half a gigabyte, or refused in one line; all of it is built
from one that loads, its network, fingerprint, formulas and gradient, within stated limits too.

They are generated from the number of the try, written to a file as YAML or JSON, and loaded in a child with limits on
processor time and memory; the child says what it took.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.attacks.outcome import SECONDS, Outcome, run

PROCESSOR_SECONDS, MEGABYTES = 2.0, 512
"""What loading one spec may take, the imports apart."""
BUILD_SECONDS, BUILD_MEGABYTES = 20.0, 2_000
"""What it may take to build all that is made of one that loads: of 1,000 layers, and 20,000 characters of formulas."""
ALL, SAMPLE_LAYERS = 500, 10
"""Of fewer tries, only networks of so many layers are built: a thousand layers take seconds."""

PROGRAM = """
import pathlib, resource, sys, time
from codegen.runtime.fingerprint import fingerprint
from symnn import Network, SpecError
from symnn.inspect import formulas
from symnn.spec import load_spec
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
mark, status = pathlib.Path("/proc/self/clear_refs"), pathlib.Path("/proc/self/status")
def lowered():
    # The most memory since now. Elsewhere than on Linux it is that since the start of this process or of its parent.
    if mark.exists():
        mark.write_text("5")
    return peak()
def peak():
    if not mark.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return int(status.read_text().split("VmHWM:")[1].split()[0]) // 1024
most = int(sys.argv[1])
for path in sys.argv[2:]:
    before, started = lowered(), time.process_time()
    # A minute of processor time, from now on.
    resource.setrlimit(resource.RLIMIT_CPU, (int(started) + 61, resource.RLIM_INFINITY))
    spec, built = None, (0.0, 0)
    try:
        spec = load_spec(path)
        answer = "loaded"
    except SpecError as error:
        answer = "refused in %d lines" % (str(error).count(chr(10)) + 1)
    except BaseException as error:
        answer = type(error).__name__
    loaded = time.process_time() - started, peak() - before
    if spec is not None and len(spec.layers) <= most:
        before, started = lowered(), time.process_time()
        try:
            network = Network.from_spec(spec)
            fingerprint(network.graph)
            str(formulas(network))
            network.gradient_graph
        except SpecError as error:
            answer = "refused in %d lines" % (str(error).count(chr(10)) + 1)
        except BaseException as error:
            answer = "loaded, but " + type(error).__name__
        built = time.process_time() - started, peak() - before
    print(*loaded, *built, answer, flush=True)
"""


# --- what they are made of ----------------------------------------------------------------------------------------

NESTED = (
    "gelu({})", "gelu_tanh({})", "softplus({})", "leaky_relu({})", "elu({})", "abs({})", "maximum({}, x)", "silu({})",
    "xlogy({}, x)", "sqrt({}**2 + 1)", "tanh({})", "sin({})**2", "1/(1 + exp(-{}))", "log(1 + exp({}))", "erf({})",
    "minimum({}, 2*x, -x)", "({} + 1)**3", "x*sigmoid({})", "cosh({})", "exp({})", "({})*({})", "{}**64", "frac({})",
)  # fmt: skip
NUMBERS = ("1e308", "-1e400", "9" * 400, "1:1:1:1", "0x10", ".inf", "1e-320", "2**63", "00", "1_000", "true", "~")
VALUES: Sequence[Any] = (
    0,
    -1,
    2**63,
    1e308,
    "",
    "x" * 100_000,
    [],
    {},
    None,
    True,
    [[[[]]]],
    "\u0000",
    "tanh",
    1_000_000,
)


def _formula(r: random.Random) -> str:
    """Functions inside one another, as deep as a formula may be or a little deeper."""
    text = "x"
    kinds = r.sample(NESTED, r.randint(1, 4))
    for _ in range(r.choice([1, 3, 14, 28, 31, 200])):
        new = r.choice(kinds).replace("{}", text)
        if len(new) > 1_000:
            break
        text = new
    return text


def _network(layers: list[Any], **more: Any) -> dict[str, Any]:
    return {"inputs": 3, "layers": layers, "loss": "mean_squared_error", **more}


def _deep_formulas(r: random.Random) -> str:
    """A formula of its own in each of many layers."""
    count = r.choice([1, 10, 1_000])
    return json.dumps(_network([{"dense": 1, "activation": {"formula": _formula(r)}} for _ in range(count)]))


def _many_layers(r: random.Random) -> str:
    layer = {"dense": r.choice([1, 2, 1_000_000]), "activation": r.choice(["tanh", "gelu", {"elu": {"alpha": 1e308}}])}
    return json.dumps(_network([layer] * r.choice([999, 1_000, 1_001, 30_000])))


def _many_fields(r: random.Random) -> str:
    fields = {f"{'n' * r.choice([1, 50])}{n}": r.choice(VALUES) for n in range(r.choice([10, 5_000]))}
    return json.dumps({**_network([{"dense": 1}]), **fields})


def _changed(r: random.Random) -> str:
    spec = _network([{"dense": 2, "activation": "tanh"}, {"dense": 1}], training={"seed": 1}, weight_decay=0.1)
    part = r.choice([spec, spec["layers"][0], spec["training"]])
    part[r.choice([*part, "data", "formula", "x" * 10_000])] = r.choice(VALUES)
    return json.dumps(spec)


def _deep_braces(r: random.Random) -> str:
    opening, closing = r.choice(["[]", "{}", ("{a: ", "}"), ("[1, ", "]"), ("? ", "")])
    depth = r.choice([15, 17, 1_000, 100_000])
    return ("inputs: " + opening * depth + (closing * depth if r.random() < 0.5 else ""))[:999_999]


def _aliases(r: random.Random) -> str:
    width = r.choice([2, 10, 100])
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, 30))]
    return "\n".join(lines if r.random() < 0.7 else [line.split("[*")[0] + " 1" for line in lines])


def _numbers(r: random.Random) -> str:
    number = r.choice(NUMBERS) * r.choice([1, 1, 1, 2_000])
    return (
        f"inputs: {r.choice(['', '!!float ', '!!int ', '!!bool '])}{number}\nlayers: [{{dense: {number}}}]\nloss: huber"
    )


def _noise(r: random.Random) -> str:
    alphabet = "aé☃{}[]:,&*!|>%@`'\"#-? \n\t\\0129.e~<="
    return "".join(r.choice(alphabet) for _ in range(r.choice([10, 1_000, 60_000])))


def _scalars(r: random.Random) -> str:
    """Hundreds of thousands of short values, in one list or many, or one text that is as long as a file may be."""
    return "layers: " + r.choice(["[" + "1, " * 330_000 + "1]", "\n" + "- 1\n" * 240_000, "'" + "x" * 990_000 + "'"])


KINDS: Sequence[Callable[[random.Random], str]] = (
    _deep_formulas, _many_layers, _many_fields, _changed, _deep_braces, _aliases, _numbers, _noise, _scalars,
)  # fmt: skip


# --- the attack ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What loading a spec took and building what it says, in seconds and megabytes, and the outcome."""

    seconds: float
    megabytes: int
    build_seconds: float
    build_megabytes: int
    said: str

    @classmethod
    def read(cls, line: str) -> Answer:
        """What the child has printed."""
        seconds, megabytes, build_seconds, build_megabytes, said = line.split(" ", 4)
        return cls(float(seconds), int(megabytes), float(build_seconds), int(build_megabytes), said)

    @property
    def is_survived(self) -> bool:
        """Whether it is as it should be, within the limits."""
        return (
            self.said in ("loaded", "refused in 1 lines")
            and self.seconds <= PROCESSOR_SECONDS
            and self.megabytes <= MEGABYTES
            and self.build_seconds <= BUILD_SECONDS
            and self.build_megabytes <= BUILD_MEGABYTES
        )

    def __str__(self) -> str:
        built = f"{self.build_seconds:.2f} s and {self.build_megabytes} MB to build"
        return f"{self.said}, {self.seconds:.2f} s and {self.megabytes} MB; {built}"


def attack(tries: int) -> Outcome:
    """Load so many hostile specs, one after the other in a child; a new one follows a child that one has ended."""
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory() as folder:
        good = Path(folder, "good.yaml")
        good.write_text(json.dumps(_network([{"dense": 1}])), encoding="utf-8")
        paths = [_written(Path(folder), number) for number in range(tries)]
        while len(answers) < tries:
            answers += _answers(SAMPLE_LAYERS if tries < ALL else 1_000, str(good), paths[len(answers) :])
    failures = [
        f"number {number} ({KINDS[number % len(KINDS)].__name__}): {found}"
        for number, found in enumerate(answers)
        if not found.is_survived
    ]
    most = Answer(
        max(found.seconds for found in answers),
        max(found.megabytes for found in answers),
        max(found.build_seconds for found in answers),
        max(found.build_megabytes for found in answers),
        f"{sum(found.said == 'loaded' for found in answers):,} loaded; at most",
    )
    return Outcome(tries, tuple(failures), str(most).replace("most,", "most"))


def _answers(built: int, good: str, paths: Sequence[str]) -> list[Answer]:
    """What became of each spec, up to the first that ends the child, which loads a good one before."""
    ended = run(PROGRAM, built, good, *paths, seconds=SECONDS + (PROCESSOR_SECONDS + BUILD_SECONDS) * len(paths))
    read = [Answer.read(line) for line in ended.printed.splitlines()]
    if len(read) <= len(paths):
        read.append(Answer(0.0, 0, 0.0, 0, str(ended)))
    first, *found = read
    if first.said != "loaded":
        raise RuntimeError(f"a good spec: {first.said}")
    return found


def _written(folder: Path, number: int) -> str:
    r = random.Random(number)
    text = KINDS[number % len(KINDS)](r)
    # JSON is YAML too, the slower to read.
    path = folder / f"{number}{r.choice(['.yaml', '.json'])}"
    path.write_text(text, encoding="utf-8")
    return str(path)
