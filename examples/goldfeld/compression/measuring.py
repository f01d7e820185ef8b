"""The stage that measures: the neurons, the SZT nets, the authors' way of drawing, the CNNs."""

from __future__ import annotations

from functools import partial

from compression.checkpoints import write_rows
from compression.mnist_stage import REFERENCE, SHOWN, compare, follow, values_at
from compression.mnist_stage import collect as collect_mnist
from compression.mnist_stage import is_trained as is_cnn_trained
from compression.neuron import neuron_epochs, neuron_rows, pair_rows
from compression.parts import Tables, kept
from compression.rate import rate_rows
from compression.released import drawn_rows
from compression.scales import MnistTraining, SztTraining
from compression.szt_measure import Net
from compression.szt_stage import collect, geometry, is_trained, look, looks_of, net_at
from compression.work import Work


def measure_all(work: Work) -> bool:
    """Measure what is trained, up to the end or until time is up; tell whether it ended."""
    if not work.only:
        measure_neurons(work)
    return measure_szt(work) and measure_mnist(work)


def measure_neurons(work: Work) -> None:
    """Measure the single neuron, the two in a row, and the rate at which the error falls."""
    last = work.scale.neuron_epochs
    for name, make in (
        ("neuron", lambda: neuron_rows(neuron_epochs(last))),
        ("pair", lambda: pair_rows(neuron_epochs(last))),
        ("rate", lambda: rate_rows(work.scale.rate_sets)),
    ):
        path = work.results / f"{name}.csv"
        if not path.exists():
            write_rows(path, make())


def measure_szt(work: Work) -> bool:
    """Measure the SZT nets; tell whether all looks were had."""
    trained = []
    for training in (each for each in work.trainings if isinstance(each, SztTraining)):
        if is_trained(training, work.folder(training)):
            trained.append(training)
        else:
            print(f"  {training.name}: not trained yet, left out", flush=True)
    for training in trained:
        geometry(training, work.folder(training), work.szt, work.parts(training.name))
        collect(training, work.folder(training), work.parts(training.name), work.results)
        if training.name == work.scale.szt[0].name and not work.is_over:
            draw_as_the_authors(work, training)
    due = [(at, training) for training in trained for at in looks_of(training, work.scale)]
    for at, training in sorted(due, key=lambda pair: pair[0][0]):
        if work.is_over:
            break
        error, parts = work.scale.standard_error, work.parts(training.name)
        look(training, work.folder(training), work.szt, parts, at, error)
    for training in trained:
        collect(training, work.folder(training), work.parts(training.name), work.results)
    return not work.is_over


def draw_as_the_authors(work: Work, training: SztTraining) -> None:
    """Measure the first seed's two first layers with inputs drawn with replacement."""
    epoch = training.marked()[0]
    net = net_at(training, work.folder(training), work.szt, 0, epoch)
    error, rows = work.scale.standard_error, []
    for draws in work.scale.drawn:
        for seed in range(work.scale.drawn_sets):
            path = work.parts("released") / f"draws{draws}-seed{seed}.json"
            rows += kept(path, partial(drawn_tables, net, draws, seed, error))["rows"]
    write_rows(work.results / "released.csv", rows)


def drawn_tables(net: Net, draws: int, seed: int, standard_error: float) -> Tables:
    """Return the rows of one set of inputs as a table with a name."""
    return {"rows": drawn_rows(net, draws, seed, standard_error)}


def measure_mnist(work: Work) -> bool:
    """Measure the CNNs; tell whether all was done."""
    trained = []
    for training in (each for each in work.trainings if isinstance(each, MnistTraining)):
        if is_cnn_trained(training, work.folder(training)):
            trained.append(training)
        else:
            print(f"  {training.name}: not trained yet, left out", flush=True)
    for training in trained:
        if training.variant == SHOWN and not work.is_over:
            images, parts = work.tested(training), work.parts("mnist") / training.name
            follow(training, work.folder(training), images, parts)
    for reference in (each for each in trained if each.variant == REFERENCE):
        _compare_with(work, reference, trained)
    if trained:
        folders = [work.folder(training) for training in trained]
        collect_mnist(trained, folders, work.parts("mnist"), work.results)
    return not work.is_over


def _compare_with(work: Work, reference: MnistTraining, trained: list[MnistTraining]) -> None:
    images = work.tested(reference)
    values = None
    for training in trained:
        parts = work.parts("mnist") / training.name
        is_other = training.seed == reference.seed and training != reference
        if not is_other or work.is_over or (parts / "similarity.json").exists():
            continue
        if values is None:
            values = values_at(reference, work.folder(reference), images, reference.epochs)
        compare(training, work.folder(training), values, images, parts)
