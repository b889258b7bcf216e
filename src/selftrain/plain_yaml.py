"""YAML read as plain values: nothing in it runs, stands in itself, or grows when it is read."""

from typing import Any

import yaml

from selftrain.errors import ConfigError

DEEPEST = 32
"""Mappings and lists inside one another."""


class NotYamlError(ConfigError):
    """A text that is no YAML; says why."""


def read_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises NotYamlError for what is none, ConfigError for aliases, with which a short text can be without end, and for
    one that is nested too deep.
    """
    try:
        return _Reader(text).get_single_data()
    # The reader's own error; over an impossible date or number; over too many brackets.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NotYamlError(f"is not YAML: {' '.join(str(error).split())[:200]}") from None


class _Reader(yaml.SafeLoader):
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            anchor = self.peek_event().anchor  # type: ignore[no-untyped-call]
            if anchor in self.anchors:
                raise ConfigError(f"holds the alias *{anchor}, which is not read: write out what it stands for")
        if self._depth > DEEPEST:
            raise ConfigError(f"is nested more than {DEEPEST} deep: a configuration is not")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1
