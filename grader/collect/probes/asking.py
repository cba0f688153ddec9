"""All probes of a lab at once: each in a thread and with a connection of its own, each within its time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from grader.checks.probing import ERROR, question
from grader.collect.access import Access
from grader.collect.probes import inside, limits, names, web
from grader.collect.probes.limits import Deadline
from grader.collect.probes.targets import Refused
from grader.labfile.schema import Probe, ProbeSpec
from grader.model import GraderError, Probed, Reply

# So many probes are under way at a time.
_SIDE_BY_SIDE = 16


def ask(access: Access, namespace: str, checks: Mapping[str, Probe]) -> dict[str, Probed]:
    """Make every probe, by the check's id; those that ask the same once. Never raises for what a Pod does."""
    specs = {question(check.probe): check.probe for check in checks.values()}
    if not specs:
        return {}
    with ThreadPoolExecutor(min(len(specs), _SIDE_BY_SIDE), thread_name_prefix="probe") as pool:
        under_way = {asked: pool.submit(_one, access, namespace, spec) for asked, spec in specs.items()}
        probed = {asked: one.result() for asked, one in under_way.items()}
    return {i: probed[question(c.probe)] for i, c in checks.items()}


def _one(access: Access, namespace: str, spec: ProbeSpec) -> Probed:
    replies = tuple(_asked(access.another(), namespace, spec))
    return Probed(question(spec), replies, time.monotonic())


def _asked(own: Access, namespace: str, spec: ProbeSpec) -> Sequence[Reply]:
    """The replies, or an error in their place. Closes its connection."""
    try:
        return _replies(own, namespace, spec)
    except Refused as refused:
        return (refused.reply,)
    except GraderError as fault:
        return (Reply(ERROR, said=str(fault)),)
    except TimeoutError:
        return (Reply(ERROR, said="the API server did not answer in time"),)
    except (OSError, HTTPException) as fault:
        return (Reply(ERROR, said=f"the API server does not answer ({fault or type(fault).__name__})"),)
    finally:
        own.close()


def _replies(access: Access, namespace: str, spec: ProbeSpec) -> Sequence[Reply]:
    if spec.http is not None:
        return web.http(access, namespace, spec.http)
    if spec.tcp is not None:
        return web.tcp(access, namespace, spec.tcp)
    until = Deadline.after(limits.COMMAND if spec.exec else limits.ANSWER)
    if spec.dns is not None:
        return (names.look_up(access, namespace, spec.dns, until),)
    if spec.exec is not None:
        return (inside.command(access, namespace, spec.exec, until),)
    if spec.logs is not None:
        return (inside.log(access, namespace, spec.logs, until),)
    raise TypeError("a probe without a kind cannot be read from a lab")
