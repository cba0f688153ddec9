"""YAML text as nodes with their lines, by libyaml where PyYAML has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

MAX_DEPTH = 100
# A node's tag where its author wrote none: how a scalar was written.
PLAIN, QUOTED = "plain", "quoted"
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class TooDeep(yaml.MarkedYAMLError):
    """A file is nested so deeply that no reader of ours should follow."""


class Composer:
    """Makes nodes of libyaml's events and leaves the type of a scalar to us: its tag says only how it was written.

    libyaml's own composer descends without a limit in C, and ten thousand brackets end the process.
    """

    def __init__(self, content: str) -> None:
        """Take a file's text. Both this and reading on may raise yaml.MarkedYAMLError and yaml.reader.ReaderError."""
        self.loader = _Loader(content)
        self.anchors: dict[str, yaml.Node] = {}

    def roots(self) -> Iterator[yaml.Node]:
        """The root of each document."""
        while True:
            event = self.loader.get_event()
            if isinstance(event, yaml.StreamEndEvent):
                return
            if isinstance(event, yaml.DocumentStartEvent):
                self.anchors = {}
                yield self.node(self.loader.get_event(), 0)

    def node(self, event: Any, depth: int) -> yaml.Node:
        """The node that begins with an event."""
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                problem = f'the alias "*{event.anchor}" stands for nothing above it'
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
            return self.anchors[event.anchor]
        if depth > MAX_DEPTH:
            raise TooDeep(problem="", problem_mark=mark)
        made: yaml.Node
        if isinstance(event, yaml.ScalarEvent):
            tag = event.tag or (PLAIN if event.implicit[0] else QUOTED)
            made = yaml.ScalarNode(tag, event.value, mark)
            self.name(event, made)
            return made
        kind = yaml.MappingNode if isinstance(event, yaml.MappingStartEvent) else yaml.SequenceNode
        made = kind(event.tag or "", [], mark)
        self.name(event, made)
        while not isinstance(inner := self.loader.get_event(), yaml.CollectionEndEvent):
            item: Any = self.node(inner, depth + 1)
            if kind is yaml.MappingNode:
                item = (item, self.node(self.loader.get_event(), depth + 1))
            made.value.append(item)
        return made

    def name(self, event: Any, node: yaml.Node) -> None:
        """Remember what an anchor stands for."""
        if event.anchor is not None:
            self.anchors[event.anchor] = node
