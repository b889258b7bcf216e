"""YAML read as plain values: nothing in it runs, stands in itself, or grows when it is read."""

from typing import Any

import yaml

from selftrain.errors import ConfigError

DEEPEST = 32
"""Mappings and lists inside one another."""
TOO_DEEP = f"is nested more than {DEEPEST} deep, or stands in itself: a configuration is not"
MOST = 20_000
"""Values of a text, those that aliases stand for counted wherever they stand."""


class NotYamlError(ConfigError):
    """A text that is no YAML; says why."""


def read_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises NotYamlError for what is none, ConfigError for one that is nested too deep or, by its aliases, without end.
    """
    try:
        reader = yaml.SafeLoader(text)
        node = reader.get_single_node()
        if node is None:
            return None
        _count(node)
        return reader.construct_document(node)
    except RecursionError:
        raise ConfigError(TOO_DEEP) from None
    except (yaml.YAMLError, ValueError) as error:  # the latter over an impossible date or number
        raise NotYamlError(f"is not YAML: {' '.join(str(error).split())[:200]}") from None


def _count(root: yaml.Node) -> None:
    """Goes through all values, before any is made, and through what aliases stand for again and again."""
    left, ahead = MOST, [(root, 0)]
    while ahead:
        node, depth = ahead.pop()
        left -= 1
        if depth > DEEPEST:
            raise ConfigError(TOO_DEEP)
        if left < 0:
            raise ConfigError(f"holds more than {MOST:,} values: a configuration does not; write it without aliases")
        if isinstance(node, yaml.MappingNode):
            ahead += [(inner, depth + 1) for pair in node.value for inner in pair]
        elif isinstance(node, yaml.SequenceNode):
            ahead += [(inner, depth + 1) for inner in node.value]
