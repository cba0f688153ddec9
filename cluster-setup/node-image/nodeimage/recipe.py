"""What is to be made: `recipe.toml`, with the names that upstream gives its images filled in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

RECIPE = Path(__file__).parent / "recipe.toml"


@dataclass(frozen=True, slots=True)
class Debian:
    """Which Debian, and where it is fetched from."""

    suite: str
    mirror: str


@dataclass(frozen=True, slots=True)
class Image:
    """One image: what is in it, and how it starts. Fields as in the recipe, which explains them."""

    reference: str
    programs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    applets: bool = False
    iptables: bool = False
    nginx: bool = False
    bare: bool = False
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    user: str = ""
    stop: str = ""
    holds: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a build makes. The node's `packages`, `programs` and `cni` are names; `debian` is what the node
    and the system's images are made of, `debian_of_labs` what the others are."""

    debian: Debian
    debian_of_labs: Debian
    node_packages: tuple[str, ...]
    node_programs: tuple[str, ...]
    node_cni: tuple[str, ...]
    system: tuple[Image, ...]
    extras: tuple[Image, ...] = field(default=())
    labs: tuple[Image, ...] = field(default=())

    def programs(self) -> list[str]:
        """Every upstream program that some image holds, sorted."""
        cni = [f"cni-{name}" for name in self.node_cni]
        images = (*self.system, *self.extras)
        return sorted({*self.node_programs, *cni, *(name for image in images for name in image.programs)})


def read(names: Mapping[str, str], *, mirror: str | None = None, file: Path = RECIPE) -> Recipe:
    """The recipe, with `names` in place of what stands in braces. Raises KeyError for a name that is missing."""
    content = tomllib.loads(file.read_text())
    source = content["debian"]
    debian, newer = (Debian(source[suite], mirror or source["mirror"]) for suite in ("node", "labs"))
    node = content["node"]
    labs: dict[str, Image] = {}
    for reference, fields in content["labs"].items():
        same = fields.get("same")
        labs[reference] = replace(labs[same], reference=reference) if same else _image(reference, fields)
    system, extras = (
        tuple(_image(reference.format_map(names), fields) for reference, fields in content[part].items())
        for part in ("system", "extras")
    )
    return Recipe(
        debian,
        newer,
        tuple(node["packages"]),
        tuple(node["programs"]),
        tuple(node["cni"]),
        system,
        extras,
        tuple(labs.values()),
    )


def _image(reference: str, fields: dict[str, Any]) -> Image:
    given: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}
    return Image(reference, **given)
