"""The mistakes as data: what a student did on a cluster, and the sentence that must come of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "mistakes"


@dataclass(frozen=True)
class Scenario:
    """One entry of mistakes/*.yaml. `admin` and `student` are manifests, `first`, `then` and `finally` kubectl commands
    ({as, run, fails}); `events` are made as a kubelet would make them; `also` are further kinds that the lab looks at;
    `calls` are audit patterns of the lab's other checks; `replies` are what the check's probe was answered."""

    file: str
    mistake: str
    did: str
    check: dict[str, Any]
    says: str
    admin: list[dict[str, Any]] = field(default_factory=list)
    student: list[dict[str, Any]] = field(default_factory=list)
    first: list[dict[str, Any]] = field(default_factory=list)
    then: list[dict[str, Any]] = field(default_factory=list)
    afterwards: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    also: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    replies: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 120  # a bound for a crowded machine, not an expectation

    def expected(self, namespace: str) -> re.Pattern[str]:
        """The sentence as a pattern: * is a part that the cluster chooses."""
        text = self.says.replace("${ns}", namespace)
        return re.compile("".join(".+" if part == "*" else re.escape(part) for part in re.split(r"(\*)", text)))


def placed(value: Any, namespace: str) -> Any:
    """A copy with ${ns} replaced."""
    match value:
        case str():
            return value.replace("${ns}", namespace)
        case list():
            return [placed(v, namespace) for v in value]
        case dict():
            return {k: placed(v, namespace) for k, v in value.items()}
        case _:
            return value


def scenarios() -> list[Scenario]:
    """Every entry, in the order of the files."""
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text()):
            found.append(Scenario(file=path.stem, afterwards=entry.pop("finally", []), **entry))
    return found
