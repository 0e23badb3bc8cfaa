"""Keeps the parameters of a request that its operation has.

AWS and moto ignore the others. A permission that is derived from one of them would be for another resource than the one
that the operation changes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from moto.core.parse import PROTOCOL_PARSERS

from localaws.errors import AwsError

# Every request of the query protocol has these two.
_COMMON = ("Action", "Version")


def located(model: Any) -> dict[str, Any]:
    """The parameters of an operation that belong into the URL, by their names there."""
    members = model.input_shape.members.items() if model.input_shape else ()
    found = [(name, shape) for name, shape in members if shape.serialization.get("location") == "querystring"]
    return {shape.serialization.get("name", name): shape for name, shape in found}


def of_form(model: Any, given: Mapping[str, str], protocol: str) -> dict[str, Any]:
    """The parameters of the query protocol, each also as what it stands for: a list, a structure or a map.

    Lists of texts (`Names.member.1=a`) are read with gaps in their numbers; the rest is read as moto reads it.
    """
    members = model.input_shape.members if model.input_shape else {}
    known = {wire: shape for name, shape in members.items() for wire in _form_names(name, shape, protocol)}
    kept: dict[str, Any] = {}
    lists: dict[str, list[str]] = {}
    for name, value in given.items():
        if name in _COMMON:
            kept[name] = value
        shape = known.get(name.partition(".")[0])
        if shape is None:
            continue
        kept[name] = value
        start, member, number = name.rpartition(".member.")
        # A text that is sent as a list (`RoleName.member.1=a`) does not replace the text.
        if member and number.isdigit() and ("." in start or shape.type_name == "list"):
            lists.setdefault(start, []).append(value)
    parser = PROTOCOL_PARSERS[protocol](model)
    try:
        whole = parser.parse({"values": kept})
    except ValueError as error:  # A number that is none, a file that is not base64.
        raise AwsError("MalformedInput", f"A parameter has a value that it cannot have: {error}"[:200]) from None
    nested = {name: value for name, value in whole.items() if isinstance(value, dict | list)}
    return kept | nested | lists


def of_json(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in a JSON body."""
    shape = model.input_shape
    if shape is not None and "payload" in shape.serialization:
        # The body is one member; a text or file has no parameters.
        shape = shape.members[shape.serialization["payload"]]
    members = getattr(shape, "members", {}).items()
    inside = [(name, member.serialization) for name, member in members if "location" not in member.serialization]
    known = {wire.get("name", name) for name, wire in inside}
    return {name: value for name, value in given.items() if name in known}


def _form_names(name: str, shape: Any, protocol: str) -> Iterator[str]:
    """The names of a member in a form, as moto's parser reads them. A flattened list has the name of its members."""
    wire = shape.serialization
    found = wire.get("locationNameForQueryCompatibility") or wire.get("name", name)
    if protocol == "ec2":
        found = wire.get("queryName") or found[0].upper() + found[1:]
    yield found
    if shape.type_name == "list" and wire.get("flattened") and "name" in shape.member.serialization:
        yield shape.member.serialization["name"]
