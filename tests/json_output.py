"""What a command prints with --json, held against the schema that is published for it."""

import json
from functools import cache
from importlib.resources import files

from jsonschema import Draft202012Validator


@cache
def published():
    """The document as it is shipped."""
    text = files("wmproof.cli").joinpath("output.schema.json").read_text("utf-8")
    document = json.loads(text)
    Draft202012Validator.check_schema(document)
    return document


@cache
def validators():
    """One for each command, and "failure"; unlike a reader's they know every field there is."""
    document = closed(published())
    names = [item["$ref"].split("/")[-1].replace("%20", " ") for item in document["then"]["oneOf"]]
    return {
        name: Draft202012Validator(document["$defs"][name] | {"$defs": document["$defs"]})
        for name in [*names, "failure"]
    }


def closed(part):
    """The same schema without fields that it does not name."""
    if isinstance(part, list):
        return [closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    found = {name: closed(value) for name, value in part.items()}
    if "properties" in part and part.get("type") == "object":
        found["additionalProperties"] = False
    return found


def parse_output(text):
    """The object that a command printed, if it is what the schema says."""
    fields = json.loads(text)
    Draft202012Validator(published()).validate(fields)
    validators()[fields.get("command", "failure")].validate(fields)
    return fields
