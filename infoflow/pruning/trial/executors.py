"""Trainings in other processes: any executor of ``concurrent.futures``."""

from __future__ import annotations

import importlib
import os
import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, as_completed
from typing import Any

import torch

from infoflow.interface import ArgumentError, ArgumentTypeError, InfoflowError
from infoflow.interface.argument_checks import shown

#: What is done in a worker: takes what :func:`packed` made, then plain values.
Work = Callable[..., Any]


def check_executor(executor: object) -> None:
    """Raise an ArgumentError for what is no executor, and for processes that are forked."""
    if executor is None:
        return
    if not isinstance(executor, Executor):
        hint = (
            "Pass client.get_executor()."
            if hasattr(executor, "get_executor")
            else "Pass ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('spawn'))."
        )
        raise ArgumentTypeError(
            f"executor must be a concurrent.futures.Executor, got {shown(executor)}. {hint}"
        )
    context: Any = getattr(executor, "_mp_context", None)
    if context is not None and context.get_start_method() == "fork":
        raise ArgumentError(
            "executor must start its processes anew, since torch hangs in forked ones; got one "
            "that forks. Pass ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("
            "'spawn'))."
        )


def packed(what: str, **parts: Any) -> bytes:
    """Return objects for workers; an ArgumentError names the one that cannot be sent.

    ``cloudpickle``, which dask brings, also sends lambdas and functions of scripts and notebooks.

    Examples
    --------
    >>> pickle.loads(packed("the net", net=torch.nn.Linear(1, 1)))["net"]
    Linear(in_features=1, out_features=1, bias=True)
    """
    try:
        pickler: Any = importlib.import_module("cloudpickle")
    except ImportError:
        pickler = pickle
    for name, part in parts.items():
        try:
            pickler.dumps(part)
        except Exception as error:
            more = "" if pickler is not pickle else ", or install cloudpickle, which sends lambdas"
            raise ArgumentError(
                f"{name} cannot be sent to the processes that {what} ({type(error).__name__}: "
                f"{error}). Define it at the top of a module{more}; or leave executor= out."
            ) from error
    found: bytes = pickler.dumps(parts)
    return found


def spread(
    executor: Executor,
    work: Work,
    jobs: Mapping[str, tuple[Any, ...]],
    keep: Callable[[str, Any], object],
    advice: str,
) -> None:
    """Let an executor do jobs, and keep what each returns as it comes, in this process.

    Where one fails, those that have not begun are called off, and those that have are kept.

    Parameters
    ----------
    executor
        Where the work is done.
    work
        A function at the top of a module.
    jobs
        Its arguments, by the name under which the result is kept.
    keep
        Called with name and result.
    advice
        What to do when a worker dies.

    Raises
    ------
    InfoflowError
        If a worker dies, and what the work raises.
    """
    workers = int(getattr(executor, "_max_workers", 0) or 0)
    futures: dict[Future[Any], str] = {
        executor.submit(run, os.getpid(), workers, work, *given): name
        for name, given in jobs.items()
    }
    failure: Exception | None = None
    try:
        for future in as_completed(futures):
            try:
                if not future.cancelled():
                    keep(futures[future], future.result())
            except Exception as error:
                if failure is None:
                    error.add_note(f"This happened in a worker, at {futures[future]!r}.")
                    error.add_note(advice)
                failure = failure or error
                for other in futures:
                    other.cancel()
    finally:
        for other in futures:
            other.cancel()
    if failure is not None:
        raise _explained(failure, advice) from failure


def run(parent: int, workers: int, work: Work, *given: Any) -> Any:
    """Work in a worker, with its share of the processors."""
    if os.getpid() != parent and workers and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
    return work(*given)


def _explained(error: Exception, advice: str) -> Exception:
    """Return an error of ours for a worker that died; others are the caller's own."""
    name = type(error).__name__
    if name in ("BrokenProcessPool", "BrokenExecutor", "KilledWorker", "BrokenThreadPool"):
        return InfoflowError(f"A worker died ({name}: {error}). {advice}")
    return error
